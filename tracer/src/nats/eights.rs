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

/// Whether two stretches are equal. Up to 32 octets that is how they begin and end, in less time than a call takes.
#[inline(always)]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(a_begin), Some(b_begin), Some(a_end), Some(b_end)) =
        (a.first_chunk::<8>(), b.first_chunk(), a.last_chunk::<8>(), b.last_chunk())
    {
        if a_begin != b_begin || a_end != b_end || a.len() <= 16 {
            return a_begin == b_begin && a_end == b_end;
        }
    }
    match (a.first_chunk::<16>(), b.first_chunk(), a.last_chunk::<16>(), b.last_chunk()) {
        (Some(a_begin), Some(b_begin), Some(a_end), Some(b_end)) if a.len() <= 32 => {
            a_begin == b_begin && a_end == b_end
        }
        _ => a == b,
    }
}
