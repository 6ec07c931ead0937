//! Ranges of a stream, joined.

/// Which positions of a stream were seen.
pub(super) struct Coverage(Vec<(i64, i64)>);

impl Coverage {
    /// Of ranges given as start and length.
    pub fn of(ranges: impl Iterator<Item = (i64, i64)>) -> Self {
        let mut all: Vec<_> =
            ranges.filter(|r| r.1 > 0).map(|(start, len)| (start, start.saturating_add(len))).collect();
        all.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::new();
        for (start, end) in all {
            match joined.last_mut() {
                Some(last) if last.1 >= start => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        Self(joined)
    }

    /// Some of the range was seen.
    pub fn touches(&self, (start, end): (i64, i64)) -> bool {
        self.around(start).is_some_and(|r| r.0 < end)
    }

    /// All of the range was seen.
    pub fn covers(&self, (start, end): (i64, i64)) -> bool {
        self.around(start).is_some_and(|r| r.0 <= start && r.1 >= end)
    }

    /// The first range that ends behind `start`.
    fn around(&self, start: i64) -> Option<&(i64, i64)> {
        self.0.get(self.0.partition_point(|r| r.1 <= start))
    }
}

#[cfg(test)]
mod tests {
    use super::Coverage;

    #[test]
    fn joins_and_answers() {
        let seen = Coverage::of([(10, 5), (0, 4), (15, 5), (40, 0)].into_iter());
        assert_eq!(seen.0, [(0, 4), (10, 20)]);
        assert!(seen.covers((10, 20)) && !seen.covers((9, 20)) && !seen.covers((10, 21)));
        assert!(seen.touches((19, 30)) && !seen.touches((20, 30)) && !seen.touches((4, 10)));
    }
}
