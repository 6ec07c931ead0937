//! Replayed traffic: frames made beforehand go to the server's host as fast as they can be sent, to nobody there, while one
//! observer after the other watches: how many it saw and lost, and its own time on the processors.
use super::measure::spread;
use super::observer::{Observer, PEER, WATCHES, Watch, Who};
use crate::generate::Set;
use crate::lab::Host;
use crate::lab::net::Net;
use anyhow::{Context, Result, ensure};
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is sent, with its word for `--only`: 1 million frames of 130 octets, 350,000 of 1,514 and less.
const SETS: [(&str, Set, f64); 2] = [("replay-small", Set::Small, 0.1), ("replay-bulk", Set::Bulk, 0.33)];
/// Frames of one system call.
const BATCH: usize = 64;
/// The other host has so long to empty its queue.
const FULL: Duration = Duration::from_micros(50);

/// Frames, one behind the other.
struct Frames {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

/// One run.
struct Run {
    seconds: f64,
    /// Taken and lost.
    frames: (u64, u64),
    cpu: f64,
}

/// Measures and prints, a line for each set and observer.
pub(super) fn run(
    net: &Net,
    wanted: &impl Fn(&str) -> bool,
    rounds: usize,
    binary: &Path,
    folder: &Path,
) -> Result<()> {
    for (name, set, scale) in SETS.into_iter().filter(|(name, ..)| wanted(name)) {
        let frames = Arc::new(Frames::of(set, scale));
        println!(
            "{name}: {} frames, {} octets; {rounds} rounds in turns",
            frames.ends.len(),
            frames.octets.len()
        );
        let watches: Vec<&Watch> = WATCHES.iter().filter(|watch| replayed(watch)).collect();
        let mut runs: Vec<Vec<Run>> = watches.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (watch, runs) in watches.iter().zip(&mut runs) {
                runs.push(watched(net, watch, &frames, binary, folder)?);
            }
        }
        print(&watches, &runs, frames.ends.len());
    }
    Ok(())
}

/// Those who look at frames alone.
fn replayed(watch: &Watch) -> bool {
    match watch.who {
        Who::Nobody => false,
        Who::Tcpdump(_) => true,
        Who::Natstrace(options) => options.contains(&"off") && !options.contains(&"on"),
    }
}

fn watched(net: &Net, watch: &Watch, frames: &Arc<Frames>, binary: &Path, folder: &Path) -> Result<Run> {
    let observer = Observer::start(net, watch, binary, folder)?.context("an observer")?;
    let sent = Arc::clone(frames);
    let seconds = net.enter(Host::Router, move || sent.send(Host::Router.iface()))?;
    let told = observer.finish()?;
    let frames = told.frames.with_context(|| format!("{} tells no number of frames", watch.name))?;
    Ok(Run { seconds, frames, cpu: told.cpu })
}

fn print(watches: &[&Watch], runs: &[Vec<Run>], sent: usize) {
    println!(
        "{:11} {:>26} {:>9} {:>9} {:>9} {:>26} {:>7}",
        "observer", "frames sent/s", "sent", "seen", "lost", "CPU s per million frames", "ratio"
    );
    let each = |runs: &[Run]| runs.iter().map(|run| run.cpu * 1e6 / sent as f64).collect::<Vec<_>>();
    let middle = |runs: &[Run]| {
        let mut all = each(runs);
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(0.0)
    };
    let peer = watches.iter().position(|watch| watch.name == PEER).and_then(|at| runs.get(at));
    for (watch, runs) in watches.iter().zip(runs) {
        let sum = |of: &dyn Fn(&Run) -> u64| runs.iter().map(of).sum::<u64>();
        println!(
            "{:11} {:>26} {:>9} {:>9} {:>9} {:>26} {:>7.2}",
            watch.name,
            spread(runs.iter().map(|run| sent as f64 / run.seconds).collect(), 0),
            sent * runs.len(),
            sum(&|run| run.frames.0),
            sum(&|run| run.frames.1),
            spread(each(runs), 3),
            peer.map_or(f64::NAN, |peer| middle(runs) / middle(peer)),
        );
    }
}

impl Frames {
    fn of(set: Set, scale: f64) -> Self {
        let mut frames = Self { octets: Vec::new(), ends: Vec::new() };
        set.each(scale, &mut |_, frame| {
            frames.octets.extend_from_slice(frame);
            frames.ends.push(frames.octets.len());
            true
        });
        frames
    }

    /// Sends all of them by this interface of the calling thread's network namespace; tells how many seconds it took.
    fn send(&self, iface: &str) -> Result<f64> {
        let wire = wire(iface)?;
        let mut begin = 0;
        let mut pieces: Vec<libc::iovec> = (self.ends.iter())
            .filter_map(|&end| {
                let frame = self.octets.get(std::mem::replace(&mut begin, end)..end)?;
                Some(libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() })
            })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = Vec::with_capacity(BATCH);
        let began = Instant::now();
        for pieces in pieces.chunks_mut(BATCH) {
            messages.clear();
            messages.extend(pieces.iter_mut().map(|piece| {
                // SAFETY: all fields of a msghdr may be zero or null; the frame is not written to.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                (message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen) = (piece, 1);
                message
            }));
            let mut rest = &mut messages[..];
            while !rest.is_empty() {
                // SAFETY: each message points to one piece, which points to octets that `self` holds.
                let done =
                    unsafe { libc::sendmmsg(wire.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0) };
                let Ok(done) = usize::try_from(done) else {
                    let error = std::io::Error::last_os_error();
                    // The other host's queue is full, for want of a processor: this frame is not sent yet.
                    ensure!(error.raw_os_error() == Some(libc::ENOBUFS), "sendmmsg: {error}");
                    std::thread::sleep(FULL);
                    continue;
                };
                rest = &mut rest[done..];
            }
        }
        Ok(began.elapsed().as_secs_f64())
    }
}

/// A packet socket that sends by this interface, past its queue, and receives nothing.
fn wire(iface: &str) -> Result<OwnedFd> {
    let failed = |what: &str| format!("{what}: {}", std::io::Error::last_os_error());
    let name = CString::new(iface)?;
    // SAFETY: a name that ends with a zero.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    ensure!(index > 0, failed(iface));
    // SAFETY: socket takes numbers; its result is checked before it is owned.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    ensure!(socket >= 0, failed("socket"));
    // SAFETY: nobody else has this descriptor.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let at = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: 0,
        sll_ifindex: i32::try_from(index)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the pointer is to an address of that size.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const at).cast(), size_of_val(&at) as u32) };
    ensure!(bound == 0, failed("bind"));
    let on = 1i32;
    // SAFETY: the pointer is to a number of that size.
    let set = unsafe {
        let (value, length) = ((&raw const on).cast(), size_of_val(&on) as u32);
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, value, length)
    };
    ensure!(set == 0, failed("PACKET_QDISC_BYPASS"));
    Ok(socket)
}
