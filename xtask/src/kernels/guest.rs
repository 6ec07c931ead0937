//! What happens inside: two hosts on one kernel (the server's is the guest's own network namespace), natstrace on the
//! server's, and one connection after the other that ends in its own way. Each has an address of the server of its own, so
//! that the verdicts can be told apart. Everything worth knowing goes to standard output, a word before each line.
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How a connection ends, and at which address of the server.
pub const CLEAN: &str = "10.9.0.11";
/// The client closes with unread input: its kernel sends a reset.
pub const ABORT: &str = "10.9.0.12";
/// The server's host drops the SYN.
pub const DROPPED: &str = "10.9.0.13";
/// The server's host drops what an established connection sends.
pub const CUT: &str = "10.9.0.14";
/// The server is killed.
pub const KILLED: &str = "10.9.0.15";
/// Nobody listens.
pub const REFUSED: &str = "10.9.0.16";

/// Loading the probes takes a debug build on an emulated processor half a minute.
const CAPTURING: Duration = Duration::from_secs(90);
const SOON: Duration = Duration::from_secs(15);

/// The work inside a guest of `cargo xtask kernels`.
#[derive(Args)]
pub struct Inside {
    /// Be the client that drops the connection to this address
    #[arg(long)]
    client: Option<String>,
}

impl Inside {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        match &self.client {
            Some(address) => client(address),
            None => {
                let worked = host();
                if let Err(error) = &worked {
                    println!("failed {error:#}");
                }
                tell("err", "/tmp/err");
                tell("out", "/tmp/out");
                println!("{}", if worked.is_ok() { "done" } else { "stopped" });
                worked
            }
        }
    }
}

/// Prints a file, `word` before each line.
fn tell(word: &str, file: &str) {
    for line in fs::read_to_string(file).unwrap_or_default().lines() {
        println!("{word} {line}");
    }
}

fn host() -> Result<()> {
    println!("kernel {}", fs::read_to_string("/proc/sys/kernel/osrelease")?.trim());
    network()?;
    let doctor = Command::new("/bin/natstrace").args(["doctor", "-o", "json"]).output()?;
    println!("doctor {}", String::from_utf8_lossy(&doctor.stdout).trim());
    print!("{}", lines("doctor-err", &doctor.stderr));
    let quiet = || File::create("/tmp/server.log");
    let mut server =
        Command::new("/bin/nats-server").args(["-p", "4222"]).stdout(quiet()?).stderr(quiet()?).spawn()?;
    let mut natstrace = Command::new("/bin/natstrace")
        .args(["--iface", "s0", "--ebpf", "auto", "-o", "json", "--idle-timeout", "5s"])
        .stdout(File::create("/tmp/out")?)
        .stderr(File::create("/tmp/err")?)
        .spawn()?;
    let begun = Instant::now();
    until("natstrace to capture", CAPTURING, || {
        let capturing =
            fs::read_to_string("/tmp/err").is_ok_and(|text| text.contains("natstrace: capturing on"));
        capturing || !matches!(natstrace.try_wait(), Ok(None))
    })?;
    ensure!(natstrace.try_wait()?.is_none(), "natstrace ended at once");
    println!("ready {} ms", begun.elapsed().as_millis());
    faults(&mut server)?;
    sh("kill", &["-INT", &natstrace.id().to_string()])?;
    let status = natstrace.wait()?;
    println!("exit {status}");
    Ok(())
}

fn lines(word: &str, text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().map(|line| format!("{word} {line}\n")).collect()
}

/// The server's host is this namespace with `s0`, the client's is `client` with `c0`.
fn network() -> Result<()> {
    sh("ip", &["link", "set", "lo", "up"])?;
    sh("ip", &["netns", "add", "client"])?;
    sh("ip", &["link", "add", "s0", "type", "veth", "peer", "name", "c0", "netns", "client"])?;
    for address in [CLEAN, ABORT, DROPPED, CUT, KILLED, REFUSED] {
        sh("ip", &["address", "add", &format!("{address}/24"), "dev", "s0"])?;
    }
    sh("ip", &["link", "set", "s0", "up"])?;
    sh("ip", &["-n", "client", "address", "add", "10.9.0.2/24", "dev", "c0"])?;
    sh("ip", &["-n", "client", "link", "set", "c0", "up"])?;
    sh("ip", &["-n", "client", "link", "set", "lo", "up"])
}

