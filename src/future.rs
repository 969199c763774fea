//! Future utilities that `std` and tokio lack: boxing in place, polling on wake, and yielding.

mod poll_on_wake;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

pub use poll_on_wake::PollOnWake;

/// Boxes the future that `make` returns.
///
/// `Box::pin` builds the future on the stack and copies all of it, also the space for later state, which is
/// most of it. Optimised, this writes only the state that it holds now.
#[inline]
pub fn box_in_place<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}

/// Yields to other futures of the same task once. Tokio's `yield_now` also polls the kernel for events.
pub async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use super::*;

    #[test]
    fn yield_is_polled_twice_and_wakes_itself() {
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        let mut yielding = pin!(yield_once());
        assert!(yielding.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(yielding.poll(&mut Context::from_waker(&waker)).is_ready());
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn boxed_future_returns_its_output() {
        let room = [7_u8; 4096];
        let made = box_in_place(|| async move {
            tokio::task::yield_now().await;
            room.iter().map(|byte| usize::from(*byte)).sum::<usize>()
        });
        assert_eq!(made.await, 7 * 4096);
    }
}
