//! natstrace seen from outside: the lab that makes captures whose truth is known, and the check that holds natstrace's
//! verdicts against it by its binary and NDJSON alone. Beside them traffic for measurements, and the hammer, which feeds
//! the library's public floors with any octets.
pub mod check;
pub mod counting;
pub mod generate;
pub mod hammer;
pub mod lab;
pub mod truth;
