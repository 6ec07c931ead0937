//! An async-nats client that the lab drives: same lines in and out as client.py. Built by the lab when a scenario asks for it.
//! It always reconnects, as async-nats does: there is no switch against it.
use async_nats::{Client, ConnectOptions, Event};
use futures_util::StreamExt;
use std::fs::{read_link, read_to_string};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinHandle;

/// What stands on the command line. Settings that are not given stay async-nats' own defaults.
#[derive(Default)]
struct Arguments {
    url: String,
    name: String,
    subjects: Vec<String>,
    user: String,
    password: String,
    ping: Option<Duration>,
    tries: Option<usize>,
    wait: Option<Duration>,
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs_f64)
}

fn arguments() -> Arguments {
    let mut found = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        match word.as_str() {
            "--url" => found.url = value,
            "--name" => found.name = value,
            "--sub" => found.subjects.push(value),
            "--user" => found.user = value,
            "--password" => found.password = value,
            "--ping" => found.ping = seconds(&value),
            "--wait" => found.wait = seconds(&value),
            "--tries" => found.tries = value.parse().ok(),
            _ => eprintln!("unknown: {word}"),
        }
    }
    found
}

/// The local port of this process's connection to a NATS port; the library doesn't tell. 0: there is none.
fn port() -> u16 {
    let sockets: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|fd| {
            read_link(fd.path())
                .ok()?
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')
                .map(str::to_owned)
        })
        .collect();
    let table = read_to_string("/proc/self/net/tcp").unwrap_or_default()
        + &read_to_string("/proc/self/net/tcp6").unwrap_or_default();
    // Column 1: local address, 2: remote address, 3: state (1: established), 9: inode.
    let mine = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|row| {
        row.get(3) == Some(&"01") && row.get(9).is_some_and(|inode| sockets.iter().any(|own| own == inode))
    });
    let local = mine.and_then(|row| row.get(1)?.rsplit(':').next().map(str::to_owned)).unwrap_or_default();
    u16::from_str_radix(&local, 16).unwrap_or(0)
}

fn options(given: &Arguments) -> ConnectOptions {
    let connects = Arc::new(AtomicUsize::new(0));
    let mut options = ConnectOptions::new().name(&given.name).event_callback(move |event| {
        let connects = connects.clone();
        async move {
            match event {
                Event::Connected if connects.fetch_add(1, Ordering::Relaxed) > 0 => {
                    println!("RECONNECTED {}", port());
                }
                Event::Connected => {}
                Event::Disconnected => println!("DISCONNECTED"),
                Event::Closed => println!("CLOSED"),
                other => println!("ERROR {other}"),
            }
        }
    });
    if let Some(tries) = given.tries {
        options = options.max_reconnects(tries);
    }
    if let Some(every) = given.ping {
        options = options.ping_interval(every);
    }
    if let Some(wait) = given.wait {
        options = options.reconnect_delay_callback(move |_| wait);
    }
    if !given.user.is_empty() {
        options = options.user_and_password(given.user.clone(), given.password.clone());
    }
    options
}

async fn publish(client: Client, subject: String, rate: f64, size: usize) {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    loop {
        ticks.tick().await;
        if let Err(error) = client.publish(subject.clone(), vec![b'x'; size].into()).await {
            println!("ERROR {error}");
        }
    }
}

/// Does what a line says; `None` where it is time to go.
async fn obey(client: &Client, line: &str, stream: &mut Option<JoinHandle<()>>) -> Option<()> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let size = |at: usize| words.get(at).and_then(|w| w.parse().ok()).unwrap_or(0);
    match words[..] {
        ["pub", subject, _] => {
            let _ = client.publish(subject.to_owned(), vec![b'x'; size(2)].into()).await;
        }
        ["start", subject, rate, _] => {
            let rate = rate.parse().unwrap_or(1.0);
            *stream = Some(tokio::spawn(publish(client.clone(), subject.to_owned(), rate, size(3))));
        }
        ["stop"] => {
            if let Some(stream) = stream.take() {
                stream.abort();
            }
        }
        ["flush"] => {
            let _ = client.flush().await;
            println!("FLUSHED");
        }
        ["drain"] => {
            let _ = client.drain().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            return None;
        }
        ["close"] => return None,
        ["exit"] => std::process::exit(0),
        _ => eprintln!("unknown: {line}"),
    }
    Some(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let given = arguments();
    let client = match options(&given).connect(&given.url).await {
        Ok(client) => client,
        Err(error) => return println!("FAILED {error}"),
    };
    let mut readers = Vec::new();
    for subject in &given.subjects {
        match client.subscribe(subject.clone()).await {
            Ok(mut messages) => {
                readers.push(tokio::spawn(async move { while messages.next().await.is_some() {} }));
            }
            Err(error) => println!("ERROR {error}"),
        }
    }
    let _ = client.flush().await;
    println!("READY {}", port());

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut stream = None;
    while let Ok(Some(line)) = lines.next_line().await {
        if obey(&client, &line, &mut stream).await.is_none() {
            break;
        }
    }
    // The connection closes when the last handle is gone; the library has no close() of its own.
    for reader in &readers {
        reader.abort();
    }
    drop((client, stream));
    tokio::time::sleep(Duration::from_millis(500)).await;
}
