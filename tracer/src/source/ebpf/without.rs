//! What stands in for the probes where natstrace is built without them.
use super::status::{ProbeOptions, ProbeStatus, ProbesError};
use crate::base::{PortSet, Span};
use crate::kernel::KernelRecord;

/// No probes: there is no value of this type.
pub enum Probes {}

#[allow(missing_docs)]
impl Probes {
    /// Always [`ProbesError::NotBuilt`].
    pub fn open(_: &PortSet, _: &ProbeOptions) -> Result<Self, ProbesError> {
        Err(ProbesError::NotBuilt)
    }
    pub fn status(&self) -> &[ProbeStatus] {
        match *self {}
    }
    #[cfg(unix)]
    pub fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match *self {}
    }
    pub fn read(&mut self, _: &mut dyn FnMut(KernelRecord)) {
        match *self {}
    }
    pub fn lost(&self) -> u64 {
        match *self {}
    }
    pub fn events(&self) -> u64 {
        match *self {}
    }
    pub fn own_process(&mut self, _: u32) {
        match *self {}
    }
    pub fn clock_step(&mut self) -> Option<Span> {
        match *self {}
    }
}
