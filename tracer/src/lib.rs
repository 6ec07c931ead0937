//! natstrace: why a NATS connection dropped, from packets and the kernel.
//!
//! The floors, lowest first; a module imports only from floors below its own:
//! `base`; `wire`, `nats`, `kernel`; `event`; `track`; `cause`; `pipeline`; `source`, `sink`; `cli`; `app`.
//! `base` to `pipeline` are pure: no clock, file, socket or thread.
#![forbid(unsafe_code)]

pub mod app;
pub mod base;
pub mod cause;
pub mod cli;
pub mod event;
pub mod kernel;
pub mod nats;
pub mod pipeline;
pub mod sink;
pub mod source;
pub mod track;
pub mod wire;
