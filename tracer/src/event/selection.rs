//! What of all that is found is shown: `--only`, `--side`, `--cause`, `--count`, `-q`.
use super::{Kind, Party};

/// What to show. Empty lists show everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `--only`.
    pub kinds: Vec<Kind>,
    /// `--side`.
    pub sides: Vec<Party>,
    /// `--cause`.
    pub causes: Vec<String>,
    /// `--count`: closes to show.
    pub count: Option<u64>,
    /// `-q`: only the summary.
    pub quiet: bool,
}

impl Selection {
    /// Whether such a close is one of those asked for.
    #[must_use]
    pub fn matches(&self, kind: Kind, side: Party, cause: &str) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.sides.is_empty() || self.sides.contains(&side))
            && (self.causes.is_empty() || self.causes.iter().any(|code| code == cause))
    }

    /// Whether such a close is written: somebody reads its texts.
    #[must_use]
    pub fn wants(&self, kind: Kind, side: Party, cause: &str) -> bool {
        !self.quiet && self.matches(kind, side, cause)
    }

    /// Whether closes are worth telling at all: they are written, or those that match are counted.
    #[must_use]
    pub const fn needs_closes(&self) -> bool {
        !self.quiet || self.count.is_some()
    }

    /// Whether every close is wanted.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.kinds.is_empty() && self.sides.is_empty() && self.causes.is_empty()
    }
}
