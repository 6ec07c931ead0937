//! Servers that end, aren't there, or close on a client.
use super::{attempt, attempts, close, of};
use crate::lab::Host;
use crate::lab::client::{Client, Lang};
use crate::lab::scenarios::tls;
use crate::lab::stage::pause;
use crate::live::scene::{ANYHOW, CLIENT, EVERYWHERE, KERNEL, SERVER, WIRE};
use crate::live::want::{Owner, Want};
use crate::live::{Fault, Mode, Observer, Scene};
use crate::truth::Expected;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// What is here.
pub const LIST: &[Fault] = &[
    Fault { name: "server_oom", what: "the kernel's OOM killer ends the server (small cgroup)", play: oom },
    Fault { name: "lame_duck", what: "the server goes into lame duck mode", play: lame_duck },
    Fault {
        name: "slow_consumer_tls",
        what: "a subscriber hangs past the write deadline, under TLS, and the server is asked",
        play: slow_consumer_tls,
    },
    Fault { name: "slow_consumer", what: "a subscriber hangs past the write deadline", play: slow_consumer },
    Fault { name: "server_sigterm", what: "the server is stopped (SIGTERM)", play: sigterm },
    Fault { name: "server_sigkill", what: "the server is killed (SIGKILL)", play: sigkill },
    Fault { name: "refused", what: "nobody listens", play: refused },
];

/// Two clients, on two hosts; the first comes back as often as it is allowed to.
fn two(s: &mut Scene) -> Result<(Client, Owner, Client)> {
    let (orders, owner) = s.py("orders", "--sub a --reconnect --wait 0.4 --tries 4")?;
    let stock = s.stage.connected(Host::Other, Lang::Python, "stock", "--sub a")?;
    pause(500);
    Ok((orders, owner, stock))
}

/// Who comes back finds nobody; `causes` of the end may be told of the attempts as well.
fn nobody(s: &mut Scene, owner: &Owner, causes: &str) {
    // A listener on its way out takes a connection that its process never sees.
    let late = attempts().handshake("complete");
    let late = Want::new(Expected::new(late, "fin|rst", "server", causes)).times(0, 2).by(owner);
    let refused = refused_attempts(causes).by(owner);
    for want in [late, refused] {
        s.want(EVERYWHERE, ANYHOW, &want);
    }
}

fn refused_attempts(causes: &str) -> Want {
    let causes = format!("server_not_listening|client_gave_up|{causes}");
    Want::new(Expected::new(attempts(), "rst", "server", &causes)).times(0, 80).nobody_listens()
}

/// `orders` at both hosts, `stock` at the server's.
fn server_closed(
    s: &mut Scene,
    places: &[bool],
    modes: &[Mode],
    clients: (&Client, &Owner, &Client),
    want: &dyn Fn(Want) -> Want,
    cause: &str,
) {
    let (orders, owner, stock) = clients;
    s.want(places, modes, &want(close(orders, "fin", "server", cause).by(owner)));
    if places.contains(&true) {
        let stock = Want::new(Expected::new(of(Host::Other, stock), "fin", "server", cause));
        s.want(SERVER, modes, &want(stock));
    }
}

fn sigterm(s: &mut Scene) -> Result<()> {
    let mut server = s.server("")?;
    s.watch("")?;
    let (orders, owner, stock) = two(s)?;
    s.now();
    server.signal(libc::SIGTERM)?;
    server.wait()?;
    let clients = (&orders, &owner, &stock);
    let signal = |want: Want| want.says("kernel", &["SIGTERM"]);
    server_closed(s, SERVER, KERNEL, clients, &signal, "server_shutdown");
    server_closed(s, SERVER, &[Mode::Packets], clients, &|w| w, "server_shutdown");
    server_closed(s, CLIENT, WIRE, clients, &|w| w, "server_shutdown");
    // A FIN and refusals: whether it stopped or crashed, the client's kernel can't know.
    server_closed(s, CLIENT, &[Mode::Probes], clients, &|w| w, "server_shutdown|server_crashed");
    nobody(s, &owner, "server_shutdown|server_crashed");
    s.done();
    Ok(())
}

