//! `sock:inet_sock_set_state`: a socket goes from one state to another.
use crate::field::{Event, places};
use crate::sock::{self, Ends};
use crate::{ring, task};
use aya_ebpf::macros::{map, tracepoint};
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::TracePointContext;
use tracer_ebpf::{Kind, Record};

places!(
    SET_STATE_SKADDR,
    SET_STATE_OLDSTATE,
    SET_STATE_NEWSTATE,
    SET_STATE_PROTOCOL,
    SET_STATE_SPORT,
    SET_STATE_DPORT,
    SET_STATE_SADDR_V6,
    SET_STATE_DADDR_V6
);

const ENDS: Ends = Ends {
    sport: &SET_STATE_SPORT,
    dport: &SET_STATE_DPORT,
    saddr: &SET_STATE_SADDR_V6,
    daddr: &SET_STATE_DADDR_V6,
};

/// Who called connect().
#[repr(C)]
struct Connecting {
    at: u64,
    cgroup: u64,
    pid: u32,
    reserved: u32,
    comm: [u8; 16],
}

/// By the address of the socket.
#[map]
static CONNECTING: LruHashMap<u64, Connecting> = LruHashMap::with_max_entries(4096, 0);

const TCP: u16 = 6;
// include/net/tcp_states.h
const ESTABLISHED: i32 = 1;
const SYN_SENT: i32 = 2;
const SYN_RECV: i32 = 3;
const FIN_WAIT1: i32 = 4;
const CLOSE: i32 = 7;
const CLOSE_WAIT: i32 = 8;
const LAST_ACK: i32 = 9;
const LISTEN: i32 = 10;

#[tracepoint]
fn inet_sock_set_state(ctx: TracePointContext) -> Option<()> {
    let event = Event::read(&ctx)?;
    let ports = ENDS.traced(&event)?;
    if event.get::<u16>(&SET_STATE_PROTOCOL).is_some_and(|protocol| protocol != TCP) {
        return None;
    }
    let from = event.get::<i32>(&SET_STATE_OLDSTATE)?;
    let to = event.get::<i32>(&SET_STATE_NEWSTATE)?;
    let sock = event.get::<u64>(&SET_STATE_SKADDR).unwrap_or(0);
    ring::write(Kind::SetState, |record| {
        ENDS.fill(&event, ports, record);
        (record.first, record.second) = (from, to);
        record.netns = sock::netns(sock);
        if by_the_process(from, to) {
            if task::fill(record) {
                task::remember(record);
            }
            if to == SYN_SENT {
                connecting(sock, record);
            }
        } else if from == SYN_SENT {
            connected(sock, record);
        }
    });
    Some(())
}

/// Keeps who connects: the socket has no port of its own yet, so this record alone names no connection.
#[inline(always)]
fn connecting(sock: u64, record: &Record) {
    let by =
        Connecting { at: record.at, cgroup: record.cgroup, pid: record.pid, reserved: 0, comm: record.comm };
    let _ = CONNECTING.insert(sock, by, 0);
}

/// What comes of a connect happens in softirq: it bears the process that called connect().
#[inline(always)]
fn connected(sock: u64, record: &mut Record) {
    // SAFETY: one CPU at a time works on a socket.
    if let Some(by) = unsafe { CONNECTING.get(sock) } {
        (record.place, record.cgroup, record.pid, record.comm) = (by.at, by.cgroup, by.pid, by.comm);
        let _ = CONNECTING.remove(sock);
    }
}

/// Transitions that only a system call (connect, listen, shutdown, close) or the end of a process makes. Those into
/// CLOSE may as well be a timer's or an arriving reset's, in the context of whoever happened to run.
fn by_the_process(from: i32, to: i32) -> bool {
    matches!(
        (from, to),
        (CLOSE, SYN_SENT | LISTEN)
            | (ESTABLISHED | SYN_RECV, FIN_WAIT1)
            | (CLOSE_WAIT, LAST_ACK)
            | (LISTEN, CLOSE)
    )
}