fn faults(server: &mut Child) -> Result<()> {
    until("nats-server to listen", CAPTURING, || {
        fs::read_to_string("/tmp/server.log").is_ok_and(|text| text.contains("Server is ready"))
    })?;
    ended(start(CLEAN)?)?;
    ended(start(ABORT)?)?;
    let cut = start(CUT)?;
    let killed = start(KILLED)?;
    for address in [CUT, KILLED] {
        until("a client to be connected", SOON, || Path::new(&flag("connected", address)).exists())?;
    }
    // As an operator would block one address.
    sh("nft", &["add table inet guest"])?;
    sh("nft", &["add chain inet guest input { type filter hook input priority filter ; }"])?;
    for address in [DROPPED, CUT] {
        sh("nft", &[&format!("add rule inet guest input ip daddr {address} tcp dport 4222 counter drop")])?;
    }
    File::create(flag("go", CUT))?;
    ended(start(DROPPED)?)?;
    // The dead are called dead after --idle-timeout, and settle.
    sleep(Duration::from_secs(8));
    sh("kill", &["-KILL", &server.id().to_string()])?;
    server.wait()?;
    ended(killed)?;
    ended(start(REFUSED)?)?;
    ended(cut)?;
    sleep(Duration::from_secs(3));
    Ok(())
}

fn sh(program: &str, args: &[&str]) -> Result<()> {
    let out = Command::new(program).args(args).output().with_context(|| program.to_owned())?;
    ensure!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr).trim());
    Ok(())
}

fn until(what: &str, patience: Duration, mut is: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !is() {
        ensure!(start.elapsed() < patience, "waited {} s for {what}", patience.as_secs());
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn flag(what: &str, address: &str) -> String {
    format!("/tmp/{what}.{address}")
}

/// The client of `address`, a process on the client's host.
fn start(address: &str) -> Result<(String, Child)> {
    let client = Command::new("ip")
        .args(["netns", "exec", "client", "/bin/xtask", "kernels-guest", "--client", address])
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .spawn()?;
    Ok((address.to_owned(), client))
}

fn ended((address, mut client): (String, Child)) -> Result<()> {
    let status = client.wait()?;
    ensure!(status.success(), "the client of {address}: {status}");
    Ok(())
}

fn client(address: &str) -> Result<()> {
    let to: SocketAddr = format!("{address}:4222").parse()?;
    match address {
        DROPPED => {
            let tried = TcpStream::connect_timeout(&to, Duration::from_secs(4));
            ensure!(tried.is_err(), "a connection through the filter");
        }
        REFUSED => ensure!(TcpStream::connect(to).is_err(), "a connection without a listener"),
        CLEAN => drop(hello(&to)?),
        ABORT => {
            let mut stream = hello(&to)?;
            stream.write_all(b"PING\r\n")?;
            let mut unread = [0];
            ensure!(stream.peek(&mut unread)? == 1, "nothing to leave unread");
        }
        CUT => {
            let mut stream = hello(&to)?;
            File::create(flag("connected", address))?;
            until("the filter", SOON, || Path::new(&flag("go", CUT)).exists())?;
            for _ in 0..4 {
                stream.write_all(b"PUB a 2\r\nhi\r\n")?;
                sleep(Duration::from_millis(500));
            }
            sleep(Duration::from_secs(8));
        }
        KILLED => {
            let mut stream = hello(&to)?;
            File::create(flag("connected", address))?;
            stream.set_read_timeout(None)?;
            stream.read_to_end(&mut Vec::new()).ok();
        }
        _ => bail!("nothing is done at {address}"),
    }
    Ok(())
}

/// A connection whose CONNECT was answered.
fn hello(to: &SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(to, SOON)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(b"CONNECT {\"verbose\":false,\"name\":\"guest\"}\r\nPING\r\n")?;
    let (mut said, mut some) = (Vec::new(), [0; 512]);
    while !said.windows(6).any(|part| part == b"PONG\r\n") {
        let read = stream.read(&mut some)?;
        ensure!(read > 0, "the server closed first");
        said.extend_from_slice(&some[..read]);
    }
    Ok(stream)
}
