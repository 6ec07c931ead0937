//! How a connection is written down: its values one after the other, without names (as postcard does), numbers in as many octets
//! as they need. Times, sequence numbers and frames' numbers, of which most of it is made, are near each other: each is written as
//! its distance from the one before. What is not set (0, or a time that never comes) is no step on that way.
mod reader;
mod writer;

use reader::Reader;
use serde::{Deserialize, Serialize, de, ser};
use std::fmt;
use writer::Writer;

/// Appends a value to `out`. `near`: a time and a frame's number that the first ones are near.
pub fn write(value: &impl Serialize, near: (i64, u64), out: Vec<u8>) -> Result<Vec<u8>, Unwritten> {
    let mut writer = Writer { out, before: Before::near(near) };
    value.serialize(&mut writer)?;
    Ok(writer.out)
}

/// The value that was written so, and what stands behind it.
pub fn read<'a, T: Deserialize<'a>>(octets: &'a [u8], near: (i64, u64)) -> Result<(T, &'a [u8]), Unwritten> {
    let mut reader = Reader { octets, before: Before::near(near) };
    Ok((T::deserialize(&mut reader)?, reader.octets))
}

/// A value that can't be written, or octets that nobody wrote.
#[derive(Debug)]
pub struct Unwritten;

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection as it is written down")
    }
}

impl std::error::Error for Unwritten {}

impl ser::Error for Unwritten {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl de::Error for Unwritten {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// What the next integer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Plain,
    Time,
    Seq,
}

/// The last ones of each kind, and what comes.
struct Before {
    time: i64,
    number: u64,
    seq: u32,
    meaning: Meaning,
    /// The next number of 64 bits is a frame's.
    frame: bool,
}

impl Before {
    const fn near((time, number): (i64, u64)) -> Self {
        Self { time, number, seq: 0, meaning: Meaning::Plain, frame: false }
    }

    /// A value with a name of its own begins.
    fn begins(&mut self, name: &str) {
        match name {
            "Timestamp" => self.meaning = Meaning::Time,
            "Seq" => self.meaning = Meaning::Seq,
            "FrameRef" => self.frame = true,
            _ => {}
        }
    }

    fn takes(&mut self, meaning: Meaning) -> bool {
        let same = self.meaning == meaning;
        self.meaning = Meaning::Plain;
        same
    }
}

/// Small whatever the sign.
pub const fn folded(n: i64) -> u64 {
    (n << 1 ^ n >> 63) as u64
}

pub const fn unfolded(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Seq, Timestamp};
    use crate::event::{FrameRef, Mark};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
    enum Kind {
        Nothing,
        One(Seq),
        Two(i8, u128),
        Three { text: String, number: u64 },
    }

    #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
    struct All {
        marks: Vec<Option<Mark>>,
        times: Vec<Timestamp>,
        kinds: Vec<Kind>,
        pair: (bool, char, i16, i32, i64),
        map: BTreeMap<u16, Seq>,
        number: f64,
        nothing: (),
        large: u64,
        boxed: Box<[u8]>,
    }

    fn time() -> impl Strategy<Value = Timestamp> {
        prop_oneof![any::<i64>(), Just(0), Just(i64::MAX), Just(i64::MIN), 0..9_i64].prop_map(Timestamp)
    }

    fn mark() -> impl Strategy<Value = Mark> {
        (time(), any::<u32>(), prop_oneof![any::<u64>(), 0..5_u64])
            .prop_map(|(at, capture, number)| Mark { at, frame: FrameRef::new(capture, number) })
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Nothing),
            any::<u32>().prop_map(|n| Kind::One(Seq(n))),
            (any::<i8>(), any::<u128>()).prop_map(|(a, b)| Kind::Two(a, b)),
            (".{0,9}", any::<u64>()).prop_map(|(text, number)| Kind::Three { text, number }),
        ]
    }

    fn all() -> impl Strategy<Value = All> {
        let first = (
            proptest::collection::vec(proptest::option::of(mark()), 0..9),
            proptest::collection::vec(time(), 0..9),
            proptest::collection::vec(kind(), 0..9),
            any::<(bool, char, i16, i32, i64)>(),
            proptest::collection::btree_map(any::<u16>(), any::<u32>().prop_map(Seq), 0..5),
        );
        let second = (-1e9..1e9_f64, any::<u64>(), proptest::collection::vec(any::<u8>(), 0..9));
        (first, second).prop_map(|((marks, times, kinds, pair, map), (number, large, boxed))| All {
            marks,
            times,
            kinds,
            pair,
            map,
            number,
            nothing: (),
            large,
            boxed: boxed.into(),
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(all in all(), near in any::<(i64, u64)>()) {
            let written = write(&all, near, Vec::new()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(read::<All>(&written, near).ok(), Some((all, &b""[..])));
            // A part of it is no whole, and breaks nothing.
            for len in 0..written.len() {
                prop_assert!(read::<All>(&written[..len], near).is_err());
            }
        }

        #[test]
        fn anything_may_be_read(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read::<All>(&octets, (0, 0));
        }
    }

    #[test]
    fn times_that_are_near_take_few_octets() {
        let mark = |ns: i64, number| Mark {
            at: Timestamp(1_795_348_994_000_000_000 + ns),
            frame: FrameRef::new(0, number),
        };
        let marks = [mark(0, 70_000), mark(400, 70_002), mark(0, 70_000), mark(60_000, 70_010)];
        let written = write(&marks, (marks[0].at.0, 70_000), Vec::new()).unwrap_or_default();
        assert!(written.len() <= 4 * 5, "{} octets", written.len());
    }
}
