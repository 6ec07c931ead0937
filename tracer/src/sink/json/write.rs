//! A JSON writer over a growing buffer: no tree, no allocation a value. Keys are ours and need no escaping; they are inlined, since
//! a line has seventy of them and their lengths are known where they stand.
use crate::base::{Addr, Endpoint, Span, Timestamp};
use crate::sink::octets;
use std::io::Write as _;

const DAY: i64 = 86_400_000_000_000;

/// Appends JSON to its buffer.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) buf: Vec<u8>,
    /// The day whose date was written last, since most timestamps share it.
    day: Option<i64>,
    date: [u8; 10],
}

impl Writer {
    /// Opens the object of a line.
    pub(super) fn line(&mut self) {
        self.buf.push(b'{');
    }

    /// Closes it.
    pub(super) fn end_line(&mut self) {
        self.buf.extend_from_slice(b"}\n");
    }

    #[inline(always)]
    pub(super) fn object(&mut self, key: &str) {
        self.key(key);
        self.buf.push(b'{');
    }

    /// Opens an object in an array.
    #[inline(always)]
    pub(super) fn element(&mut self) {
        self.comma();
        self.buf.push(b'{');
    }

    #[inline(always)]
    pub(super) fn end(&mut self) {
        self.buf.push(b'}');
    }

    #[inline(always)]
    pub(super) fn array(&mut self, key: &str) {
        self.key(key);
        self.buf.push(b'[');
    }

    pub(super) fn end_array(&mut self) {
        self.buf.push(b']');
    }

    /// One of our own words, in which nothing needs an escape.
    #[inline(always)]
    pub(super) fn word(&mut self, key: &str, word: &str) {
        self.key(key);
        self.buf.push(b'"');
        self.buf.extend_from_slice(word.as_bytes());
        self.buf.push(b'"');
    }

    #[inline(always)]
    pub(super) fn str(&mut self, key: &str, text: &str) {
        self.key(key);
        self.quoted(text);
    }

