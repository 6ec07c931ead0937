//! A frame costs no allocation once its connection is known. The counting allocator sees every thread, so the tests take
//! turns.
use natstrace::base::Timestamp;
use natstrace::event::{Event, Frame};
use natstrace::pipeline::{Config, Pipeline};
use natstrace::wire::LinkType;
use std::sync::Mutex;
use tests::counting::{self, Counting};
use tests::generate::Set;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Frames until every connection is open and every buffer has its size.
const WARM_UP: usize = 50_000;
/// Frames that are counted.
const COUNTED: usize = 100_000;
/// Allocations allowed for them: tables that grow, not frames.
const ALLOWED: u64 = 20;

static TURN: Mutex<()> = Mutex::new(());

#[test]
fn a_frame_costs_no_allocation() {
    held(&[Set::Small, Set::Noise]);
}

#[test]
fn a_cut_line_costs_no_allocation() {
    held(&[Set::Bulk]);
}

fn held(sets: &[Set]) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for &set in sets {
        let mut frames: Vec<(i64, Vec<u8>)> = Vec::new();
        set.each(1.0, &mut |at, frame| {
            frames.push((at, frame.to_vec()));
            frames.len() < WARM_UP + COUNTED
        });
        let mut pipeline = Pipeline::new(Config::default());
        let mut before = 0;
        for (number, (at, bytes)) in (1..).zip(&frames) {
            if number == WARM_UP as u64 {
                before = counting::calls();
            }
            let frame = Frame {
                capture: 0,
                iface: 0,
                number,
                at: Timestamp(*at),
                wire_len: bytes.len() as u32,
                link: LinkType::ETHERNET,
                bytes,
            };
            pipeline.handle_frame(&frame, true, &mut |event| {
                assert!(matches!(event, Event::Notice(_)), "nothing ends here: {event:?}");
            });
        }
        let calls = counting::calls() - before;
        println!("{}: {calls} allocations for {COUNTED} frames", set.name());
        assert!(calls <= ALLOWED, "{}: {calls} allocations for {COUNTED} frames", set.name());
    }
}
