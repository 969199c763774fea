//! Room.
pub mod simulate;
