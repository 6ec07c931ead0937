//! Numbers and short texts without `fmt`, which takes too long for what is written for each close.
use std::fmt;

/// Takes octets one after the other.
pub trait Octets {
    /// Appends them.
    fn put(&mut self, octets: &[u8]);

    /// Appends a number in decimal.
    #[inline]
    fn put_number(&mut self, n: u64) {
        match n {
            0..10 => self.put(&[b'0' + n as u8]),
            10..100 => self.put(&pair(n as u32)),
            100..10_000 => {
                let ([a, b], [c, d]) = (pair(n as u32 / 100), pair(n as u32 % 100));
                if n < 1_000 { self.put(&[b, c, d]) } else { self.put(&[a, b, c, d]) }
            }
            10_000..100_000 => {
                let ([a, b], [c, d]) = (pair(n as u32 / 100 % 100), pair(n as u32 % 100));
                self.put(&[b'0' + (n / 10_000) as u8, a, b, c, d]);
            }
            _ => {
                let mut text = [b'0'; 20];
                let (mut left, mut rest) = (text.len(), n);
                for place in text.as_chunks_mut::<2>().0.iter_mut().rev() {
                    *place = pair((rest % 100) as u32);
                    rest /= 100;
                    left -= 2;
                    if rest == 0 {
                        break;
                    }
                }
                left += usize::from(text.get(left) == Some(&b'0'));
                self.put(text.get(left..).unwrap_or_default());
            }
        }
    }
}

impl Octets for Vec<u8> {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// Two digits of a number below a hundred.
#[must_use]
#[inline]
pub const fn pair(n: u32) -> [u8; 2] {
    [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]
}

/// A text of at most 32 octets on the stack; what is more is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Short {
    octets: [u8; 32],
    len: usize,
}

impl Short {
    /// What was put there.
    #[must_use]
    #[inline]
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }

    /// As it is read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.octets()).unwrap_or_default()
    }
}

impl Octets for Short {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        let end = self.len + octets.len();
        if let Some(place) = self.octets.get_mut(self.len..end) {
            place.copy_from_slice(octets);
            self.len = end;
        }
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_fmt_writes_them() {
        let odd = [9_999, 10_000, 10_001, 65_535, 70_000, 99_999, 100_000, 1_234_567_890, u64::MAX];
        for n in (0..2_000).chain(odd) {
            let mut text = Vec::new();
            text.put_number(n);
            assert_eq!(text, n.to_string().as_bytes());
        }
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let mut text = Short::default();
        text.put_number(u64::MAX);
        text.put(b" and so on, and on");
        assert_eq!(text.as_str(), u64::MAX.to_string());
        text.put(b" and so on");
        assert_eq!(text.as_str().len(), 30);
    }
}
