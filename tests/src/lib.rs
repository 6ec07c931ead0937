//! natstrace seen from outside.
