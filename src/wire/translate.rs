//! From one face to another: requests through one model of a conversation, answers through one model of events.
//!
//! Pure functions. A face is read into the model and written from it, so there are six of them and not nine.

pub mod decoder;
pub mod echo;
pub mod encoder;
pub mod event;
pub mod ids;
pub mod whole;

#[cfg(test)]
mod tests;
