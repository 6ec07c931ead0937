//! A JSON writer over a growing buffer: no tree, no allocation a value.
use super::known::Servers;
use crate::base::{Endpoint, Octets as _, Span, Timestamp, pair};
use crate::sink::mask::mask_odd;
use crate::sink::octets;
use std::borrow::Cow;
use std::io::Write as _;

/// The name of a member, joined at compile time with what stands around it: a line has seventy of them.
macro_rules! key {
    ($name:literal) => {
        crate::sink::json::write::Joined(concat!("\"", $name, "\":\""))
    };
    // An object and its first member: both at once.
    ($object:literal, $name:literal) => {
        crate::sink::json::write::Joined(concat!("\"", $object, "\":{\"", $name, "\":\""))
    };
}
pub(super) use key;

/// `"name":"`, made by `key!`: with the quote that most values begin with.
#[derive(Clone, Copy)]
pub(super) struct Joined(pub(super) &'static str);

/// Names a member. Names are ours and need no escaping.
pub(super) trait Key: Copy {
    /// Appends `"name":`.
    fn put(self, buf: &mut Vec<u8>);

    /// Appends `"name":"`: a string follows.
    fn quote(self, buf: &mut Vec<u8>);
}

impl Key for Joined {
    #[inline(always)]
    fn put(self, buf: &mut Vec<u8>) {
        let octets = self.0.as_bytes();
        buf.extend_from_slice(octets.split_last().map_or(octets, |(_, name)| name));
    }

    #[inline(always)]
    fn quote(self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(self.0.as_bytes());
    }
}

/// A name that isn't known at compile time, or where nobody is in a hurry.
impl Key for &str {
    fn put(self, buf: &mut Vec<u8>) {
        buf.push(b'"');
        buf.extend_from_slice(self.as_bytes());
        buf.extend_from_slice(b"\":");
    }

    fn quote(self, buf: &mut Vec<u8>) {
        self.put(buf);
        buf.push(b'"');
    }
}

/// Appends JSON to its buffer. Each value leaves a comma behind it, which the end of what it is in takes back.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) buf: Vec<u8>,
    /// Seconds that were written, by their last bits, and how: most timestamps share one of them.
    seconds: [Option<(i64, [u8; 19])>; 16],
    /// The last two timestamps and how they were written, the last quote and a comma with it.
    last: [Option<(Timestamp, [u8; 32], usize)>; 2],
    /// How servers were written.
    pub(super) servers: Servers,
}

impl Writer {
    /// Opens the object of a line.
    pub(super) fn line(&mut self) {
        self.buf.push(b'{');
    }

    /// Closes it.
    pub(super) fn end_line(&mut self) {
        self.close(b'}');
        self.buf.push(b'\n');
    }

    #[inline(always)]
    pub(super) fn object(&mut self, key: impl Key) {
        key.put(&mut self.buf);
        self.buf.push(b'{');
    }

    /// Opens an object in an array.
    #[inline(always)]
    pub(super) fn element(&mut self) {
        self.buf.push(b'{');
    }

    #[inline(always)]
    pub(super) fn end(&mut self) {
        self.close(b'}');
        self.buf.push(b',');
    }

    #[inline(always)]
    pub(super) fn array(&mut self, key: impl Key) {
        key.put(&mut self.buf);
        self.buf.push(b'[');
    }

    #[inline(always)]
    pub(super) fn end_array(&mut self) {
        self.close(b']');
        self.buf.push(b',');
    }

    /// Members whose text is known at compile time, each with a comma behind it.
    #[inline(always)]
    pub(super) fn known(&mut self, members: &'static str) {
        self.buf.extend_from_slice(members.as_bytes());
    }

    /// One of our own words, in which nothing needs an escape.
    #[inline(always)]
    pub(super) fn word(&mut self, key: impl Key, word: &str) {
        self.octets(key, word.as_bytes());
    }

    #[inline(always)]
    pub(super) fn str(&mut self, key: impl Key, text: &str) {
        key.quote(&mut self.buf);
        self.quoted(text);
    }

