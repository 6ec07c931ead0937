//! A JSON object (RFC 8259) read in one pass and in place: keys and values are pieces of the line they came in, nothing is
//! built. Whether it is JSON at all is checked to its last octet, also where nobody asks for a value.
use super::eights::{ONES, below, first};
use std::borrow::Cow;
use std::ops::Range;

/// How deep values may be nested.
const DEPTH_MAX: u32 = 128;

/// A value as it stands in the line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(&'a [u8]),
    Text(Text<'a>),
    /// With its brackets.
    List(&'a [u8]),
    Object,
}

impl Value<'_> {
    /// Where a string, quotes included, or a number stands in its line; `None` for anything else.
    pub fn place(self, json: &[u8]) -> Option<Range<usize>> {
        let (octets, quotes) = match self {
            Self::Text(text) => (text.raw, 1),
            Self::Number(octets) => (octets, 0),
            _ => return None,
        };
        let at = (octets.as_ptr() as usize).checked_sub(json.as_ptr() as usize)?;
        let (from, to) = (at.checked_sub(quotes)?, at + octets.len() + quotes);
        (to <= json.len()).then_some(from..to)
    }
}

/// A string's octets between its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    raw: &'a [u8],
    /// Some octets are written as escapes.
    escaped: bool,
}

impl<'a> Text<'a> {
    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.raw.is_empty()
    }

    /// What it says. What is no UTF-8, or half a surrogate pair, becomes U+FFFD, as Go's decoder has it.
    pub fn get(self) -> Cow<'a, str> {
        match str::from_utf8(self.raw) {
            _ if self.escaped => Cow::Owned(self.unescaped()),
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(self.raw),
        }
    }

    fn unescaped(self) -> String {
        let mut out = Vec::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some(at) = memchr::memchr(b'\\', rest) {
            let (before, escape) = rest.split_at(at);
            out.extend_from_slice(before);
            let (meant, after) = unescape(escape);
            out.extend_from_slice(meant.encode_utf8(&mut [0; 4]).as_bytes());
            rest = after;
        }
        out.extend_from_slice(rest);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// Calls `member` for each member of the object. `None` where the line is no JSON object; then what was given before counts
/// for nothing.
pub(super) fn object<'a>(json: &'a [u8], mut member: impl FnMut(&[u8], Value<'a>)) -> Option<()> {
    let mut scan = Scan { json, at: 0 };
    scan.space();
    scan.members(DEPTH_MAX, &mut |key, value| {
        if key.escaped { member(key.get().as_bytes(), value) } else { member(key.raw, value) }
    })?;
    scan.space();
    (scan.at == json.len()).then_some(())
}

/// The value of a member that begins at that octet, and the octet behind it.
pub(super) fn value(json: &[u8], at: usize) -> Option<(Value<'_>, usize)> {
    let mut scan = Scan { json, at };
    let value = scan.value(DEPTH_MAX - 1)?;
    Some((value, scan.at))
}

/// How many octets two lines have in common at their beginning.
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    let eights = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let mut same = 0;
    for (a, b) in eights {
        let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differs != 0 {
            return same + first(differs);
        }
        same += 8;
    }
    let rest = a.iter().skip(same).zip(b.iter().skip(same));
    same + rest.take_while(|(a, b)| a == b).count()
}

/// The strings of a list; `None` where something else is among them.
pub(super) fn texts(list: &[u8]) -> Option<Vec<String>> {
    let mut scan = Scan { json: list, at: 0 };
    let (mut all, mut strange) = (Vec::new(), false);
    scan.items(DEPTH_MAX, &mut |value| match value {
        Value::Text(text) => all.push(text.get().into_owned()),
        _ => strange = true,
    })?;
    (!strange).then_some(all)
}

struct Scan<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn take(&mut self, octet: u8) -> Option<()> {
        (self.peek()? == octet).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn members(&mut self, depth: u32, member: &mut dyn FnMut(Text<'a>, Value<'a>)) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.take(b'{')?;
        self.space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            let key = self.text()?;
            self.space();
            self.take(b':')?;
            self.space();
            let value = self.value(depth)?;
            member(key, value);
            self.space();
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
            self.space();
        }
    }

    fn items(&mut self, depth: u32, item: &mut dyn FnMut(Value<'a>)) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.take(b'[')?;
        self.space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            item(self.value(depth)?);
            self.space();
            if self.take(b',').is_none() {
                return self.take(b']');
            }
            self.space();
        }
    }

    fn value(&mut self, depth: u32) -> Option<Value<'a>> {
        let from = self.at;
        Some(match self.peek()? {
            b'"' => Value::Text(self.text()?),
            b't' => self.word(b"true", Value::Bool(true))?,
            b'f' => self.word(b"false", Value::Bool(false))?,
            b'n' => self.word(b"null", Value::Null)?,
            b'[' => {
                self.items(depth, &mut |_| {})?;
                Value::List(self.json.get(from..self.at)?)
            }
            b'{' => {
                self.members(depth, &mut |_, _| {})?;
                Value::Object
            }
            _ => Value::Number(self.number()?),
        })
    }

    fn word(&mut self, word: &[u8], value: Value<'a>) -> Option<Value<'a>> {
        self.json.get(self.at..)?.starts_with(word).then(|| self.at += word.len())?;
        Some(value)
    }

    fn number(&mut self) -> Option<&'a [u8]> {
        let from = self.at;
        self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.json.get(from..self.at)
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn text(&mut self) -> Option<Text<'a>> {
        self.take(b'"')?;
        let from = self.at;
        let mut escaped = false;
        loop {
            self.at += plain(self.json.get(self.at..)?);
            match self.peek()? {
                b'"' => {
                    let raw = self.json.get(from..self.at)?;
                    self.at += 1;
                    return Some(Text { raw, escaped });
                }
                b'\\' => {
                    escaped = true;
                    self.at += escape_len(self.json.get(self.at + 1..)?)? + 1;
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }
}

/// So many octets, in eights, are neither quote, backslash nor control character.
fn plain(octets: &[u8]) -> usize {
    let (eights, _) = octets.as_chunks::<8>();
    let special = |eight: &[u8; 8]| {
        let x = u64::from_le_bytes(*eight);
        below(x, 0x20) | below(x ^ (ONES * u64::from(b'"')), 1) | below(x ^ (ONES * u64::from(b'\\')), 1)
    };
    for (i, eight) in eights.iter().enumerate() {
        let found = special(eight);
        if found != 0 {
            return i * 8 + first(found);
        }
    }
    eights.len() * 8
}

/// Octets of an escape behind its backslash.
fn escape_len(after: &[u8]) -> Option<usize> {
    match after.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(1),
        b'u' => after.get(1..5)?.iter().all(u8::is_ascii_hexdigit).then_some(5),
        _ => None,
    }
}

/// What an escape means, and what follows it. It was checked before.
fn unescape(escape: &[u8]) -> (char, &[u8]) {
    let rest = |n: usize| escape.get(n..).unwrap_or_default();
    let meant = match escape.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let high = code_unit(escape);
            return match char::from_u32(high) {
                Some(whole) => (whole, rest(6)),
                None => match code_unit(rest(6)) {
                    low @ 0xdc00..0xe000 if high < 0xdc00 => {
                        let both = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        (char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER), rest(12))
                    }
                    _ => (char::REPLACEMENT_CHARACTER, rest(6)),
                },
            };
        }
        Some(&other) => char::from(other),
        None => char::REPLACEMENT_CHARACTER,
    };
    (meant, rest(2))
}

