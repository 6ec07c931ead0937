//! F6: where events leave: text for people, JSON for programs, and the two wrappers before them that choose
//! ([`Select`]) and disguise ([`Redact`]). A sink only writes what it is given; it judges nothing.
mod json;
mod mask;
mod octets;
mod redact;
mod select;
#[cfg(test)]
mod testing;
mod text;

pub use json::{Json, compare_json};
pub use mask::mask;
pub use redact::{Redact, redacted};
pub use select::Select;
pub use text::{Look, Text, compare_text};

use crate::event::Event;
use std::io;

/// Takes events in the order of their time.
pub trait Sink {
    /// Takes one event.
    ///
    /// # Errors
    /// When it can't be written.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Nothing follows: writes what is buffered.
    ///
    /// # Errors
    /// When it can't be written.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        (**self).event(event)
    }

    fn finish(&mut self) -> io::Result<()> {
        (**self).finish()
    }
}