    /// A string, left out where it is empty.
    #[inline(always)]
    pub(super) fn str_if(&mut self, key: impl Key, text: &str) {
        if !text.is_empty() {
            self.str(key, text);
        }
    }

    /// A text that may quote an end, without secrets.
    #[inline(always)]
    pub(super) fn text(&mut self, key: impl Key, text: &str) {
        key.quote(&mut self.buf);
        self.masked(text);
    }

    /// Such a text, left out where it is empty.
    #[inline(always)]
    pub(super) fn text_if(&mut self, key: impl Key, text: &str) {
        if !text.is_empty() {
            self.text(key, text);
        }
    }

    /// Such a text in an array.
    pub(super) fn item(&mut self, text: &str) {
        self.buf.push(b'"');
        self.masked(text);
    }

    #[inline(always)]
    pub(super) fn num(&mut self, key: impl Key, n: u64) {
        key.put(&mut self.buf);
        self.number(n);
    }

    #[inline(always)]
    pub(super) fn bool(&mut self, key: impl Key, on: bool) {
        key.put(&mut self.buf);
        self.buf.extend_from_slice(if on { b"true," } else { b"false," });
    }

    /// 0 to 1 in thousandths.
    pub(super) fn confidence(&mut self, value: f64) {
        key!("confidence").put(&mut self.buf);
        let thousandths = (value.clamp(0.0, 1.0) * 1000.0 + 0.5) as u32; // rounded; NaN becomes 0
        let [a, [b, c]] = [[b'0' + (thousandths / 1000) as u8, b'.'], pair(thousandths / 10 % 100)];
        let [_, d] = pair(thousandths % 10);
        // Without noughts at the end, but for one behind the point.
        match (c, d) {
            (b'0', b'0') => self.buf.extend_from_slice(&[a[0], a[1], b, b',']),
            (_, b'0') => self.buf.extend_from_slice(&[a[0], a[1], b, c, b',']),
            _ => self.buf.extend_from_slice(&[a[0], a[1], b, c, d, b',']),
        }
    }

    /// Milliseconds with three decimals.
    pub(super) fn millis(&mut self, key: impl Key, span: Span) {
        key.put(&mut self.buf);
        if span.0 < 0 {
            self.buf.push(b'-');
        }
        let us = span.0.unsigned_abs() / 1000;
        self.buf.put_number(us / 1000);
        let rest = (us % 1000) as u32;
        let [b, c] = pair(rest % 100);
        self.buf.extend_from_slice(&[b'.', b'0' + (rest / 100) as u8, b, c, b',']);
    }

    /// Any number, with three decimals.
    pub(super) fn decimal(&mut self, key: impl Key, value: f64) {
        self.millis(key, Span((value * 1e6) as i64)); // NaN becomes 0
    }

    /// Whole milliseconds, rounded.
    #[inline(always)]
    pub(super) fn whole_millis(&mut self, key: impl Key, span: Span) {
        self.num(key, whole_millis(span));
    }

    /// As [`Timestamp`]'s `Display` writes it.
    #[inline(always)]
    pub(super) fn time(&mut self, key: impl Key, at: Timestamp) {
        key.quote(&mut self.buf);
        self.moment(at);
    }

    /// Behind the quote.
    fn moment(&mut self, at: Timestamp) {
        // What shows the end has its time, and only that of the beginning stands between them.
        for (same, text, len) in self.last.iter().flatten() {
            if *same == at {
                return self.buf.extend_from_slice(text.get(..*len).unwrap_or_default());
            }
        }
        let (second, ns) = (at.0.div_euclid(1_000_000_000), at.0.rem_euclid(1_000_000_000) as u32);
        let Some(written) = self.second(second) else {
            // A year of more than four digits.
            return self.plain(at.to_string().as_bytes());
        };
        let mut text = [0; 32];
        text[..19].copy_from_slice(&written);
        text[19] = b'.';
        let (us, rest) = (ns / 1000, ns % 1000);
        text[20..22].copy_from_slice(&pair(us / 10_000));
        text[22..24].copy_from_slice(&pair(us / 100 % 100));
        text[24..26].copy_from_slice(&pair(us % 100));
        let end = if rest == 0 {
            26
        } else {
            text[26] = b'0' + (rest / 100) as u8;
            text[27..29].copy_from_slice(&pair(rest % 100));
            29
        };
        text[end..end + 3].copy_from_slice(b"Z\",");
        self.buf.extend_from_slice(&text[..end + 3]);
        self.last.swap(0, 1);
        self.last[0] = Some((at, text, end + 3));
    }

