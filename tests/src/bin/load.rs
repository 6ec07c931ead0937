//! `load`: a NATS publisher and a subscriber in one process, for measurements: how many messages come through, how late.
//! One line of JSON at the end. Runs are short, so the server's PINGs go unanswered (two may).
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Octets of one write.
const BLOCK: usize = 32 << 10;
/// Octets under way at most: nobody becomes a slow consumer, and no queue between the hosts overflows.
const WINDOW: usize = 512 << 10;

/// Publishes to a nats-server and reads what it publishes back.
#[derive(Parser)]
struct Options {
    /// The server
    #[arg(long, default_value = "10.77.2.2:4222")]
    to: SocketAddr,
    /// Octets of a message
    #[arg(long, default_value_t = 128)]
    size: usize,
    /// How long
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Messages a second; 0: as many as go
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
}

/// What came of it.
#[derive(serde::Serialize)]
struct Report {
    messages: u64,
    seconds: f64,
    per_second: f64,
    p50_us: u32,
    p99_us: u32,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!((8..=1 << 20).contains(&options.size), "--size is 8 to 1048576");
    watchdog(Duration::from_secs_f64(options.seconds + 25.0));
    let start = Instant::now();
    let received = Arc::new(AtomicU64::new(0));
    let mut listening = connect(options.to)?;
    listening.write_all(b"SUB load 1\r\nPING\r\n")?;
    until(&mut listening, b"PONG\r\n")?;
    let speaking = connect(options.to)?;
    let subscriber = {
        let (received, size) = (Arc::clone(&received), options.size);
        std::thread::spawn(move || subscribe(listening, size, start, &received))
    };
    let begun = Instant::now();
    let sent = publish(&speaking, &options, start, &received)?;
    while received.load(Ordering::Acquire) < sent {
        ensure!(begun.elapsed().as_secs_f64() < options.seconds + 20.0, "messages are missing");
        std::thread::sleep(Duration::from_micros(200));
    }
    let seconds = begun.elapsed().as_secs_f64();
    // The server closes neither: this ends the subscriber's read.
    drop(speaking);
    let mut late = subscriber.join().map_err(|_| anyhow::anyhow!("the subscriber panicked"))??;
    late.truncate(usize::try_from(sent)?);
    late.sort_unstable();
    let at = |share: f64| late.get((late.len() as f64 * share) as usize).copied().unwrap_or(0);
    let per_second = sent as f64 / seconds;
    let result = Report { messages: sent, seconds, per_second, p50_us: at(0.5), p99_us: at(0.99) };
    println!("{}", serde_json::to_string(&result)?);
    Ok(())
}

/// Ends the process where the server takes or gives nothing any more.
fn watchdog(after: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(after);
        eprintln!("the server neither takes nor gives");
        std::process::exit(1);
    });
}

fn connect(to: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(3))?;
    stream.set_nodelay(true)?;
    until(&mut stream, b"\r\n")?;
    stream.write_all(b"CONNECT {\"verbose\":false,\"name\":\"load\"}\r\nPING\r\n")?;
    until(&mut stream, b"PONG\r\n")?;
    Ok(stream)
}

/// Reads up to these octets.
fn until(stream: &mut TcpStream, end: &[u8]) -> Result<()> {
    let (mut seen, mut one) = (Vec::new(), [0]);
    while !seen.ends_with(end) {
        stream.read_exact(&mut one).with_context(|| String::from_utf8_lossy(&seen).into_owned())?;
        seen.push(one[0]);
    }
    Ok(())
}

/// Publishes for as long as is asked, each message with its time; returns how many.
fn publish(mut stream: &TcpStream, options: &Options, start: Instant, received: &AtomicU64) -> Result<u64> {
    let head = format!("PUB load {}\r\n", options.size);
    let frame = head.len() + options.size + 2;
    let most = (BLOCK / frame).max(1);
    let window = (WINDOW / frame).max(2 * most) as u64;
    let mut block = Vec::with_capacity(most * frame);
    let (begun, mut sent) = (Instant::now(), 0_u64);
    loop {
        let passed = begun.elapsed().as_secs_f64();
        if passed >= options.seconds {
            return Ok(sent);
        }
        let due = if options.rate > 0.0 { (passed * options.rate) as u64 } else { u64::MAX };
        let room = (received.load(Ordering::Acquire) + window).saturating_sub(sent);
        let now = usize::try_from(due.saturating_sub(sent).min(room)).unwrap_or(most).min(most);
        if now == 0 || (options.rate == 0.0 && now < most) {
            std::thread::sleep(Duration::from_micros(if options.rate > 0.0 { 500 } else { 50 }));
            continue;
        }
        block.clear();
        let stamp = u64::try_from(start.elapsed().as_nanos())?.to_le_bytes();
        for _ in 0..now {
            block.extend_from_slice(head.as_bytes());
            block.extend_from_slice(&stamp);
            block.resize(block.len() + options.size - stamp.len(), b'x');
            block.extend_from_slice(b"\r\n");
        }
        stream.write_all(&block)?;
        sent += now as u64;
    }
}

/// Reads messages until its peer has been silent for a second; returns how late each was, in microseconds.
fn subscribe(mut stream: TcpStream, size: usize, start: Instant, received: &AtomicU64) -> Result<Vec<u32>> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let head = format!("MSG load 1 {size}\r\n");
    let (mut late, mut held, mut buffer) = (Vec::new(), Vec::new(), vec![0; 256 << 10]);
    loop {
        let Ok(n) = stream.read(&mut buffer) else { return Ok(late) };
        if n == 0 {
            bail!("the server closed");
        }
        held.extend_from_slice(&buffer[..n]);
        let now = u64::try_from(start.elapsed().as_nanos())?;
        let (mut rest, before) = (&held[..], late.len());
        loop {
            if !rest.is_empty() && rest[0] != b'M' {
                // PING, INFO: one line.
                let Some(end) = rest.iter().position(|b| *b == b'\n') else { break };
                rest = &rest[end + 1..];
            } else if let Some(message) = rest.strip_prefix(head.as_bytes()).filter(|m| m.len() >= size + 2) {
                let stamp = message.first_chunk().map_or(now, |b| u64::from_le_bytes(*b));
                late.push(u32::try_from(now.saturating_sub(stamp) / 1000).unwrap_or(u32::MAX));
                rest = &message[size + 2..];
            } else {
                break;
            }
        }
        let used = held.len() - rest.len();
        held.drain(..used);
        received.fetch_add((late.len() - before) as u64, Ordering::Release);
    }
}
