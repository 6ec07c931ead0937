//! Loading: what this kernel is like, the object told so, each program loaded and attached.
use super::status::{ProbeOptions, ProbeState, ProbeStatus, ProbesError};
use super::tracefs;
use crate::base::PortSet;
use crate::kernel::{Btf, Decoder, Format, Found, Layout, Presence, Reasons, TRACEPOINTS};
use aya::maps::Array;
use aya::programs::TracePoint;
use aya::{Ebpf, EbpfLoader};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tracer_ebpf::{PORT_WORDS, QUIET_REASONS};

/// The programs, built by `cargo xtask ebpf`; aya wants them aligned.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("NATSTRACE_BPF_OBJECT"));

/// The kernel's types.
const BTF: &str = "/sys/kernel/btf/vmlinux";
/// Inode of the first pid namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const FIRST_PID_NAMESPACE: u64 = 0xeffffffc;

/// Signals that end, stop or steer a process: HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 TERM STKFLT CONT
/// STOP TSTP XCPU XFSZ SYS. The others (CHLD, URG, which Go's scheduler sends all day, ALRM, WINCH, PIPE …) tell nothing.
const SIGNALS: [u8; 20] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 18, 19, 20, 24, 25, 31];

/// The programs in the kernel, and what is needed to understand them.
pub struct Loaded {
    /// Programs and maps.
    pub ebpf: Ebpf,
    /// One for each tracepoint.
    pub status: Vec<ProbeStatus>,
    /// The kernel's names of reasons.
    pub decoder: Decoder,
}

/// Loads and attaches all that this kernel has.
pub fn load(ports: &PortSet, options: &ProbeOptions) -> Result<Loaded, ProbesError> {
    // Kernels before 5.11 count maps as locked memory; where this isn't allowed, loading says so.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    tracefs::with(|place| inside(place, ports, options))?
}

fn inside(tracefs: &Path, ports: &PortSet, options: &ProbeOptions) -> Result<Loaded, ProbesError> {
    let formats: Vec<Option<Format>> = TRACEPOINTS
        .iter()
        .map(|t| tracefs.join("events").join(t.category).join(t.name).join("format"))
        .map(|path| std::fs::read_to_string(path).ok().map(|text| Format::parse(&text)))
        .collect();
    let types = std::fs::read(BTF).unwrap_or_default();
    let btf = Btf::parse(&types).ok();
    let layout = Layout::new(&formats, btf.as_ref());
    let format = |name| {
        let n = TRACEPOINTS.iter().position(|t| t.name == name)?;
        formats.get(n)?.as_ref()
    };
    let decoder = Decoder {
        drops: Reasons::of_drops(format("kfree_skb"), btf.as_ref()),
        resets: Reasons::of_resets(format("tcp_send_reset"), btf.as_ref()),
    };
    let mut ebpf = object(&layout, options)?;
    fill(&mut ebpf, ports, &decoder.drops).map_err(|e| ProbesError::Load(e.to_string()))?;
    let status = layout.tracepoints.iter().map(|found| status(&mut ebpf, found, &layout)).collect();
    Ok(Loaded { ebpf, status, decoder })
}

/// The object with its globals set; its maps are made.
fn object(layout: &Layout, options: &ProbeOptions) -> Result<Ebpf, ProbesError> {
    let signals: u64 = SIGNALS.iter().map(|s| 1u64 << s).sum();
    let wake = options.ring / 4;
    let (inode, device) = pid_namespace();
    let mut loader = EbpfLoader::new();
    for (name, place) in &layout.globals {
        loader.override_global(name, place, true);
    }
    loader
        .override_global("SIGNALS", &signals, true)
        .override_global("WAKE_AT", &wake, true)
        .override_global("OWN_PIDNS_INODE", &inode, true)
        .override_global("OWN_PIDNS_DEVICE", &device, true)
        .map_max_entries("RING", options.ring);
    loader.load(OBJECT).map_err(|e| ProbesError::Load(chain(&e)))
}

/// Inode and device of our pid namespace; zeros for the first one, whose numbers the kernel uses itself.
fn pid_namespace() -> (u64, u64) {
    match std::fs::metadata("/proc/self/ns/pid") {
        Ok(own) if own.ino() != FIRST_PID_NAMESPACE => (own.ino(), own.dev()),
        _ => (0, 0),
    }
}

/// Whether process ids here are those the kernel uses itself.
pub fn in_first_pid_namespace() -> bool {
    pid_namespace().0 == 0
}

/// The filters: ports, and reasons that aren't told.
fn fill(ebpf: &mut Ebpf, ports: &PortSet, drops: &Reasons) -> Result<(), aya::maps::MapError> {
    let mut words = vec![0u64; PORT_WORDS as usize];
    for port in ports.ranges().into_iter().flat_map(|(low, high)| low..=high) {
        if let Some(word) = words.get_mut(usize::from(port >> 6)) {
            *word |= 1 << (port & 63);
        }
    }
    if let Some(map) = ebpf.map_mut("PORTS") {
        let mut map: Array<_, u64> = map.try_into()?;
        for (n, word) in words.iter().enumerate().filter(|(_, word)| **word != 0) {
            map.set(n as u32, word, 0)?;
        }
    }
    if let Some(map) = ebpf.map_mut("QUIET") {
        let mut map: Array<_, u8> = map.try_into()?;
        for reason in drops.quiet().filter(|n| *n < QUIET_REASONS) {
            map.set(reason, 1, 0)?;
        }
    }
    Ok(())
}

/// Loads and attaches one program, if this kernel has what it needs.
fn status(ebpf: &mut Ebpf, found: &Found, layout: &Layout) -> ProbeStatus {
    let tracepoint = found.tracepoint;
    let state = match &found.presence {
        Presence::Absent => ProbeState::Absent("this kernel has no such tracepoint".into()),
        Presence::Unusable(what) => ProbeState::Absent(format!("this kernel doesn't tell {what}")),
        Presence::Usable => match attach(ebpf, tracepoint.category, tracepoint.name) {
            Ok(()) => ProbeState::Loaded,
            Err(why) => ProbeState::Failed(why),
        },
    };
    let mut missing: Vec<(String, &'static str)> =
        found.missing.iter().map(|(field, cost)| ((*field).to_owned(), *cost)).collect();
    if tracepoint.name == "inet_sock_set_state" {
        // What BTF lacks concerns several; it is told once, with the first.
        missing.extend(layout.missing.iter().cloned());
    }
    let name = format!("{}:{}", tracepoint.category, tracepoint.name);
    ProbeStatus { name, state, cost: tracepoint.cost, found: found.fields.clone(), missing }
}

fn attach(ebpf: &mut Ebpf, category: &str, name: &str) -> Result<(), String> {
    let program = ebpf.program_mut(name).ok_or("the object lacks it")?;
    let program: &mut TracePoint = program.try_into().map_err(|e| chain(&e))?;
    program.load().map_err(|e| chain(&e))?;
    program.attach(category, name).map_err(|e| chain(&e))?;
    Ok(())
}

/// An error with its causes in one line, without the verifier's log but its last words.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        let mut lines = said.lines().filter(|l| !l.trim().is_empty() && !l.starts_with("processed"));
        let (first, last) = (lines.next().unwrap_or_default().to_owned(), lines.next_back());
        if !text.ends_with(&first) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&first);
        }
        if let Some(last) = last {
            text.push_str(" … ");
            text.push_str(last.trim());
        }
        next = error.source();
    }
    text
}
