//! How the texts of a rule are put together.
use super::Named;
use crate::base::{Endpoint, Octets as _, Side, Span};
use std::fmt;
use std::io::Write as _;

/// Most texts find room in so many octets.
pub const ROOM: usize = 160;

/// A text of a rule, by `fmt`.
pub fn said(text: fmt::Arguments<'_>) -> String {
    let mut said = String::with_capacity(ROOM);
    let _ = fmt::Write::write_fmt(&mut said, text); // a String takes everything
    said
}

/// A text that is put together from its parts, of which each is text.
pub fn together(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_default()
}

/// What a text is made of. Written as its `Display` writes it.
pub trait Part {
    /// Appends it.
    fn put(&self, text: &mut Vec<u8>);
}

impl Part for &str {
    #[inline(always)]
    fn put(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(self.as_bytes());
    }
}

impl Part for Side {
    #[inline]
    fn put(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(self.name().as_bytes());
    }
}

impl Part for u64 {
    fn put(&self, text: &mut Vec<u8>) {
        text.put_number(*self);
    }
}

impl Part for u32 {
    fn put(&self, text: &mut Vec<u8>) {
        text.put_number((*self).into());
    }
}

impl Part for Span {
    fn put(&self, text: &mut Vec<u8>) {
        Self::put(*self, text);
    }
}

impl Part for Endpoint {
    fn put(&self, text: &mut Vec<u8>) {
        if !self.put_v4(text) {
            let _ = write!(text, "{self}"); // a Vec takes everything
        }
    }
}

impl Part for Named<'_> {
    fn put(&self, text: &mut Vec<u8>) {
        let (name, end) = (self.name(), self.facts.endpoint(self.side));
        if name.is_empty() {
            return end.put(text);
        }
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b" (");
        end.put(text);
        text.push(b')');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::testing::*;

    #[test]
    fn parts_as_displayed() {
        let scene = Scene::new();
        let unnamed = Scene::new().mute().with(|s| s.facts.client.addr = Addr::v6([0x20; 16]));
        for scene in [&scene, &unnamed] {
            let case = scene.case();
            let (word, span, end) = ("FIN", Span(4_207_102), scene.facts.client);
            assert_eq!(
                say!(
                    case,
                    [
                        case.client(),
                        ", ",
                        case.server(),
                        ", ",
                        end,
                        word,
                        Side::Server,
                        span,
                        7_u32,
                        u64::MAX
                    ]
                ),
                say!(
                    case,
                    "{}, {}, {end}{word}{}{span}7{}",
                    case.client(),
                    case.server(),
                    Side::Server,
                    u64::MAX
                )
            );
            let mute = Case { speaks: false, ..case };
            assert_eq!(say!(mute, [word, span]), "");
        }
    }
}
