//! Traffic for measurements: whole capture sets of any size, the same octets every time. Lengths, sequence and
//! acknowledgement numbers are right, checksums are not (nothing here reads them).
mod conn;
mod real;
mod sets;

pub use conn::Conn;
pub use real::Real;
pub use sets::{BATCH_PAYLOAD, Set};

use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Nanoseconds of the first frame: 2026-11-22 12:00:00 UTC.
pub const EPOCH: i64 = 1_795_348_800_000_000_000;

/// Takes the frames of a set as they are made, with their time in nanoseconds. `false` ends the making.
pub type Take<'a> = dyn FnMut(i64, &[u8]) -> bool + 'a;

/// A small generator of numbers, the same everywhere (splitmix64).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Begins at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[must_use = "the number"]
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 for 0.
    pub const fn below(&mut self, n: u64) -> u64 {
        let wide = self.next() as u128 * n as u128;
        (wide >> 64) as u64
    }

    /// True once in `n` times.
    pub const fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Frames.
    pub frames: u64,
    /// Octets of the file.
    pub bytes: u64,
}

/// The global header of a pcap with nanoseconds, Ethernet.
#[must_use]
pub fn pcap_header() -> [u8; 24] {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&0xa1b2_3c4d_u32.to_le_bytes());
    header[4..6].copy_from_slice(&2u16.to_le_bytes());
    header[6..8].copy_from_slice(&4u16.to_le_bytes());
    header[16..20].copy_from_slice(&262_144u32.to_le_bytes());
    header[20..24].copy_from_slice(&1u32.to_le_bytes());
    header
}

/// The record header of a frame in such a pcap.
#[must_use]
pub fn record_header(at: i64, len: u32) -> [u8; 16] {
    let mut header = [0; 16];
    let (secs, nanos) = (at.div_euclid(1_000_000_000) as u32, at.rem_euclid(1_000_000_000) as u32);
    for (place, value) in header.chunks_exact_mut(4).zip([secs, nanos, len, len]) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    header
}

/// Writes a set as a pcap.
///
/// # Errors
/// Where the file can't be written.
pub fn write(set: Set, scale: f64, file: &Path) -> io::Result<Made> {
    write_frames(file, |take| {
        set.each(scale, take);
    })
}

/// Writes the frames that `make` makes as a pcap.
///
/// # Errors
/// Where the file can't be written.
pub fn write_frames(file: &Path, make: impl FnOnce(&mut Take<'_>)) -> io::Result<Made> {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(file)?);
    out.write_all(&pcap_header())?;
    let mut made = Made { frames: 0, bytes: 24 };
    let mut result = Ok(());
    make(&mut |at, frame| {
        let len = frame.len() as u32;
        result = out.write_all(&record_header(at, len)).and_then(|()| out.write_all(frame));
        made.frames += 1;
        made.bytes += 16 + u64::from(len);
        result.is_ok()
    });
    result?;
    out.flush()?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_octets_every_time() {
        for set in Set::ALL {
            let sum = || {
                let (mut sum, mut frames, mut last) = (0u64, 0u64, 0);
                set.each(0.0005, &mut |at, frame| {
                    assert!(at >= last, "{}: time goes back", set.name());
                    last = at;
                    frames += 1;
                    sum = frame.iter().fold(sum ^ at as u64, |s, &b| s.rotate_left(5) ^ u64::from(b));
                    true
                });
                (sum, frames)
            };
            assert_eq!(sum(), sum(), "{}", set.name());
            assert!(sum().1 > 100, "{}: too few frames", set.name());
        }
    }

    #[test]
    fn a_number_of_frames_as_asked() {
        let mut frames = 0;
        Set::Small.each(1.0, &mut |_, frame| {
            assert!(frame.len() == 130 || frames < 10_000);
            frames += 1;
            frames < 20_000
        });
        assert_eq!(frames, 20_000);
    }
}
