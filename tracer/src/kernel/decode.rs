//! The probes' records decoded: octets of the ring buffer to [`KernelRecord`], with the kernel's names.
use super::reasons::{Reasons, used_up};
use super::record::{KernelEvent, KernelRecord, Process, TcpState};
use crate::base::{Addr, Endpoint, Timestamp};
use std::mem::offset_of;
use std::sync::Arc;
use tracer_ebpf::{Kind, NO_REASON, RECORD_SIZE, Record};

/// What decoding asks of its surroundings.
pub trait Surroundings {
    /// The wall clock at a time of the kernel's monotonic clock, in nanoseconds.
    fn at(&mut self, monotonic: u64) -> Timestamp;
    /// The kernel function at an address.
    fn place(&mut self, address: u64) -> Option<Arc<str>>;
    /// Id of the container a process runs in, by pid and cgroup (version 2; 0: unknown).
    fn container(&mut self, pid: u32, cgroup: u64) -> Option<Arc<str>>;
}

/// The names a kernel uses.
#[derive(Clone, Default, Debug)]
pub struct Decoder {
    /// Of drops.
    pub drops: Reasons,
    /// Of resets.
    pub resets: Reasons,
}

/// The octets of a record; fields are read by their place in [`Record`].
#[derive(Clone, Copy)]
struct Octets<'a>(&'a [u8; RECORD_SIZE]);

macro_rules! read {
    ($record:expr, $kind:ty, $field:ident) => {
        <$kind>::from_ne_bytes($record.octets(offset_of!(Record, $field)))
    };
}

impl Octets<'_> {
    fn octets<const N: usize>(self, at: usize) -> [u8; N] {
        std::array::from_fn(|n| self.0.get(at + n).copied().unwrap_or_default())
    }

    fn local(self) -> Endpoint {
        let addr = Addr::v6(self.octets(offset_of!(Record, local)));
        Endpoint { addr, port: read!(self, u16, local_port) }
    }

    fn remote(self) -> Endpoint {
        let addr = Addr::v6(self.octets(offset_of!(Record, remote)));
        Endpoint { addr, port: read!(self, u16, remote_port) }
    }

    fn name(self, at: usize) -> Arc<str> {
        let octets: [u8; 16] = self.octets(at);
        let end = octets.iter().position(|o| *o == 0).unwrap_or(octets.len());
        Arc::from(String::from_utf8_lossy(&octets[..end]))
    }
}

impl Decoder {
    /// One record; none where it isn't one (another length, a kind or state unknown), or a drop that lost nothing.
    ///
    /// A state change bears the process that did it. Out of SYN-SENT it is the one that called connect(): the change
    /// itself is softirq's, but only from here on the socket has a port. Resets that answer a packet, and changes
    /// that a timer may have made, bear none.
    pub fn decode(&self, octets: &[u8], around: &mut dyn Surroundings) -> Option<KernelRecord> {
        let octets = Octets(octets.try_into().ok()?);
        let event = self.event(octets, around)?;
        let netns = read!(octets, u32, netns);
        Some(KernelRecord {
            at: around.at(read!(octets, u64, at)),
            netns: (netns != 0).then_some(netns),
            process: process(octets, around),
            event,
        })
    }

    fn event(&self, octets: Octets<'_>, around: &mut dyn Surroundings) -> Option<KernelEvent> {
        let (local, remote) = (octets.local(), octets.remote());
        let (first, second) = (read!(octets, i32, first), read!(octets, i32, second));
        let state = |number: i32| TcpState::from_number(u32::try_from(number).ok()?);
        Some(match Kind::from_number(read!(octets, u32, kind))? {
            Kind::SetState => {
                let since = Some(read!(octets, u64, place)).filter(|at| *at != 0).map(|at| around.at(at));
                KernelEvent::State { local, remote, from: state(first)?, to: state(second)?, since }
            }
            Kind::ErrorReport => KernelEvent::SocketError { local, remote, errno: first },
            Kind::SendReset => {
                let reason = u32::try_from(first).ok().map(|number| self.resets.name(number));
                KernelEvent::ResetSent { local, remote, reason }
            }
            Kind::ReceiveReset => KernelEvent::ResetReceived { local, remote },
            Kind::Retransmit => KernelEvent::Retransmit { local, remote },
            Kind::Drop => {
                // A kernel without reasons means what a later one calls so.
                let reason =
                    u32::try_from(first).map_or_else(|_| "NOT_SPECIFIED".into(), |n| self.drops.name(n));
                let place = Some(read!(octets, u64, place)).filter(|a| *a != 0).and_then(|a| around.place(a));
                if used_up(&reason, place.as_deref()) {
                    return None;
                }
                let (flags, seq) = (read!(octets, u32, tcp_flags) as u8, read!(octets, u32, seq));
                KernelEvent::Dropped { src: local, dst: remote, flags, seq, reason, place }
            }
            Kind::Signal => KernelEvent::Signal {
                target: read!(octets, u32, target),
                target_name: octets.name(offset_of!(Record, target_comm)),
                signal: u8::try_from(first).ok()?,
                // include/uapi/asm-generic/siginfo.h: above 0 the kernel (SI_KERNEL, faults), else a process.
                by_kernel: second > 0,
            },
            Kind::Exit => exit(first),
            Kind::OomVictim => KernelEvent::OomVictim { pid: read!(octets, u32, target) },
        })
    }
}

/// The low seven bits are the signal, the second octet is the status (wait(2)).
fn exit(code: i32) -> KernelEvent {
    let signal = (code & 0x7f) as u8;
    KernelEvent::Exit {
        signal: (code != NO_REASON && signal != 0).then_some(signal),
        status: (code != NO_REASON && signal == 0).then_some((code >> 8 & 0xff) as u8),
    }
}

fn process(octets: Octets<'_>, around: &mut dyn Surroundings) -> Option<Process> {
    let pid = read!(octets, u32, pid);
    (pid != 0).then(|| Process {
        pid,
        name: octets.name(offset_of!(Record, comm)),
        container: around.container(pid, read!(octets, u64, cgroup)),
    })
}

/// Before the records of a recording: a mark, then the size of a record (u32, little endian).
pub const RECORDING: [u8; 8] = *b"ntsrec1\n";

/// The records of a recording, to be decoded on any machine; none where it is no recording of this kind of records.
#[must_use]
pub fn recorded(octets: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let rest = octets.strip_prefix(&RECORDING)?;
    let (size, records) = rest.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*size) as usize == RECORD_SIZE).then(|| records.chunks_exact(RECORD_SIZE))
}
