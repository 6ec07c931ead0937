//! Points in time and spans, in nanoseconds. Time always comes with the input; nothing here reads a clock.
use super::{Octets, Short};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// A length of time in nanoseconds; negative where a clock went backwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Span(pub i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From whole seconds.
    #[must_use]
    pub const fn secs(s: i64) -> Self {
        Self(s.saturating_mul(1_000_000_000))
    }

    /// From whole milliseconds.
    #[must_use]
    pub const fn millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// From whole microseconds.
    #[must_use]
    pub const fn micros(us: i64) -> Self {
        Self(us.saturating_mul(1_000))
    }

    /// In milliseconds, with fractions.
    #[must_use]
    pub fn as_millis(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// In seconds, with fractions.
    #[must_use]
    pub fn as_secs(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// In whole microseconds, never negative.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0 as u64 / 1_000 }
    }

    /// `self * n`, saturating.
    #[must_use]
    pub const fn times(self, n: i64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl Span {
    /// Appends it for people: `180 µs`, `2.0 ms`, `10.1 s`, `4 min 5 s`, `2 h 3 min`.
    pub fn put(self, text: &mut impl Octets) {
        let ns = self.0.unsigned_abs();
        if self.0 < 0 {
            text.put(b"-");
        }
        match ns {
            0..1_000_000 => {
                text.put_number(ns / 1_000);
                text.put(" µs".as_bytes());
            }
            1_000_000..1_000_000_000 => {
                tenths(text, ns, 1_000_000);
                text.put(b" ms");
            }
            1_000_000_000..60_000_000_000 => {
                tenths(text, ns, 1_000_000_000);
                text.put(b" s");
            }
            60_000_000_000..3_600_000_000_000 => {
                let s = ns / 1_000_000_000;
                text.put_number(s / 60);
                text.put(b" min ");
                text.put_number(s % 60);
                text.put(b" s");
            }
            _ => {
                let min = ns / 60_000_000_000;
                text.put_number(min / 60);
                text.put(b" h ");
                text.put_number(min % 60);
                text.put(b" min");
            }
        }
    }
}

impl fmt::Display for Span {
    /// As [`Span::put`] writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Short::default();
        self.put(&mut text);
        f.write_str(text.as_str())
    }
}

/// `ns / unit` as `{:.1}` writes it, without the long way of floating point. In the middle of two tenths that way alone knows
/// which is nearer.
#[inline]
fn tenths(text: &mut impl Octets, ns: u64, unit: u64) {
    if ns % (unit / 10) == unit / 20 {
        return text.put(format!("{:.1}", ns as f64 / unit as f64).as_bytes());
    }
    let tenths = (ns + unit / 20) / (unit / 10);
    text.put_number(tenths / 10);
    text.put(&[b'.', b'0' + (tenths % 10) as u8]);
}

/// Text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no duration; write 90s, 1500ms, 5m or 2h")]
pub struct BadDuration(String);

impl std::str::FromStr for Span {
    type Err = BadDuration;

    /// `90s`, `1.5s`, `250ms`, `5m`, `2h`, `1m30s`, and a bare number as seconds.
    fn from_str(text: &str) -> Result<Self, BadDuration> {
        let bad = || BadDuration(text.to_owned());
        let mut rest = text.trim();
        let mut total = 0f64;
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let value: f64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            total += value
                * match &rest[..letters] {
                    "ns" => 1.0,
                    "us" | "µs" => 1e3,
                    "ms" => 1e6,
                    "" | "s" | "sec" => 1e9,
                    "m" | "min" => 60e9,
                    "h" => 3600e9,
                    "d" => 86_400e9,
                    _ => return Err(bad()),
                };
            rest = &rest[letters..];
        }
        if total.is_finite() && total < 9e18 { Ok(Self(total as i64)) } else { Err(bad()) }
    }
}

impl Sub for Timestamp {
    type Output = Span;

    /// Saturating, in two instructions where it need not.
    #[inline(always)]
    fn sub(self, other: Self) -> Span {
        self.0.checked_sub(other.0).map_or_else(|| farthest(self), Span)
    }
}

/// Between times centuries apart.
#[cold]
#[inline(never)]
const fn farthest(later: Timestamp) -> Span {
    Span(if later.0 < 0 { i64::MIN } else { i64::MAX })
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC: nine fraction digits where there are nanoseconds, else six.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, in_day) = (self.0.div_euclid(86_400_000_000_000), self.0.rem_euclid(86_400_000_000_000));
        let (year, month, day) = civil(days);
        let (s, ns) = (in_day / 1_000_000_000, in_day % 1_000_000_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)?;
        if ns % 1_000 == 0 { write!(f, ".{:06}Z", ns / 1_000) } else { write!(f, ".{ns:09}Z") }
    }
}

/// Days since 1970-01-01 to year, month, day in the proleptic Gregorian calendar: years are counted from March, in
/// eras of 400 years (146,097 days), so that the leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp(951_782_400_000_000_001).to_string(), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(Timestamp(1_795_348_994_120_456_000).to_string(), "2026-11-22T12:03:14.120456Z");
        assert_eq!(Timestamp(-1_000_000_000).to_string(), "1969-12-31T23:59:59.000000Z");
    }

    #[test]
    fn tenths_as_floating_point_has_them() {
        for ns in
            (1_000_000..1_000_000_000).step_by(49_999).chain((1_050_000..1_000_000_000).step_by(100_000))
        {
            assert_eq!(Span(ns).to_string(), format!("{:.1} ms", ns as f64 / 1e6));
            let s = ns * 1000;
            if s < 60_000_000_000 {
                assert_eq!(Span(s).to_string(), format!("{:.1} s", s as f64 / 1e9));
            }
        }
        assert_eq!(Span(999_999_999).to_string(), "1000.0 ms");
    }

    #[test]
    fn durations() {
        for (text, want) in
            [("90s", 90.0), ("5m", 300.0), ("1500ms", 1.5), ("1m30s", 90.0), ("2", 2.0), ("1.5h", 5400.0)]
        {
            assert_eq!(text.parse::<Span>().unwrap().as_secs(), want, "{text}");
        }
        for bad in ["", "s", "5x", "-3s", "1.2.3s", "1e9999"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        assert_eq!(Span::micros(180).to_string(), "180 µs");
        assert_eq!(Span::secs(245).to_string(), "4 min 5 s");
        assert_eq!(Span::secs(7380).to_string(), "2 h 3 min");
        assert_eq!(Span(i64::MIN).to_string(), "-2562047 h 47 min");
    }
}
