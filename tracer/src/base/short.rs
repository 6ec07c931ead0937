//! Short texts on the stack: what is written for each close, `fmt` takes too long for.
use std::fmt;

/// A text of at most 32 octets; what is more is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Short {
    octets: [u8; 32],
    len: usize,
}

impl Short {
    /// A number as `fmt` writes it.
    #[must_use]
    pub fn of(n: u64) -> Self {
        let mut text = Self::default();
        text.number(n);
        text
    }

    /// One more octet, of ASCII.
    #[inline]
    pub(super) fn push(&mut self, octet: u8) {
        if let Some(place) = self.octets.get_mut(self.len) {
            *place = octet;
            self.len += 1;
        }
    }

    /// A number in decimal.
    #[inline]
    pub(super) fn number(&mut self, n: u64) {
        match n {
            0..10 => self.push(b'0' + n as u8),
            10..100 => self.pair(n as u8),
            100..1_000 => {
                self.push(b'0' + (n / 100) as u8);
                self.pair((n % 100) as u8);
            }
            _ => self.long(n),
        }
    }

    fn long(&mut self, mut n: u64) {
        let mut digits = [0; 20];
        let mut used = 0;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (n % 10) as u8;
            n /= 10;
            used += 1;
            if n == 0 {
                break;
            }
        }
        digits.iter().skip(20 - used).for_each(|&digit| self.push(digit));
    }

    /// Two digits.
    #[inline]
    fn pair(&mut self, n: u8) {
        self.push(b'0' + n / 10);
        self.push(b'0' + n % 10);
    }

    /// As it is read.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        self.octets.get(..self.len).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl fmt::Write for Short {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let Some(place) = self.octets.get_mut(self.len..end) else { return Err(fmt::Error) };
        place.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn numbers_as_fmt_writes_them() {
        for n in [0, 7, 10, 42, 99, 100, 101, 999, 1_000, 4_222, 65_535, 70_000, 1_234_567_890, u64::MAX] {
            assert_eq!(Short::of(n).as_str(), n.to_string());
        }
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let mut text = Short::of(u64::MAX);
        assert!(text.write_str(" and so on, and on").is_err());
        assert_eq!(text.as_str(), u64::MAX.to_string());
        text.number(u64::MAX);
        assert_eq!(text.as_str().len(), 32);
    }
}
