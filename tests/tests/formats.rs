//! The kernels whose formats are kept in `tests/formats`: one folder each, found by looking. A folder has
//! `<category>/<name>/format` as in tracefs, and `records` where a stream of that kernel's was recorded (the ignored test
//! `source::ebpf::tests::record` writes one).
use natstrace::base::Timestamp;
use natstrace::kernel::{
    Decoder, Format, KernelEvent, KernelRecord, Layout, Presence, Reasons, Surroundings, TRACEPOINTS,
    TcpState, recorded,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn kernels() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("formats");
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    all.retain(|p| p.is_dir());
    all.sort();
    assert!(!all.is_empty());
    all
}

fn formats(kernel: &Path) -> Vec<Option<Format>> {
    let file = |category: &str, name: &str| kernel.join(category).join(name).join("format");
    let read = TRACEPOINTS.iter().map(|t| std::fs::read_to_string(file(t.category, t.name)).ok());
    read.map(|text| text.map(|text| Format::parse(&text))).collect()
}

/// Surroundings of a replay: no symbols, time as recorded.
struct Still;

impl Surroundings for Still {
    fn at(&mut self, monotonic: u64) -> Timestamp {
        Timestamp(monotonic as i64)
    }

    fn place(&mut self, address: u64) -> Option<Arc<str>> {
        Some(Arc::from(format!("{address:x}")))
    }

    fn container(&mut self, _: u32, _: u64) -> Option<Arc<str>> {
        None
    }
}

#[test]
fn every_kept_kernel_serves() {
    for kernel in kernels() {
        let shown = kernel.display();
        let layout = Layout::new(&formats(&kernel), None);
        for found in &layout.tracepoints {
            let name = found.tracepoint.name;
            // Without BTF two probes have no use; on the kernel itself they have it.
            match (&found.presence, name) {
                (Presence::Usable, _) | (Presence::Unusable("BTF: sk_buff"), "kfree_skb") => {}
                (Presence::Unusable("group_dead"), "sched_process_exit") => {}
                (other, _) => panic!("{shown}: {name}: {other:?}"),
            }
        }
        for global in
            ["SET_STATE_SPORT", "SK_ERROR_ERROR", "RETRANSMIT_DADDR_V6", "KFREE_SKBADDR", "SIGNAL_PID"]
        {
            assert!(layout.place(global) >= 8, "{shown}: {global}");
        }
        let (old, new) = (layout.place("SEND_RESET_SPORT"), layout.place("SEND_RESET_SOURCE"));
        assert!((old < 0) != (new < 0), "{shown}: one layout of tcp_send_reset, {old} or {new}");
    }
}

#[test]
fn names_of_reasons() {
    for kernel in kernels() {
        let shown = kernel.display();
        let formats = formats(&kernel);
        let drops = Reasons::of_drops(formats[5].as_ref(), None);
        let all: Vec<_> = (0..1000).map(|n| drops.name(n)).collect();
        for wanted in ["NETFILTER_DROP", "NO_SOCKET", "NOT_SPECIFIED"] {
            assert_eq!(all.iter().filter(|n| n.as_ref() == wanted).count(), 1, "{shown}: {wanted}");
        }
        let netfilter = all.iter().position(|n| n.as_ref() == "NETFILTER_DROP").unwrap() as u32;
        assert!(drops.quiet().all(|n| n != netfilter));
        if formats[2].as_ref().unwrap().field("reason").is_some() {
            let resets = Reasons::of_resets(formats[2].as_ref(), None);
            assert!((0..100).any(|n| resets.name(n).as_ref() == "TCP_ABORT_ON_CLOSE"), "{shown}");
        }
        assert_eq!(drops.name(0x10_0001).as_ref(), "REASON_1048577");
    }
}

#[test]
fn recordings_replay() {
    let mut replayed = 0;
    for kernel in kernels() {
        let Ok(octets) = std::fs::read(kernel.join("records")) else { continue };
        replayed += 1;
        let formats = formats(&kernel);
        let decoder = Decoder {
            drops: Reasons::of_drops(formats[5].as_ref(), None),
            resets: Reasons::of_resets(formats[2].as_ref(), None),
        };
        let records: Vec<_> = recorded(&octets).unwrap().collect();
        let all: Vec<_> = records.iter().map(|r| decoder.decode(r, &mut Still).unwrap()).collect();
        let told = |what: &str, is: &dyn Fn(&KernelRecord) -> bool| {
            assert!(all.iter().any(is), "{}: {what} in {all:#?}", kernel.display());
        };
        told("a listener with its process", &|r| {
            r.process.is_some()
                && matches!(r.event, KernelEvent::State { to: TcpState::Listen, local, .. } if local.port == 14225)
        });
        told("a connection with the process that made it", &|r| {
            r.process.is_some()
                && matches!(r.event, KernelEvent::State { from: TcpState::SynSent, to: TcpState::Established, local, .. }
                    if local.port != 0)
        });
        told("an abort", &|r| {
            matches!(&r.event, KernelEvent::ResetSent { local, reason, .. }
                if local.port == 14225 && reason.as_deref().is_none_or(|r| r == "TCP_ABORT_ON_CLOSE"))
                && r.process.is_some()
        });
        told(
            "its arrival",
            &|r| matches!(r.event, KernelEvent::ResetReceived { local, .. } if local.port != 14225),
        );
        told("its error", &|r| matches!(r.event, KernelEvent::SocketError { errno: 104, .. }));
        told("a filtered SYN", &|r| {
            matches!(&r.event, KernelEvent::Dropped { reason, flags, dst, .. }
                if reason.as_ref() == "NETFILTER_DROP" && flags & 0x3f == 2 && dst.port == 14225)
        });
        told("a kill", &|r| matches!(r.event, KernelEvent::Signal { signal: 9, by_kernel: false, .. }));
        told("an end", &|r| r.event == KernelEvent::Exit { signal: Some(9), status: None });
    }
    assert!(replayed > 0);
}
