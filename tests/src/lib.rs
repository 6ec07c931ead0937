//! natstrace seen from outside: the lab that makes captures whose truth is known, and the check that holds natstrace's
//! verdicts against it; and scripts, where a test is a list of packets. The lab uses the binary and its NDJSON alone,
//! scripts go through the library's pipeline and its NDJSON.
pub mod check;
pub mod lab;
pub mod script;
pub mod truth;
