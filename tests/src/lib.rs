//! natstrace seen from outside: the lab that makes captures whose truth is known, and the check that holds natstrace's
//! verdicts against it. Nothing here knows natstrace's inside; the binary and its NDJSON are all that is used.
pub mod check;
pub mod generate;
pub mod lab;
pub mod truth;
