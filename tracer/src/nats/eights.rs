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
    a.len() == b.len()
        && match a.len() {
            0..8 => a == b,
            8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
            17..=32 => a.first_chunk::<16>() == b.first_chunk() && a.last_chunk::<16>() == b.last_chunk(),
            _ => a == b,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_same_is_equal(a in proptest::collection::vec(any::<u8>(), 0..70), at in any::<prop::sample::Index>(), other: u8) {
            let mut b = a.clone();
            prop_assert!(same(&a, &b));
            if let Some(octet) = b.get_mut(at.index(a.len().max(1))) {
                *octet = other;
            }
            prop_assert_eq!(same(&a, &b), a == b);
            b.push(other);
            prop_assert!(!same(&a, &b));
        }
    }
}
