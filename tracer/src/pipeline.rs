//! Input → Event.
