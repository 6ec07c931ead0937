//! A short run of the hammer under `cargo test`; `cargo xtask fuzz` runs it for longer.
#![allow(clippy::expect_used, reason = "a test")]
use proptest::prelude::*;
use std::path::Path;
use std::sync::OnceLock;
use tests::hammer::{Seeds, Target};

/// Numbers of a short run, apart from those that `cargo xtask fuzz` begins with.
const SEEDS: std::ops::Range<u64> = 10_000..10_120;

fn seeds() -> &'static Seeds {
    static SEEDS: OnceLock<Seeds> = OnceLock::new();
    SEEDS.get_or_init(|| {
        Seeds::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")).expect("captures")
    })
}

fn strike(target: Target) {
    for seed in SEEDS {
        let input = seeds().input(target, seed);
        eprintln!("hammer --target {target} --seed {seed} --once");
        target.strike(&input);
    }
}

#[test]
fn frames_are_decoded_or_refused() {
    strike(Target::Frame);
}

#[test]
fn streams_are_decoded_or_refused() {
    strike(Target::Nats);
}

#[test]
fn steps_give_at_most_one_close_a_life() {
    strike(Target::Track);
}

#[test]
fn files_are_read_or_refused() {
    strike(Target::Files);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        for target in Target::ALL {
            target.strike(&data);
        }
    }
}