/// The number of `\uXXXX`; 0 where there is none.
fn code_unit(escape: &[u8]) -> u32 {
    let hex = escape.strip_prefix(b"\\u").and_then(|h| h.get(..4)).unwrap_or_default();
    hex.iter().fold(0, |n, &digit| n << 4 | char::from(digit).to_digit(16).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Tree;

    /// As serde_json would have it.
    fn tree(value: Value<'_>) -> Tree {
        match value {
            Value::Null => Tree::Null,
            Value::Bool(on) => on.into(),
            Value::Number(octets) => serde_json::from_slice(octets).unwrap_or(Tree::Null),
            Value::Text(text) => text.get().into_owned().into(),
            Value::List(list) => serde_json::from_slice(list).unwrap(),
            Value::Object => Tree::Object(serde_json::Map::new()),
        }
    }

    fn compare(json: &str) {
        let mut members = serde_json::Map::new();
        let read = object(json.as_bytes(), |key, value| {
            members.insert(String::from_utf8_lossy(key).into_owned(), tree(value));
        });
        let want = serde_json::from_str::<serde_json::Map<String, Tree>>(json);
        assert_eq!(read.is_some(), want.is_ok(), "{json:?}");
        if let Ok(mut want) = want {
            want.values_mut()
                .filter(|v| v.is_object())
                .for_each(|v| *v = Tree::Object(serde_json::Map::new()));
            assert_eq!(members, want, "{json:?}");
        }
    }

    const GOOD: &str = "{\"id\" :\"N\\u00e9\\ud83e\\udd80\\n\\\"x\\\\\",\t\"é\":[1,-2.5e+3,[{}],\"a\",null] , \"o\":{\"p\":[true,false]},\
        \"\\u0062\":0,\"long text without any escape in it\":\"and a value that is as long as that, é\"} ";

    #[test]
    fn as_serde_json_reads_it() {
        compare(GOOD);
        for text in [
            "{}",
            " { } ",
            "{\"a\":1}x",
            "[]",
            "",
            "{",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":-}",
            "{\"a\":1,}",
        ] {
            compare(text);
        }
    }

    #[test]
    fn cut_and_broken_as_serde_json_has_it() {
        for at in 0..GOOD.len() {
            if let Some(cut) = GOOD.get(..at) {
                compare(cut);
            }
            for octet in 0..0x80u8 {
                let mut broken = GOOD.as_bytes().to_vec();
                broken[at] = octet;
                // Half a surrogate pair is read as Go reads it.
                if let Ok(broken) = String::from_utf8(broken)
                    && !(GOOD.find("\\ud83e").unwrap()..GOOD.find("\\n").unwrap()).contains(&at)
                {
                    compare(&broken);
                }
            }
        }
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        let mut got = Vec::new();
        let read = object(b"{\"a\":\"\xff\\ud83e\",\"b\":\"\\ud83e\\u0041\\udc00\"}", |_, value| {
            if let Value::Text(text) = value {
                got.push(text.get().into_owned());
            }
        });
        assert_eq!(
            (read, got),
            (Some(()), vec!["\u{fffd}\u{fffd}".to_owned(), "\u{fffd}A\u{fffd}".to_owned()])
        );
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(object(deep(127).as_bytes(), |_, _| {}).is_some());
        assert!(object(deep(128).as_bytes(), |_, _| {}).is_none());
        assert!(object(deep(100_000).as_bytes(), |_, _| {}).is_none());
    }

    #[test]
    fn lists_of_texts() {
        assert_eq!(texts(b"[\"a\", \"b\\n\"]"), Some(vec!["a".to_owned(), "b\n".to_owned()]));
        assert_eq!(texts(b"[]"), Some(Vec::new()));
        assert_eq!(texts(b"[\"a\",1]"), None);
    }
}
