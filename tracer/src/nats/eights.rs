//! Octets looked at eight at a time, in a register.

/// The same octet eight times over, by multiplication.
pub(super) const ONES: u64 = u64::MAX / 0xff;

/// The highest bit of each octet of `eight` that is below `limit` (at most 0x80). The lowest mark is exact, above it there may be
/// false ones.
#[inline(always)]
pub(super) const fn below(eight: u64, limit: u8) -> u64 {
    eight.wrapping_sub(ONES * limit as u64) & !eight & (ONES << 7)
}

/// Which octet the lowest mark stands for, counted from the first in memory.
#[inline(always)]
pub(super) const fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}
