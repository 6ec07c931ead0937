//! The probes at work: their ring buffer read, counters, owners.
use super::clock::Clock;
use super::containers::Containers;
use super::load::{self, Loaded};
use super::status::{ProbeOptions, ProbeState, ProbeStatus, ProbesError};
use crate::base::{PortSet, Span, Timestamp};
use crate::kernel::{Decoder, KernelRecord, Surroundings, Symbols};
use aya::Ebpf;
use aya::maps::{HashMap, Map, MapData, PerCpuArray, RingBuf};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use tracer_ebpf::{LOST, OWN_NAMESPACE, WRITTEN};

/// Records that one [`Probes::read`] gives at most: the reader has other sources too.
const BATCH: usize = 16_384;

/// The kernel probes. Dropping it takes them out of the kernel. Once open it needs no capability any more.
pub struct Probes {
    ring: RingBuf<MapData>,
    counts: PerCpuArray<MapData, u64>,
    owners: HashMap<MapData, u64, u32>,
    status: Vec<ProbeStatus>,
    decoder: Decoder,
    around: Host,
    /// Holds the programs; they go when it goes.
    _programs: Ebpf,
}

/// What decoding asks of this host.
struct Host {
    clock: Clock,
    symbols: Symbols,
    containers: Containers,
}

impl Surroundings for Host {
    fn at(&mut self, monotonic: u64) -> Timestamp {
        self.clock.at(monotonic)
    }

    fn place(&mut self, address: u64) -> Option<Arc<str>> {
        self.symbols.at(address)
    }

    fn container(&mut self, pid: u32, cgroup: u64) -> Option<Arc<str>> {
        self.containers.of(pid, cgroup)
    }
}

impl Probes {
    /// Loads and attaches what this kernel has; an error only where that is nothing at all.
    pub fn open(ports: &PortSet, options: &ProbeOptions) -> Result<Self, ProbesError> {
        let Loaded { mut ebpf, status, decoder } = load::load(ports, options)?;
        if let Some(first) = status.first()
            && !status.iter().any(|s| s.state == ProbeState::Loaded)
        {
            let (ProbeState::Failed(why) | ProbeState::Absent(why)) = &first.state else {
                return Err(ProbesError::NotBuilt);
            };
            return Err(ProbesError::Load(format!("{}: {why}", first.name)));
        }
        let mut map = |name: &str| {
            ebpf.take_map(name).ok_or_else(|| ProbesError::Load(format!("the object lacks map {name}")))
        };
        let (ring, counts, owners) = (map("RING")?, map("COUNTS")?, map("OWNERS")?);
        Ok(Self {
            ring: typed(ring)?,
            counts: typed(counts)?,
            owners: typed(owners)?,
            status,
            decoder,
            around: Host { clock: Clock::new(), symbols: symbols(), containers: Containers::default() },
            _programs: ebpf,
        })
    }

    /// What became of each probe.
    #[must_use]
    pub fn status(&self) -> &[ProbeStatus] {
        &self.status
    }

    /// Readable when the ring has filled by a quarter. Read it every 50 to 100 ms besides: few records wake nobody.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }

    /// Gives what has come, at most some thousand records, in the order in which the kernel wrote them.
    pub fn read(&mut self, each: &mut dyn FnMut(KernelRecord)) {
        self.around.clock.check();
        for _ in 0..BATCH {
            let Some(octets) = self.ring.next() else { break };
            if let Some(record) = self.decoder.decode(&octets, &mut self.around) {
                each(record);
            }
        }
    }

    /// The same as octets, to be recorded and decoded elsewhere.
    pub fn read_raw(&mut self, each: &mut dyn FnMut(&[u8])) {
        for _ in 0..BATCH {
            let Some(octets) = self.ring.next() else { break };
            each(&octets);
        }
    }

    /// Records that didn't fit into the ring, since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.count(LOST)
    }

    /// Records written, since the start.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.count(WRITTEN)
    }

    fn count(&self, what: u32) -> u64 {
        self.counts.get(&what, 0).map_or(0, |each_cpu| each_cpu.iter().sum())
    }

    /// Says that a process owns traced sockets: its signals and its end are told from now on. For sockets that stood
    /// before the probes; the others' owners are found by themselves. `pid` is one of natstrace's own pid namespace.
    pub fn own_process(&mut self, pid: u32) {
        // Where natstrace runs in the first pid namespace both keys mean the same process.
        let _ = self.owners.insert(u64::from(pid) | OWN_NAMESPACE, pid, 0);
        if load::in_first_pid_namespace() {
            let _ = self.owners.insert(u64::from(pid), pid, 0);
        }
    }

    /// How far the wall clock was set since this was asked last, if it was.
    pub fn clock_step(&mut self) -> Option<Span> {
        self.around.clock.step()
    }

    /// Kernel functions whose names are known; none: the kernel hides their addresses (CAP_SYSLOG).
    #[must_use]
    pub fn symbols(&self) -> usize {
        self.around.symbols.len()
    }
}

/// Names of kernel code, read while we may.
fn symbols() -> Symbols {
    let text = std::fs::read("/proc/kallsyms").unwrap_or_default();
    Symbols::parse(&String::from_utf8_lossy(&text))
}

fn typed<T: TryFrom<Map, Error = aya::maps::MapError>>(map: Map) -> Result<T, ProbesError> {
    T::try_from(map).map_err(|e| ProbesError::Load(e.to_string()))
}
