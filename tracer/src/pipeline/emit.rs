//! Where events go.
use crate::event::{Event, Facts};

/// Takes events.
pub trait Emit {
    /// One more. The facts of a close, where nobody needs them any more: their memory is for those to come.
    fn event(&mut self, event: Event) -> Option<Box<Facts>>;
}

/// Whoever keeps what it is given.
impl<F: FnMut(Event)> Emit for F {
    fn event(&mut self, event: Event) -> Option<Box<Facts>> {
        self(event);
        None
    }
}
