//! What stands on this host and who owns it: once at the start, so that connections that are older than the trace are known
//! in full, then every few seconds for what has come since, by a thread of its own.
use crate::base::{PortSet, Timestamp};
use crate::kernel::{KernelEvent, KernelRecord, Process};
use crate::source::processes;
use crate::source::sockets::{self, Standing};
use crate::source::wall;
use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// Where a look takes long, it takes one part in so many of the time.
const SHARE: u32 = 20;

/// Tells of sockets and their owners.
pub struct Inventory {
    records: Receiver<Vec<KernelRecord>>,
    /// Dropped to end the thread.
    _stop: Sender<()>,
}

impl Inventory {
    /// Takes stock of the sockets with one of `ports` in the calling thread's network namespace, whose inode is `netns`;
    /// listeners come first. Goes on doing so.
    #[must_use]
    pub fn start(ports: PortSet, netns: u32) -> (Self, Vec<KernelRecord>) {
        let mut stock = Stock { ports, netns, told: HashMap::new() };
        let began = Instant::now();
        let first = stock.look();
        let pause = pause(began.elapsed());
        let (send, records) = sync_channel(1);
        let (stop, stopped) = channel();
        // Without a thread there is the first look alone; no reason to end the trace.
        let _ = thread::Builder::new()
            .name("inventory".into())
            .spawn(move || go_on(stock, pause, &send, &stopped));
        (Self { records, _stop: stop }, first)
    }

    /// What has come since the last call, without waiting.
    pub fn news(&self) -> impl Iterator<Item = KernelRecord> {
        self.records.try_iter().flatten()
    }
}

fn go_on(mut stock: Stock, mut wait: Duration, send: &SyncSender<Vec<KernelRecord>>, stopped: &Receiver<()>) {
    while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        let began = Instant::now();
        let news = stock.look();
        wait = pause(began.elapsed());
        if !news.is_empty() && send.send(news).is_err() {
            return;
        }
    }
}

fn pause(took: Duration) -> Duration {
    (took * SHARE).max(EVERY)
}

/// What was told so far.
struct Stock {
    ports: PortSet,
    netns: u32,
    /// Owners by inode, of sockets that still stand; none: not found, and told without.
    told: HashMap<u32, Option<Process>>,
}

impl Stock {
    /// What is new: sockets not told before, and those whose owner is known only now.
    fn look(&mut self) -> Vec<KernelRecord> {
        let Ok(mut standing) = sockets::standing(&self.ports) else { return Vec::new() };
        standing.sort_by_key(|socket| socket.remote.is_some());
        let unowned = |inode: &u32| *inode != 0 && !matches!(self.told.get(inode), Some(Some(_)));
        let wanted: HashSet<u32> = standing.iter().map(|s| s.inode).filter(unowned).collect();
        let owners = processes::owners(&wanted);
        let mut told = HashMap::with_capacity(standing.len());
        let mut news = Vec::new();
        let at = wall();
        for socket in standing {
            let before = self.told.get(&socket.inode);
            let owner = owners.get(&socket.inode).or_else(|| before.and_then(Option::as_ref)).cloned();
            if before.is_none() || before.is_some_and(|before| *before != owner) {
                news.push(record(at, self.netns, &socket, owner.clone()));
            }
            if socket.inode != 0 {
                told.insert(socket.inode, owner);
            }
        }
        self.told = told;
        news
    }
}

fn record(at: Timestamp, netns: u32, socket: &Standing, process: Option<Process>) -> KernelRecord {
    let &Standing { local, remote, state, rtt_us, receive_queue, send_queue, .. } = socket;
    let event = KernelEvent::Socket { local, remote, state, rtt_us, receive_queue, send_queue };
    KernelRecord { at, netns: Some(netns), process, event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn own_sockets_with_their_owner_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let _client = TcpStream::connect(addr).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let mut stock =
            Stock { ports: addr.port().to_string().parse().unwrap(), netns: 7, told: HashMap::new() };
        let first = stock.look();
        assert_eq!(first.len(), 3, "{first:?}");
        let own = |r: &KernelRecord| r.process.as_ref().is_some_and(|p| p.pid == std::process::id());
        assert!(first.iter().all(|r| own(r) && r.netns == Some(7)), "{first:?}");
        assert!(matches!(first[0].event, KernelEvent::Socket { remote: None, .. }), "{first:?}");
        assert_eq!(stock.look(), []);
        let _another = TcpStream::connect(addr).unwrap();
        // The listener's end is accepted by nobody: told, with no owner.
        let news = stock.look();
        assert_eq!(news.len(), 2, "{news:?}");
        assert_eq!(news.iter().filter(|r| own(r)).count(), 1, "{news:?}");
        drop(accepted);
    }
}
