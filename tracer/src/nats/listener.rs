//! Who is told what a conversation says.
use super::hellos::Hellos;
use super::op::Op;
use crate::base::Side;

/// Takes operations as they are decoded. Any closure will do; who follows many connections lends what it remembers of them.
pub trait Listener {
    /// That side said this.
    fn op(&mut self, side: Side, op: Op<'_>);

    /// That side said so many times more what it said last, `op`, which was a plain message that is complete.
    fn again(&mut self, side: Side, op: Op<'_>, times: u32) {
        for _ in 0..times {
            self.op(side, op);
            self.op(side, Op::MessageEnd);
        }
    }

    /// The INFO and CONNECT lines that were read before, of whatever connection; `None`: nobody keeps them.
    fn hellos(&mut self) -> Option<&mut Hellos> {
        None
    }
}

impl<F: FnMut(Side, Op<'_>) + ?Sized> Listener for F {
    #[inline(always)]
    fn op(&mut self, side: Side, op: Op<'_>) {
        self(side, op);
    }
}
