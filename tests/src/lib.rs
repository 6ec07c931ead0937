//! natstrace seen from outside: the lab that makes captures whose truth is known, and the check that holds natstrace's
//! verdicts against it by its binary and NDJSON alone; live runs, where natstrace watches the lab's hosts while it happens.
//! Beside it, through the library's public floors: scripts, where a test is a list of packets; traffic for measurements;
//! and the hammer, which feeds any octets.
pub mod check;
pub mod counting;
pub mod each;
pub mod generate;
pub mod hammer;
pub mod lab;
pub mod live;
pub mod score;
pub mod script;
pub mod truth;
pub mod variants;
