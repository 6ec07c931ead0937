//! Live capture through libpcap: one ring for each interface, read by whoever calls, in one thread. The ring is the buffer
//! between the wire and the core: frames are borrowed from it straight into the pipeline.
pub mod expression;
pub mod inventory;
pub mod pressure;
pub mod route;

mod order;
mod program;
mod tap;
#[cfg(test)]
mod tests;

pub use expression::Wanted;
pub use inventory::Inventory;
pub use pressure::{Pressure, Turn};
pub use tap::{ANY, Tap};

use super::hosts::{self, Interface};
use super::privileges::setcap_command;
use crate::base::Timestamp;
use crate::event::Frame;
use crate::wire::LinkType;
use order::Order;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Octets of a frame that are kept where all is: more than any offload hands over in one piece but for BIG TCP, whose
/// headers are all the same in it.
pub const WHOLE: u32 = 262_144;
/// Octets that hold Ethernet, a tag, IPv6 with extension headers and TCP with all options.
pub const HEADERS: u32 = 160;
/// The same behind the headers of a tunnel over IPv6.
pub const HEADERS_IN_TUNNELS: u32 = 256;

/// Memory of all rings together unless told otherwise, in octets.
pub const RING: usize = 64 << 20;
/// A ring is not made smaller.
const RING_MIN: usize = 2 << 20;
/// Frames read from one interface before the next has its turn, and before the clock is looked at: they may have 64 KiB each.
const TURN: usize = 256;
/// Between two looks at the interfaces: when all is well, and when one is missing.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_OFTEN: Duration = Duration::from_millis(500);

/// Why capturing can't begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No such interface.
    #[error("no interface '{name}'; there are: {}, any", there.join(", "))]
    Missing {
        /// As it was typed.
        name: String,
        /// Those that exist.
        there: Vec<String>,
    },
    /// No interface was named, and none has the default route.
    #[error("there is no default route to take the interface from; name one with --iface: {}, any", there.join(", "))]
    NoRoute {
        /// Those that exist.
        there: Vec<String>,
    },
    /// Capturing takes a privilege.
    #[error("capturing on {name} takes CAP_NET_RAW: run with sudo, or once: {}", setcap_command(&[]))]
    Privilege {
        /// The interface.
        name: String,
    },
    /// The user's expression does not compile for this interface.
    #[error("filter does not compile for {name}: {text}; see 'man pcap-filter'")]
    Filter {
        /// The interface.
        name: String,
        /// What libpcap says.
        text: String,
    },
    /// Frames of this interface can't be read.
    #[error(
        "{name} gives frames of {link}, which natstrace can't read; capture on another interface, or on any"
    )]
    Link {
        /// The interface.
        name: String,
        /// What they are.
        link: LinkType,
    },
    /// Something else.
    #[error("can't capture on {name}: {text}; 'natstrace doctor' looks for the reason")]
    Other {
        /// The interface.
        name: String,
        /// What libpcap says.
        text: String,
    },
}

impl OpenError {
    fn of(name: &str, error: pcap::Error) -> Self {
        let (name, text) = (name.to_owned(), said(error));
        let denied = ["CAP_NET_RAW", "permission", "not permitted"].iter().any(|word| text.contains(word));
        if denied { Self::Privilege { name } } else { Self::Other { name, text } }
    }

    fn filter(name: &str, error: pcap::Error) -> Self {
        Self::Filter { name: name.into(), text: said(error) }
    }
}

fn said(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text,
        other => other.to_string(),
    }
}

/// All interfaces that are captured.
pub struct Taps {
    taps: Vec<Tap>,
    /// Where there are several.
    order: Option<Order>,
    looked: Instant,
}

impl Taps {
    /// Begins to capture on interfaces in the order they are given, with `ring` octets of memory for all of them, and
    /// `keep` octets of each frame. None: on that of the default route.
    ///
    /// # Errors
    /// Where one does not exist or can't be captured on. One that is down is waited for.
    pub fn open(names: &[String], wanted: Wanted, ring: usize, keep: u32) -> Result<Self, OpenError> {
        let there = listed();
        let names_there = || there.iter().map(|i| i.name.clone()).collect::<Vec<_>>();
        let found = match names {
            [] => {
                vec![route::default_interface().ok_or_else(|| OpenError::NoRoute { there: names_there() })?]
            }
            names => names.to_vec(),
        };
        let wanted = Arc::new(wanted);
        let ring = (ring / found.len().max(1)).max(RING_MIN);
        let mut taps = Vec::with_capacity(found.len());
        for (capture, name) in (0u32..).zip(found) {
            let interface = find(&there, &name)
                .ok_or_else(|| OpenError::Missing { name: name.clone(), there: names_there() })?;
            taps.push(Tap::open(&interface, capture, Arc::clone(&wanted), ring, keep)?);
        }
        let order = (taps.len() > 1).then(Order::default);
        Ok(Self { taps, order, looked: Instant::now() })
    }

    /// The interfaces in their order.
    #[must_use]
    pub fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// To wait for packets.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.taps.iter().filter_map(Tap::fd)
    }

    /// Gives on frames that wait, in order of time; `now` is the wall clock. Tells whether more wait.
    pub fn read(&mut self, now: Timestamp, each: &mut impl FnMut(&Frame<'_>)) -> bool {
        let Some(order) = &mut self.order else {
            return self.taps.first_mut().is_some_and(|tap| tap.read(TURN, each) >= TURN);
        };
        let mut more = false;
        for tap in &mut self.taps {
            more |= tap.read(TURN, &mut |frame| order.push(frame)) >= TURN;
        }
        order.pop(now, each);
        more
    }

    /// Gives on what is held back for its order.
    pub fn drain(&mut self, each: &mut impl FnMut(&Frame<'_>)) {
        if let Some(order) = &mut self.order {
            order.drain(each);
        }
    }

    /// Frames that found no room in a ring since the last call.
    pub fn lost(&mut self) -> u64 {
        self.taps.iter_mut().map(Tap::lost).sum()
    }

    /// Keeps so many octets of each frame from now on; `false` where the kernel does not do it for any interface.
    pub fn keep(&mut self, octets: u32) -> bool {
        let mut any = false;
        for tap in &mut self.taps {
            any |= tap.keep(octets);
        }
        any
    }

    /// Follows interfaces that go and come back; `say` is told once each way. Cheap where it is not time yet.
    pub fn tend(&mut self, say: &mut impl FnMut(String)) {
        let well = self.taps.iter().all(|tap| tap.is_up() && tap.fd().is_some());
        if self.looked.elapsed() < if well { LOOK } else { LOOK_OFTEN } {
            return;
        }
        self.looked = Instant::now();
        let there = listed();
        for tap in &mut self.taps {
            let now = find(&there, tap.name());
            if let Some(changed) = tap.tend(now.as_ref()) {
                say(changed);
            }
        }
    }
}

fn listed() -> Vec<Interface> {
    hosts::interfaces().unwrap_or_default()
}

/// The interface of that name; `any` is always there.
fn find(there: &[Interface], name: &str) -> Option<Interface> {
    if name == ANY {
        return Some(Interface { name: ANY.into(), up: true, ..Interface::default() });
    }
    there.iter().find(|interface| interface.name == name).cloned()
}
