//! The wall clock, which is that of the captures too.
use crate::base::Timestamp;
use std::time::SystemTime;

/// Now; 1970 where the clock says it is earlier.
#[must_use]
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
