//! What `std` and tokio have not, for futures on the way of a request.

mod dormant;

pub use dormant::Dormant;
