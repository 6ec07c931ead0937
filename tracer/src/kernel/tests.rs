//! What needs no kernel's files; those are read by the workspace's `tests/tests/formats.rs`.
use super::*;
use crate::base::Timestamp;
use std::sync::Arc;

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

/// Surroundings without anything.
struct Still;

impl Surroundings for Still {
    fn at(&mut self, monotonic: u64) -> Timestamp {
        Timestamp(monotonic as i64)
    }
    fn place(&mut self, _: u64) -> Option<Arc<str>> {
        None
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
