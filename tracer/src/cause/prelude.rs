//! What every rule needs.
pub use super::Judgement::{No, Yes};
pub use super::seen::about;
pub use super::symptom::Symptom;
pub use super::{Case, Finding, Judgement, Rule, remedy, server_error};
pub use crate::base::{Side, Span};
pub use crate::event::{Evidence, Family, Foreign, Handshake, IcmpKind, Kind, Owed, Party, Protocol, Text};
