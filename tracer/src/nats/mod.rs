//! F1: NATS protocol decode. Owns no socket; takes bytes, gives operations.
mod hello;

pub use hello::{Connect, Info};
