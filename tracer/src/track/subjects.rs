//! Which subjects a client's deliveries weigh on most, by sampling: every so many octets the subject of the message they fall
//! into is noted. The step doubles as the stream goes on, so that neither memory nor work grows with it.
use serde::{Deserialize, Serialize};

/// Subjects kept.
const SUBJECTS_MAX: usize = 8;
/// Octets of a subject kept.
const SUBJECT_LEN_MAX: usize = 128;
/// The first step in octets.
const STEP: u64 = 512;
/// Samples before the step doubles.
const SAMPLES: u32 = 64;

/// One client's deliveries.
#[derive(Debug, Serialize, Deserialize)]
pub struct Weights {
    /// Octets until the next sample.
    left: u64,
    step: u64,
    samples: u32,
    kept: Vec<Weight>,
    /// Memory for a subject.
    #[serde(skip)]
    spare: Option<Vec<u8>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Weight {
    subject: Vec<u8>,
    bytes: u64,
    /// Of them at most so many are somebody else's, whose place it took.
    inherited: u64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { left: 0, step: STEP, samples: 0, kept: Vec::new(), spare: None }
    }
}

impl Weights {
    /// As new, in the same memory.
    pub fn empty(&mut self) {
        self.spare = self.kept.pop().map(|weight| weight.subject).or_else(|| self.spare.take());
        self.kept.clear();
        (self.left, self.step, self.samples) = (0, STEP, 0);
    }

    /// A delivery of so many octets.
    #[inline]
    pub fn add(&mut self, subject: &[u8], bytes: u64) {
        if bytes < self.left {
            self.left -= bytes;
        } else {
            self.sample(subject, bytes);
        }
    }

    fn sample(&mut self, subject: &[u8], bytes: u64) {
        let over = bytes - self.left;
        let steps = over / self.step + 1;
        self.left = self.step - over % self.step;
        self.note(subject, steps.saturating_mul(self.step));
        self.samples += 1;
        if self.samples >= SAMPLES {
            self.samples = 0;
            self.step = self.step.saturating_mul(2);
        }
    }

    fn note(&mut self, subject: &[u8], bytes: u64) {
        let subject = subject.get(..SUBJECT_LEN_MAX).unwrap_or(subject);
        if let Some(known) = self.kept.iter_mut().find(|w| w.subject == subject) {
            known.bytes = known.bytes.saturating_add(bytes);
        } else if self.kept.len() < SUBJECTS_MAX {
            // Mostly it is the only one.
            self.kept.reserve_exact(1);
            let mut text = self.spare.take().unwrap_or_default();
            text.clear();
            text.reserve_exact(subject.len());
            text.extend_from_slice(subject);
            self.kept.push(Weight { subject: text, bytes, inherited: 0 });
        } else if let Some(least) = self.kept.iter_mut().min_by_key(|w| w.bytes) {
            // Its place is taken with its weight (Metwally, Agrawal, El Abbadi: space-saving): no heavy one is ever missed.
            least.subject.clear();
            least.subject.extend_from_slice(subject);
            least.inherited = least.bytes;
            least.bytes = least.bytes.saturating_add(bytes);
        }
    }

    /// Subjects and about how many octets each, most first; only what is certain to be its own is counted. `heavy`: memory for it.
    #[must_use]
    pub fn heaviest(&self, mut heavy: Vec<(String, u64)>) -> Vec<(String, u64)> {
        let own = |w: &Weight| w.bytes - w.inherited;
        let most = self.kept.iter().map(own).max().unwrap_or(0);
        let mut told = 0;
        for weight in self.kept.iter().filter(|w| own(w) > most / 20) {
            if told == heavy.len() {
                heavy.reserve_exact(1);
                heavy.push((String::new(), 0));
            }
            if let Some((subject, bytes)) = heavy.get_mut(told) {
                subject.clear();
                subject.push_str(&String::from_utf8_lossy(&weight.subject));
                *bytes = own(weight);
            }
            told += 1;
        }
        heavy.truncate(told);
        heavy.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        heavy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heavy_one_is_found_among_thousands() {
        let mut weights = Weights::default();
        for n in 0..20_000_u32 {
            weights.add(format!("_INBOX.{n}").as_bytes(), 60);
            weights.add(b"orders.big", 900);
        }
        let heavy = weights.heaviest(vec![("of another".into(), 7); 9]);
        assert_eq!(heavy.first().map(|h| h.0.as_str()), Some("orders.big"));
        let share = heavy.first().map_or(0.0, |h| h.1 as f64 / (20_000.0 * 900.0));
        assert!((0.8..1.2).contains(&share), "{share}");
    }

    #[test]
    fn a_single_message_has_its_subject() {
        let mut weights = Weights::default();
        weights.add(b"a", 10);
        assert_eq!(weights.heaviest(Vec::new()).len(), 1);
        assert!(Weights::default().heaviest(vec![("of another".into(), 7)]).is_empty());
    }
}
