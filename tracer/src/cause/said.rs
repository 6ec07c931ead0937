//! How the texts of a rule are put together.
use super::Named;
use crate::base::{Endpoint, Short, Side, Span};
use std::fmt::{self, Write as _};

/// Most texts find room in so many octets.
pub const ROOM: usize = 160;

/// A text of a rule, by `fmt`.
pub fn said(text: fmt::Arguments<'_>) -> String {
    let mut said = String::with_capacity(ROOM);
    let _ = said.write_fmt(text); // a String takes everything
    said
}

/// What a text is made of. Written as its `Display` writes it.
pub trait Part {
    /// Appends it.
    fn put(&self, text: &mut String);
}

impl Part for &str {
    #[inline]
    fn put(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl Part for Side {
    #[inline]
    fn put(&self, text: &mut String) {
        text.push_str(self.name());
    }
}

impl Part for u64 {
    #[inline]
    fn put(&self, text: &mut String) {
        text.push_str(Short::of(*self).as_str());
    }
}

impl Part for u32 {
    #[inline]
    fn put(&self, text: &mut String) {
        u64::from(*self).put(text);
    }
}

impl Part for Span {
    fn put(&self, text: &mut String) {
        text.push_str(self.short().as_str());
    }
}

impl Part for Endpoint {
    fn put(&self, text: &mut String) {
        match self.short() {
            Some(short) => text.push_str(short.as_str()),
            None => {
                let _ = write!(text, "{self}"); // a String takes everything
            }
        }
    }
}

impl Part for Named<'_> {
    fn put(&self, text: &mut String) {
        let (name, end) = (self.name(), self.facts.endpoint(self.side));
        if name.is_empty() {
            return end.put(text);
        }
        text.push_str(name);
        text.push_str(" (");
        end.put(text);
        text.push(')');
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
