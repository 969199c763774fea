//! What `std` and tokio have not, for futures on the way of a request: one is made where it stays, one is left alone.

mod dormant;

use std::pin::Pin;

pub use dormant::Dormant;

/// Boxes the future that this makes. With `Box::pin` the compiler makes it on the stack and copies all of it, also the room
/// for what it will hold later, which is most of it; of this it makes, optimised, writes of what it holds now.
#[inline]
pub fn boxed<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_the_future_that_was_made() {
        let room = [7_u8; 4096];
        let made = boxed(|| async move {
            tokio::task::yield_now().await;
            room.iter().map(|byte| usize::from(*byte)).sum::<usize>()
        });
        assert_eq!(made.await, 7 * 4096);
    }
}
