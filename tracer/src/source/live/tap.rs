//! One interface: its libpcap handle, and what becomes of it while the interface goes and comes back.
use super::expression::Wanted;
use super::program::{self, Cooked, Instruction};
use super::{OpenError, WHOLE};
use crate::base::Timestamp;
use crate::event::Frame;
use crate::source::hosts::Interface;
use crate::wire::LinkType;
use pcap::{Active, Capture, Linktype, Precision};
use socket2::SockRef;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;

/// The pseudo-interface of all interfaces.
pub const ANY: &str = "any";
/// A block of the ring that is not full is handed over after this time, ms.
const BLOCK_TIMEOUT: i32 = 100;

/// What is known of the interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    Up,
    Down,
    Gone,
}

/// An interface that is captured.
pub struct Tap {
    name: String,
    capture: u32,
    wanted: Arc<Wanted>,
    ring: usize,
    keep: u32,
    open: Option<Open>,
    health: Health,
    number: u64,
    lost: u64,
}

struct Open {
    pcap: Capture<Active>,
    link: LinkType,
    cooked: Cooked,
    index: u32,
    program: Option<Vec<Instruction>>,
    dropped: u32,
}

impl Tap {
    /// Begins to capture, or waits where the interface is there but down. `capture` goes into every frame; `ring` is in
    /// octets; `keep` is how much of a frame is kept.
    pub(super) fn open(
        interface: &Interface,
        capture: u32,
        wanted: Arc<Wanted>,
        ring: usize,
        keep: u32,
    ) -> Result<Self, OpenError> {
        let mut tap = Self {
            name: interface.name.clone(),
            capture,
            wanted,
            ring,
            keep,
            open: None,
            health: Health::Down,
            number: 0,
            lost: 0,
        };
        if interface.up {
            tap.start(interface.index)?;
            tap.health = Health::Up;
        }
        Ok(tap)
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Packets come.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.health == Health::Up
    }

    /// To wait for packets.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.open.as_ref().map(|open| open.pcap.as_fd())
    }

    /// Gives on at most `most` frames of those that wait, borrowed from the ring; tells how many.
    pub(super) fn read(&mut self, most: usize, each: &mut impl FnMut(&Frame<'_>)) -> usize {
        let Some(open) = &mut self.open else { return 0 };
        let (number, capture, keep) = (&mut self.number, self.capture, self.keep as usize);
        let (link, cooked) = (open.link, open.cooked);
        let read = open.pcap.dispatch(Some(most), |packet| {
            *number += 1;
            each(&Frame {
                capture,
                iface: if cooked == Cooked::V2 { sll2_index(packet.data) } else { 0 },
                number: *number,
                at: time(packet.header),
                wire_len: packet.header.len,
                link,
                bytes: packet.data.get(..keep).unwrap_or(packet.data),
            });
        });
        read.unwrap_or_else(|_| {
            self.stop();
            0
        })
    }

    /// Frames that the ring had no room for since the last call. Those that the network card lost are not among them: they
    /// never reached this host's TCP either.
    pub(super) fn lost(&mut self) -> u64 {
        if let Some(open) = &mut self.open
            && let Ok(now) = open.pcap.stats()
        {
            self.lost += u64::from(now.dropped.wrapping_sub(open.dropped));
            open.dropped = now.dropped;
        }
        std::mem::take(&mut self.lost)
    }

    /// Keeps so much of each frame from now on.
    pub(super) fn keep(&mut self, octets: u32) -> bool {
        let Some(open) = &self.open else {
            self.keep = octets;
            return true;
        };
        let attached = open.attach(octets);
        if attached || octets > self.keep {
            self.keep = octets;
        }
        attached
    }

    /// Follows the interface: `now` is what the host has under this name. Tells what changed, for people.
    pub(super) fn tend(&mut self, now: Option<&Interface>) -> Option<String> {
        let (before, name) = (self.health, self.name.clone());
        match now {
            None => {
                self.stop();
                self.health = Health::Gone;
            }
            // The handle stays: the kernel takes it up again with the interface.
            Some(now) if !now.up => self.health = Health::Down,
            Some(now) => {
                if self.open.as_ref().is_some_and(|open| open.index != now.index) {
                    self.stop();
                }
                if self.open.is_none() {
                    // It may go again while it is being opened; the next look tells.
                    self.start(now.index).ok()?;
                }
                self.health = Health::Up;
            }
        }
        (self.health != before).then(|| match self.health {
            Health::Up => format!("{name} is back; capturing goes on"),
            Health::Down => format!("{name} is down; capturing goes on when it is up"),
            Health::Gone => format!("{name} is gone; capturing goes on when it is back"),
        })
    }

    fn start(&mut self, index: u32) -> Result<(), OpenError> {
        let open = Open::new(&self.name, index, &self.wanted, self.ring)?;
        if self.keep < WHOLE {
            open.attach(self.keep);
        }
        self.open = Some(open);
        Ok(())
    }

    fn stop(&mut self) {
        let lost = self.lost();
        self.lost = lost;
        self.open = None;
    }
}

impl Open {
    fn new(name: &str, index: u32, wanted: &Wanted, ring: usize) -> Result<Self, OpenError> {
        let failed = |error: pcap::Error| OpenError::of(name, error);
        let mut pcap = Capture::from_device(name)
            .map_err(failed)?
            .snaplen(WHOLE.cast_signed())
            .timeout(BLOCK_TIMEOUT)
            .buffer_size(i32::try_from(ring).unwrap_or(i32::MAX))
            .promisc(false)
            .precision(Precision::Nano)
            .open()
            .map_err(failed)?;
        // Its header names the interface; libpcap's default for `any`, version 1, does not.
        let sll2 = Linktype(LinkType::LINUX_SLL2.0.cast_signed());
        if pcap.list_datalinks().is_ok_and(|all| all.contains(&sll2)) {
            pcap.set_datalink(sll2).map_err(failed)?;
        }
        let link = LinkType(pcap.get_datalink().0.cast_unsigned());
        if !link.is_known() {
            return Err(OpenError::Link { name: name.into(), link });
        }
        let expression = wanted.expression(link);
        pcap.filter(&expression, true).map_err(|error| OpenError::filter(name, error))?;
        let program = pcap.compile(&expression, true).ok().and_then(|p| program::instructions(&p));
        let pcap = pcap.setnonblock().map_err(failed)?;
        let cooked = match link {
            LinkType::LINUX_SLL => Cooked::V1,
            LinkType::LINUX_SLL2 => Cooked::V2,
            _ => Cooked::No,
        };
        Ok(Self { pcap, link, cooked, index, program, dropped: 0 })
    }

    /// Has the kernel keep `octets` of each frame; `false` where it can't, which leaves all as it is.
    fn attach(&self, octets: u32) -> bool {
        let program = self.program.as_ref().and_then(|p| program::for_socket(p, self.cooked, octets));
        program.is_some_and(|program| SockRef::from(&self.pcap).attach_filter(&program).is_ok())
    }
}

/// Nanoseconds were asked for, hence stand in the field for microseconds; Linux always gives them.
fn time(header: &pcap::PacketHeader) -> Timestamp {
    Timestamp(header.ts.tv_sec.saturating_mul(1_000_000_000).saturating_add(header.ts.tv_usec))
}

/// The interface in the header of a cooked frame, version 2.
fn sll2_index(frame: &[u8]) -> u32 {
    frame.get(4..8).and_then(|octets| octets.try_into().ok()).map_or(0, u32::from_be_bytes)
}
