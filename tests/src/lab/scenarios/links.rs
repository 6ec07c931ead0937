//! To come.
use super::super::Scenario;

/// What is here.
pub const LIST: &[Scenario] = &[];
