//! TCP sequence numbers: 32 bits that wrap (RFC 9293 section 3.4).
use serde::{Deserialize, Serialize};

/// A sequence or acknowledgement number. Compared by signed distance, so that wrap-around is no special case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Seq(pub u32);

impl Seq {
    /// How far `self` lies after `other`; negative if before. Never panics: an observer sees anything.
    #[must_use]
    pub const fn diff(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// `self` moved on by `n` octets.
    #[must_use]
    pub const fn add(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// `self` moved back by `n` octets.
    #[must_use]
    pub const fn sub(self, n: u32) -> Self {
        Self(self.0.wrapping_sub(n))
    }

    /// Strictly before.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        self.diff(other) < 0
    }

    /// Strictly after.
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        self.diff(other) > 0
    }

    /// The later of the two.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.after(other) { self } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::Seq;

    #[test]
    fn distance_wraps() {
        let before = Seq(u32::MAX - 1);
        let after = before.add(4);
        assert_eq!(after, Seq(2));
        assert_eq!(after.diff(before), 4);
        assert!(before.before(after) && after.after(before));
        assert_eq!(before.max(after), after);
        assert_eq!(after.sub(4), before);
    }
}