    /// A string, left out where it is empty.
    #[inline(always)]
    pub(super) fn str_if(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.str(key, text);
        }
    }

    /// A string in an array.
    pub(super) fn item(&mut self, text: &str) {
        self.comma();
        self.quoted(text);
    }

    #[inline(always)]
    pub(super) fn num(&mut self, key: &str, n: u64) {
        self.key(key);
        self.digits(n);
    }

    pub(super) fn bool(&mut self, key: &str, on: bool) {
        self.key(key);
        self.buf.extend_from_slice(if on { b"true" } else { b"false" });
    }

    /// 0 to 1 in thousandths.
    pub(super) fn confidence(&mut self, value: f64) {
        self.key("confidence");
        let thousandths = (value.clamp(0.0, 1.0) * 1000.0).round() as u64; // NaN becomes 0
        self.digits(thousandths / 1000);
        let rest = thousandths % 1000;
        self.buf.push(b'.');
        self.buf.push(b'0' + (rest / 100) as u8);
        if !rest.is_multiple_of(100) {
            self.buf.push(b'0' + (rest / 10 % 10) as u8);
        }
        if !rest.is_multiple_of(10) {
            self.buf.push(b'0' + (rest % 10) as u8);
        }
    }

    /// Milliseconds with three decimals.
    pub(super) fn millis(&mut self, key: &str, span: Span) {
        self.key(key);
        if span.0 < 0 {
            self.buf.push(b'-');
        }
        let us = span.0.unsigned_abs() / 1000;
        self.digits(us / 1000);
        self.buf.push(b'.');
        self.padded(us % 1000, 3);
    }

    /// Any number, with three decimals.
    pub(super) fn decimal(&mut self, key: &str, value: f64) {
        self.millis(key, Span((value * 1e6) as i64)); // NaN becomes 0
    }

    /// Whole milliseconds, rounded.
    pub(super) fn whole_millis(&mut self, key: &str, span: Span) {
        self.num(key, (span.0.max(0) as u64).saturating_add(500_000) / 1_000_000);
    }

    /// As [`Timestamp`]'s `Display` writes it.
    pub(super) fn time(&mut self, key: &str, at: Timestamp) {
        self.key(key);
        let (day, in_day) = (at.0.div_euclid(DAY), at.0.rem_euclid(DAY) as u64);
        if self.day != Some(day) {
            let text = at.to_string();
            let Some(date) = text.split_once('T').and_then(|(date, _)| date.as_bytes().try_into().ok()) else {
                // A year of more than four digits.
                let _ = write!(self.buf, "\"{text}\""); // a Vec takes everything
                return;
            };
            (self.day, self.date) = (Some(day), date);
        }
        let (s, ns) = ((in_day / 1_000_000_000) as u32, (in_day % 1_000_000_000) as u32);
        let mut text = *b"T00:00:00.000000000Z\"";
        let fields = [(1, s / 3600), (4, s / 60 % 60), (7, s % 60), (10, ns / 10_000_000), (12, ns / 100_000 % 100)];
        let rest = [(14, ns / 1000 % 100), (16, ns / 10 % 100)];
        for (place, value) in fields.into_iter().chain(rest) {
            [text[place], text[place + 1]] = pair(value);
        }
        text[18] = b'0' + (ns % 10) as u8;
        self.buf.push(b'"');
        self.buf.extend_from_slice(&self.date);
        if ns.is_multiple_of(1000) {
            self.buf.extend_from_slice(&text[..16]);
            self.buf.extend_from_slice(&text[19..]);
        } else {
            self.buf.extend_from_slice(&text);
        }
    }

    /// `"address":"…","port":…`.
    pub(super) fn endpoint(&mut self, end: Endpoint) {
        self.key("address");
        self.buf.push(b'"');
        match end.addr {
            Addr([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, octets @ ..]) => {
                let mut text = [b'.'; 16];
                let mut len = 0;
                for octet in octets {
                    let digits = [octet / 100, octet / 10 % 10, octet % 10];
                    for &digit in &digits[usize::from(octet < 100) + usize::from(octet < 10)..] {
                        text[len] = b'0' + digit;
                        len += 1;
                    }
                    len += 1; // the dot
                }
                self.buf.extend_from_slice(&text[..len - 1]);
            }
            v6 => {
                let _ = write!(self.buf, "{v6}"); // a Vec takes everything
            }
        }
        self.buf.push(b'"');
        self.num("port", end.port.into());
    }

    #[inline(always)]
    fn comma(&mut self) {
        if !matches!(self.buf.last(), None | Some(b'{' | b'[')) {
            self.buf.push(b',');
        }
    }

    #[inline(always)]
    fn key(&mut self, key: &str) {
        // Once for all that follows, and a number.
        self.buf.reserve(key.len() + 32);
        self.comma();
        self.buf.push(b'"');
        self.buf.extend_from_slice(key.as_bytes());
        self.buf.extend_from_slice(b"\":");
    }

    fn digits(&mut self, mut n: u64) {
        if let small @ 0..10 = n {
            return self.buf.push(b'0' + small as u8);
        }
        let mut text = [0u8; 20];
        let mut used = 0;
        for slot in text.iter_mut().rev() {
            *slot = b'0' + (n % 10) as u8;
            n /= 10;
            used += 1;
            if n == 0 {
                break;
            }
        }
        self.buf.extend_from_slice(&text[text.len() - used..]);
    }

    /// The last so many digits; nine at most.
    #[inline(always)]
    fn padded(&mut self, mut n: u64, width: usize) {
        let mut text = [0u8; 9];
        let digits = text.get_mut(..width).unwrap_or_default();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (n % 10) as u8;
            n /= 10;
        }
        self.buf.extend_from_slice(digits);
    }

    fn quoted(&mut self, text: &str) {
        let text = text.as_bytes();
        self.buf.push(b'"');
        if octets::any(text, |b| b < 0x20 || matches!(b, b'"' | b'\\' | 0x7f)) {
            self.escaped(text);
        } else {
            self.buf.extend_from_slice(text);
        }
        self.buf.push(b'"');
    }

    fn escaped(&mut self, bytes: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for &b in bytes {
            match b {
                b'"' | b'\\' => self.buf.extend_from_slice(&[b'\\', b]),
                b'\n' => self.buf.extend_from_slice(b"\\n"),
                b'\r' => self.buf.extend_from_slice(b"\\r"),
                b'\t' => self.buf.extend_from_slice(b"\\t"),
                0..0x20 | 0x7f => {
                    self.buf.extend_from_slice(b"\\u00");
                    self.buf.extend([HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
                }
                _ => self.buf.push(b),
            }
        }
    }
}

/// Two digits.
const fn pair(n: u32) -> [u8; 2] {
    [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(write: impl FnOnce(&mut Writer)) -> serde_json::Value {
        let mut w = Writer::default();
        w.line();
        write(&mut w);
        w.end_line();
        serde_json::from_slice(&w.buf).unwrap()
    }

    #[test]
    fn strings_survive() {
        for b in 0..=0x7f_u8 {
            let text = format!("0123456789a{}é bcdefghijk", char::from(b));
            assert_eq!(line(|w| w.str("k", &text))["k"], text.as_str());
        }
        for text in ["", "a\"b\\c", "\u{0}\u{1f}\u{7f}\n\r\t", "é→🦀\u{2028}", "\u{fffd}\u{fffd}", "\\u0041"]
        {
            assert_eq!(line(|w| w.str("k", text))["k"], text);
        }
        let ctrl = {
            let mut w = Writer::default();
            w.item("\u{1b}[31m");
            String::from_utf8(w.buf).unwrap()
        };
        assert_eq!(ctrl, r#""\u001b[31m""#);
    }

    #[test]
    fn times_as_displayed() {
        for ns in [
            0,
            -1,
            1,
            1_795_348_994_120_456_000,
            951_782_400_000_000_001,
            i64::MAX,
            i64::MIN,
            86_399_999_999_999,
        ] {
            assert_eq!(line(|w| w.time("t", Timestamp(ns)))["t"], Timestamp(ns).to_string());
        }
    }

    #[test]
    fn numbers() {
        let v = line(|w| {
            w.num("a", u64::MAX);
            w.num("b", 0);
            w.millis("c", Span(1_234_567));
            w.millis("d", Span(-2_000_000));
            w.whole_millis("e", Span(1_500_000));
            w.confidence(0.93);
        });
        assert_eq!(
            v.to_string(),
            format!(r#"{{"a":{},"b":0,"c":1.234,"confidence":0.93,"d":-2.0,"e":2}}"#, u64::MAX)
        );
        for (value, want) in
            [(1.0, 1.0), (0.5, 0.5), (0.305, 0.305), (0.041, 0.041), (7.0, 1.0), (f64::NAN, 0.0)]
        {
            assert_eq!(line(|w| w.confidence(value))["confidence"], want);
        }
    }

    #[test]
    fn addresses() {
        for text in ["10.0.0.7", "255.255.255.255", "0.0.0.0", "::", "2001:db8::1", "fe80::1:0:0:2"] {
            let addr: Addr = text.parse::<std::net::IpAddr>().unwrap().into();
            assert_eq!(line(|w| w.endpoint(Endpoint { addr, port: 4222 }))["address"], text);
        }
    }
}