fn sigkill(s: &mut Scene) -> Result<()> {
    let mut server = s.server("")?;
    let mut observers: Vec<_> = Mode::ALL
        .iter()
        .flat_map(|&mode| [true, false].map(|at_server| Observer { at_server, mode }))
        .collect();
    observers.push(Observer { at_server: true, mode: Mode::Netns });
    s.watch_by(&observers, "")?;
    let (orders, owner, stock) = two(s)?;
    s.now();
    server.signal(libc::SIGKILL)?;
    server.wait()?;
    let clients = (&orders, &owner, &stock);
    let me = std::process::id().to_string();
    let killed = |want: Want| want.says("kernel", &["SIGKILL", &me]);
    server_closed(s, SERVER, &[Mode::Both, Mode::Probes, Mode::Netns], clients, &killed, "server_crashed");
    let guess = "server_crashed|server_shutdown";
    server_closed(s, SERVER, &[Mode::Packets], clients, &|w| w, guess);
    server_closed(s, CLIENT, ANYHOW, clients, &|w| w, guess);
    nobody(s, &owner, guess);
    s.want(SERVER, &[Mode::Netns], &refused_attempts(guess));
    s.done();
    Ok(())
}

fn lame_duck(s: &mut Scene) -> Result<()> {
    let mut server = s.server("lame_duck_grace_period: \"1s\"\nlame_duck_duration: \"30s\"")?;
    s.watch("")?;
    let (orders, owner, stock) = two(s)?;
    s.now();
    server.signal(libc::SIGUSR2)?;
    s.stage.confirm(&server, "lame duck")?;
    server.wait()?;
    let clients = (&orders, &owner, &stock);
    server_closed(s, EVERYWHERE, WIRE, clients, &|w| w, "server_lame_duck");
    // The signal tells, the INFO that announces it isn't seen.
    server_closed(s, SERVER, &[Mode::Probes], clients, &|w| w, "server_lame_duck|server_shutdown");
    let guess = "server_lame_duck|server_shutdown|server_crashed";
    server_closed(s, CLIENT, &[Mode::Probes], clients, &|w| w, guess);
    nobody(s, &owner, guess);
    s.done();
    Ok(())
}

fn slow_consumer(s: &mut Scene) -> Result<()> {
    for host in [Host::Client, Host::Server] {
        // So that little traffic fills them.
        let small = "sysctl -qw net.ipv4.tcp_rmem='4096 8192 16384' net.ipv4.tcp_wmem='4096 8192 16384'";
        s.stage.net.sh(host, small)?;
    }
    let server = s.server("write_deadline: \"1s\"")?;
    s.watch("--assume write_deadline=1s")?;
    let (reader, owner) = s.py("reports", "--sub load")?;
    let mut writer = s.stage.connected(Host::Other, Lang::Python, "writer", "")?;
    // Past its first PING.
    pause(2600);
    reader.signal(libc::SIGSTOP)?;
    writer.say("start load 50 2000")?;
    s.stage.confirm(&server, "Slow Consumer")?;
    writer.say("stop")?;
    pause(200);
    s.now();
    reader.signal(libc::SIGCONT)?;
    reader.expect("CLOSED")?;
    let known = close(&reader, "fin", "server", "slow_consumer").by(&owner);
    s.want(EVERYWHERE, WIRE, &known);
    // Neither window nor queue can be seen from the states of a socket alone.
    let guess = close(&reader, "fin", "server", "slow_consumer|unknown").by(&owner);
    s.want(EVERYWHERE, &[Mode::Probes], &guess);
    s.done();
    Ok(())
}

/// The server's closed list says why; its settings say that the deadline is a second. Nothing of it is assumed.
fn slow_consumer_tls(s: &mut Scene) -> Result<()> {
    let (tls, ca) = tls::certificate(&s.stage, "timeout: 2")?;
    let server = s.server(&format!("{tls}\nhttp: \"0.0.0.0:8222\"\nwrite_deadline: \"1s\""))?;
    let observers =
        EVERYWHERE.iter().flat_map(|&at_server| Mode::ALL.map(|mode| Observer { at_server, mode }));
    s.watch_by(&observers.collect::<Vec<_>>(), "--monitor http://10.77.2.2:8222")?;
    let (reader, owner) = s.py("reports", &format!("--sub load --ca {ca}"))?;
    let mut writer = s.stage.connected(Host::Other, Lang::Python, "writer", &format!("--ca {ca}"))?;
    // Past its first PING.
    pause(2600);
    reader.signal(libc::SIGSTOP)?;
    writer.say("start load 100 60000")?;
    s.stage.confirm(&server, "Slow Consumer")?;
    writer.say("stop")?;
    pause(200);
    s.now();
    reader.signal(libc::SIGCONT)?;
    reader.expect("DISCONNECTED")?;
    let told = close(&reader, "fin|rst|timeout", "server|client", "slow_consumer").by(&owner);
    s.want(EVERYWHERE, ANYHOW, &told.says("server", &["Slow Consumer (Write Deadline)", "bytes queued"]));
    s.done();
    Ok(())
}

