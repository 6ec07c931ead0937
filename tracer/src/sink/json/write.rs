//! A JSON writer over a growing buffer: no tree, no allocation a value. Keys are ours and need no escaping; they are inlined, since
//! a line has seventy of them and their lengths are known where they stand.
use crate::base::{Addr, Endpoint, Span, Timestamp};
use crate::sink::{mask, octets};
use std::borrow::Cow;
use std::io::Write as _;

/// Appends JSON to its buffer.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) buf: Vec<u8>,
    /// Seconds that were written, by their last bits, and how: most timestamps share one of them.
    seconds: [Option<(i64, [u8; 19])>; 16],
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

    /// A text that may quote an end, without secrets.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.masked(text);
    }

    /// Such a text, left out where it is empty.
    pub(super) fn text_if(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.text(key, text);
        }
    }

    /// Such a text in an array.
    pub(super) fn item(&mut self, text: &str) {
        self.comma();
        self.masked(text);
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
        let thousandths = (value.clamp(0.0, 1.0) * 1000.0 + 0.5) as u64; // rounded; NaN becomes 0
        let [a, b, c, d] = [1000, 100, 10, 1].map(|place| b'0' + (thousandths / place % 10) as u8);
        self.buf.extend_from_slice(&[a, b'.', b]);
        if (c, d) != (b'0', b'0') {
            self.buf.push(c);
        }
        if d != b'0' {
            self.buf.push(d);
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
        let (second, ns) = (at.0.div_euclid(1_000_000_000), at.0.rem_euclid(1_000_000_000) as u32);
        let known = &mut self.seconds[(second & 15) as usize];
        let written = match *known {
            Some((same, written)) if same == second => written,
            _ => {
                let text = at.to_string();
                let written =
                    text.split_once('.').and_then(|(written, _)| written.as_bytes().try_into().ok());
                let Some(written) = written else {
                    // A year of more than four digits.
                    let _ = write!(self.buf, "\"{text}\""); // a Vec takes everything
                    return;
                };
                *known = Some((second, written));
                written
            }
        };
        let [[a, aa], [b, bb], [c, cc]] =
            [pair(ns / 10_000_000), pair(ns / 100_000 % 100), pair(ns / 1000 % 100)];
        self.buf.push(b'"');
        self.buf.extend_from_slice(&written);
        self.buf.extend_from_slice(&[b'.', a, aa, b, bb, c, cc]);
        if !ns.is_multiple_of(1000) {
            let [d, dd] = pair(ns / 10 % 100);
            self.buf.extend_from_slice(&[d, dd, b'0' + (ns % 10) as u8]);
        }
        self.buf.extend_from_slice(b"Z\"");
    }

    /// `"address":"…","port":…`.
    pub(super) fn endpoint(&mut self, end: Endpoint) {
        self.key("address");
        self.buf.push(b'"');
        match end.addr {
            Addr([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, octets @ ..]) => {
                for (i, octet) in octets.into_iter().enumerate() {
                    if i > 0 {
                        self.buf.push(b'.');
                    }
                    self.octet(octet);
                }
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

    #[inline(always)]
    fn octet(&mut self, n: u8) {
        let [tens, ones] = pair(u32::from(n % 100));
        match n {
            0..10 => self.buf.push(ones),
            10..100 => self.buf.extend_from_slice(&[tens, ones]),
            _ => self.buf.extend_from_slice(&[b'0' + n / 100, tens, ones]),
        }
    }

    fn digits(&mut self, n: u64) {
        match n {
            0..10 => self.buf.push(b'0' + n as u8),
            10..100 => self.buf.extend_from_slice(&pair(n as u32)),
            100..10_000 => {
                let [[a, aa], [b, bb]] = [pair(n as u32 / 100), pair(n as u32 % 100)];
                let text = [a, aa, b, bb];
                self.buf.extend_from_slice(if n < 1000 { &text[1..] } else { &text });
            }
            _ => self.many_digits(n),
        }
    }

    fn many_digits(&mut self, mut n: u64) {
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
        self.quoted_odd(text, octets::odd(text.as_bytes()));
    }

    /// What anybody may have written, without secrets.
    fn masked(&mut self, text: &str) {
        let odd = octets::odd(text.as_bytes());
        if odd & octets::TELLING == 0 {
            return self.quoted_odd(text, odd);
        }
        match mask(text) {
            Cow::Borrowed(text) => self.quoted_odd(text, odd),
            Cow::Owned(text) => self.quoted(&text),
        }
    }

    #[inline(always)]
    fn quoted_odd(&mut self, text: &str, odd: u8) {
        self.buf.push(b'"');
        if odd & octets::ESCAPED == 0 {
            self.buf.extend_from_slice(text.as_bytes());
        } else {
            self.escaped(text.as_bytes());
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