    /// How a second is written, where its year has four digits.
    fn second(&mut self, second: i64) -> Option<[u8; 19]> {
        let known = &mut self.seconds[(second & 15) as usize];
        if let Some((same, written)) = known
            && *same == second
        {
            return Some(*written);
        }
        let text = Timestamp(second.saturating_mul(1_000_000_000)).to_string();
        let written = text.split_once('.').and_then(|(written, _)| written.as_bytes().try_into().ok())?;
        *known = Some((second, written));
        Some(written)
    }

    /// As [`Self::word`], in octets.
    #[inline(always)]
    pub(super) fn octets(&mut self, key: impl Key, text: &[u8]) {
        key.quote(&mut self.buf);
        self.plain(text);
    }

    /// `"address":"…","port":…`.
    pub(super) fn endpoint(&mut self, end: Endpoint) {
        self.endpoint_by(key!("address"), end);
    }

    /// The same, its address under that name.
    pub(super) fn endpoint_by(&mut self, key: impl Key, end: Endpoint) {
        key.quote(&mut self.buf);
        if !end.addr.put_v4(&mut self.buf) {
            let _ = write!(self.buf, "{}", end.addr); // a Vec takes everything
        }
        self.buf.extend_from_slice(b"\",");
        self.num(key!("port"), end.port.into());
    }

    /// Ends an object or array.
    #[inline(always)]
    fn close(&mut self, with: u8) {
        match self.buf.last_mut() {
            Some(comma) if *comma == b',' => *comma = with,
            _ => self.buf.push(with),
        }
    }

    #[inline(always)]
    fn number(&mut self, n: u64) {
        if n < 10 {
            self.buf.extend_from_slice(&[b'0' + n as u8, b',']);
        } else {
            self.digits(n);
        }
    }

    fn digits(&mut self, n: u64) {
        self.buf.put_number(n);
        self.buf.push(b',');
    }

    /// Behind the quote.
    fn quoted(&mut self, text: &str) {
        self.quoted_odd(text, octets::odd(text.as_bytes()));
    }

    /// What anybody may have written, without secrets, behind the quote.
    fn masked(&mut self, text: &str) {
        let odd = octets::odd(text.as_bytes());
        if odd == 0 {
            return self.plain(text.as_bytes());
        }
        match mask_odd(text, odd) {
            Cow::Borrowed(text) => self.quoted_odd(text, odd),
            Cow::Owned(text) => self.quoted(&text),
        }
    }

    #[inline(always)]
    fn quoted_odd(&mut self, text: &str, odd: u8) {
        if odd & octets::ESCAPED == 0 {
            self.plain(text.as_bytes());
        } else {
            self.escaped(text.as_bytes());
            self.buf.extend_from_slice(b"\",");
        }
    }

    /// Behind the quote, a string in which nothing needs an escape.
    #[inline(always)]
    fn plain(&mut self, text: &[u8]) {
        self.buf.reserve(text.len() + 2);
        self.buf.extend_from_slice(text);
        self.buf.extend_from_slice(b"\",");
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

/// Whole milliseconds, rounded.
#[inline(always)]
pub(super) fn whole_millis(span: Span) -> u64 {
    if span.0 <= 0 { 0 } else { (span.0 as u64).saturating_add(500_000) / 1_000_000 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;

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
        assert_eq!(ctrl, r#""\u001b[31m","#);
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
    fn times_again() {
        let times = [5, 7, 5, 9, 7, 5, 5].map(Timestamp);
        let told = line(|w| {
            w.array("t");
            for at in times {
                w.element();
                w.time("at", at);
                w.end();
            }
            w.end_array();
        });
        for (n, at) in times.iter().enumerate() {
            assert_eq!(told["t"][n]["at"], at.to_string());
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