fn refused(s: &mut Scene) -> Result<()> {
    s.watch("")?;
    s.now();
    let (client, owner) = attempt(&mut s.stage)?;
    client.expect("FAILED")?;
    let cause = "server_not_listening|client_gave_up";
    let want = Want::new(Expected::new(attempts(), "rst", "server", cause)).times(1, 4);
    s.want(EVERYWHERE, ANYHOW, &want.by(&owner).nobody_listens());
    s.done();
    Ok(())
}

/// A memory cgroup of our own, removed with its value.
struct Cgroup(PathBuf);

impl Cgroup {
    /// Version 1 where the controller is mounted so, else version 2.
    fn make(bytes: u64) -> Result<Self> {
        let name = format!("natlab-{}", std::process::id());
        let old = Path::new("/sys/fs/cgroup/memory");
        let (root, limit) = if old.join("memory.limit_in_bytes").exists() {
            (old, "memory.limit_in_bytes")
        } else {
            (Path::new("/sys/fs/cgroup"), "memory.max")
        };
        let group = Self(root.join(name));
        std::fs::create_dir_all(&group.0)?;
        std::fs::write(group.0.join(limit), bytes.to_string()).context("no memory controller")?;
        Ok(group)
    }

    fn take(&self, pid: u32) -> Result<()> {
        Ok(std::fs::write(self.0.join("cgroup.procs"), pid.to_string())?)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It can't go before its last process has.
        for _ in 0..50 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            pause(20);
        }
    }
}

fn oom(s: &mut Scene) -> Result<()> {
    let group = match Cgroup::make(64 << 20) {
        Ok(group) => group,
        Err(e) => {
            s.skipped = Some(format!("no small cgroup can be made here: {e:#}"));
            return Ok(());
        }
    };
    let store = s.stage.scratch().join("store");
    let mut server = s.server(&format!("jetstream {{ store_dir: {:?} }}", store.display().to_string()))?;
    group.take(server.pid())?;
    s.watch("")?;
    let (orders, owner) = s.py("orders", "--sub a --reconnect --wait 0.4 --tries 4")?;
    let mut writer = s.stage.dial_from(Host::Other, 4222)?;
    writer.login("{}")?;
    let stream = "{\"name\":\"HOG\",\"subjects\":[\"hog\"],\"storage\":\"memory\",\"num_replicas\":1}";
    writer.send(format!("SUB in.> 1\r\nPUB $JS.API.STREAM.CREATE.HOG in.1 {}\r\n{stream}\r\n", stream.len()));
    writer.expect("\"did_create\"")?;
    pause(500);
    s.now();
    let message = format!("PUB hog 100000\r\n{}\r\n", "x".repeat(100_000));
    for _ in 0..2000 {
        writer.send(&message);
    }
    server.wait()?;
    let known = close(&orders, "fin", "server", "server_oom_killed").by(&owner);
    s.want(SERVER, KERNEL, &known.says("kernel", &["OOM"]));
    let guess = close(&orders, "fin", "server", "server_crashed|server_shutdown").by(&owner);
    s.want(SERVER, &[Mode::Packets], &guess);
    s.want(CLIENT, ANYHOW, &guess);
    let cause = |cause: &str| {
        Want::new(Expected::new(crate::truth::from(Host::Other.ip()), "fin|rst", "server", cause))
    };
    s.want(SERVER, KERNEL, &cause("server_oom_killed"));
    s.want(SERVER, &[Mode::Packets], &cause("server_crashed|server_shutdown"));
    nobody(s, &owner, "server_shutdown|server_crashed|server_oom_killed");
    s.done();
    drop(server);
    Ok(())
}
