//! `--trace-firewall`: nftables' own trace names the rule for certain.
//!
//! Our table is made over netlink and owned by its socket (`NFT_TABLE_F_OWNER`): nobody else changes it, and the kernel removes
//! it as the socket closes, hence also after `kill -9`. Its chains come before all filters (priority −350) and only mark
//! packets (`meta nftrace set 1`), which makes the kernel tell each rule they match.
//!
//! What it costs is bounded by rates: of the traced ports, packets that open or end a connection up to [`OPENING_RATE`] a
//! second, others up to [`OTHER_RATE`]; what [`Trace::watch`] names (connections that lost a packet just now, and will repeat it)
//! in full up to [`WATCHED_RATE`]. So nothing is told of most of a busy host's packets, yet the repeats of a dropped one are.
mod message;
mod table;

use super::command;
use super::listing::{self, Listing};
use crate::base::{Endpoint, PortSet};
use crate::kernel::ruleset::Ruleset;
use crate::kernel::{FilterRule, Verdict};
use crate::source::wall;
use message::{Dropped, Headers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use table::Table;

/// Packets a second with SYN, FIN or RST that are traced.
pub const OPENING_RATE: u64 = 300;
/// Other packets a second.
pub const OTHER_RATE: u64 = 100;
/// Packets a second of watched connections.
pub const WATCHED_RATE: u64 = 200;

/// `NFNLGRP_NFTRACE` (9) as a bit of the address.
const TRACE_GROUP: u32 = 1 << 8;
/// Octets the kernel may hold for us.
const BUFFER: usize = 1 << 20;
/// One datagram; a trace message is some hundred octets.
const DATAGRAM: usize = 64 << 10;
/// How long the kernel may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How often the thread looks for its end and for connections to watch.
const BREATH: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// The words of rules are not older than that.
const WORDS_AGE: Duration = Duration::from_secs(1);
/// Answers and wishes that may wait.
const WAITING_MAX: usize = 1024;
const WATCH_WAITING_MAX: usize = 64;

/// Why tracing is not possible.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The kernel refused the table.
    #[error(
        "the kernel refused our tracing table ({0}); it needs CAP_NET_ADMIN and nf_tables of Linux 5.12 or later"
    )]
    Refused(Errno),
    /// No socket, no thread.
    #[error("tracing the firewall: {0}")]
    System(#[from] std::io::Error),
}

/// The table and the thread that listens.
pub struct Trace {
    answers: Receiver<FilterRule>,
    watch: SyncSender<(Endpoint, Endpoint)>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Trace {
    /// Adds the table in this thread's network namespace and listens.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn start(ports: &PortSet) -> Result<Self, TraceError> {
        let listener = socket(TRACE_GROUP)?;
        // Where it may not be larger, the system's own size has to do.
        let _ = set_socket_recv_buffer_size(&listener, BUFFER);
        let table = Table::make(socket(0)?, ports)?;
        let (tell, answers) = mpsc::sync_channel(WAITING_MAX);
        let (watch, wishes) = mpsc::sync_channel(WATCH_WAITING_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("firewall-trace".into()).spawn(move || {
            command::pass_on_capabilities();
            let mut listening = Listening { table, tell, words: None, headers: Headers::default() };
            listening.run(&listener, &wishes, &stopped);
        })?;
        Ok(Self { answers, watch, stop, thread: Some(thread) })
    }

    /// Traces packets of this connection, in both directions, from now on.
    pub fn watch(&self, one: Endpoint, other: Endpoint) {
        let _ = self.watch.try_send((one, other));
    }

    /// What was dropped since the last call.
    pub fn answers(&self) -> impl Iterator<Item = FilterRule> {
        self.answers.try_iter()
    }
}

impl Drop for Trace {
    /// The table is gone when this returns.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A netlink socket to netfilter that waits at most [`ANSWER`].
fn socket(groups: u32) -> std::io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(NETFILTER))?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER))?;
    Ok(socket)
}

/// The thread's state.
struct Listening {
    /// Lives as long as the thread, and with it the kernel's.
    table: Table,
    tell: SyncSender<FilterRule>,
    /// The rule set that handles are looked up in, and when it was read.
    words: Option<(Instant, Ruleset)>,
    headers: Headers,
}

impl Listening {
    fn run(&mut self, listener: &OwnedFd, wishes: &Receiver<(Endpoint, Endpoint)>, stop: &AtomicBool) {
        let mut datagram = vec![0; DATAGRAM];
        while !stop.load(Ordering::Relaxed) {
            for (one, other) in wishes.try_iter().take(WATCH_WAITING_MAX) {
                self.table.watch(one, other);
            }
            match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&BREATH)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return,
            }
            match recv(listener, &mut datagram, RecvFlags::DONTWAIT) {
                Ok((len, _)) => self.read(datagram.get(..len).unwrap_or_default()),
                // Messages were lost for want of room; the next repeat of the packet is told again.
                Err(Errno::NOBUFS | Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn read(&mut self, datagram: &[u8]) {
        let at = wall();
        let dropped: Vec<Dropped> = message::read(datagram, at, &mut self.headers);
        for drop in dropped {
            let (text, remove, verdict) = self.words_of(&drop);
            let by = if text.starts_with("ip") { "iptables" } else { "nft" };
            let Dropped { src, dst, at, .. } = drop;
            let _ = self.tell.try_send(FilterRule { src, dst, at, by, text, remove, verdict, certain: true });
        }
    }

    /// The rule's words; where they can't be read its place at least.
    fn words_of(&mut self, drop: &Dropped) -> (String, Option<String>, Verdict) {
        let fresh = self.words.as_ref().filter(|(at, _)| at.elapsed() < WORDS_AGE);
        if fresh.is_none() {
            let Listing { rules, .. } = listing::read();
            self.words = Some((Instant::now(), rules));
        }
        let known = self
            .words
            .as_ref()
            .and_then(|(_, rules)| rules.by_handle(drop.family, &drop.table, &drop.chain, drop.handle));
        known.unwrap_or_else(|| {
            let place = format!("nft: table {} {}, chain {}", drop.family.name(), drop.table, drop.chain);
            let rule = drop.handle.map_or(": policy drop".to_owned(), |handle| format!(", handle {handle}"));
            (place + &rule, None, Verdict::Drop)
        })
    }
}
