//! The kernels whose formats are kept in `tests/formats`: one folder each, found by looking. A folder has
//! `<category>/<name>/format` as in tracefs, and `records` where a stream of that kernel's was recorded.
use super::*;
use crate::base::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn kernels() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/formats");
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

fn formats(kernel: &Path) -> Vec<Option<Format>> {
    let read =
        |t: &Tracepoint| std::fs::read_to_string(kernel.join(t.category).join(t.name).join("format")).ok();
    TRACEPOINTS.iter().map(|t| read(t).map(|text| Format::parse(&text))).collect()
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
fn what_is_missing_is_said() {
    let layout = Layout::new(&[], None);
    assert!(layout.tracepoints.iter().all(|f| f.presence == Presence::Absent));
    assert!(layout.globals.iter().all(|(_, place)| *place == -1));
    assert!(layout.missing.iter().any(|(what, _)| what == "task_struct.comm"));
    let old = Format::parse("\tfield:void * skbaddr;\toffset:8;\tsize:8;\tsigned:0;\n");
    let mut formats = vec![None; 9];
    formats[5] = Some(old);
    let layout = Layout::new(&formats, None);
    assert_eq!(layout.tracepoints[5].missing.len(), 3);
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
fn no_record_is_none() {
    let decoder = Decoder::default();
    for octets in [&[][..], &[0; 127], &[0; 128], &[0xff; 128]] {
        assert_eq!(decoder.decode(octets, &mut Still), None);
    }
    assert!(recorded(b"").is_none() && recorded(b"ntsrec1\n\x01\0\0\0").is_none());
}
