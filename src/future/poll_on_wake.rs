//! Owns a future that is polled only after it was woken.
//!
//! Each chunk of a stream wakes its connection's task. Without this, the task would poll every timer and every
//! watch again, each behind a lock.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled only after it was woken. It is boxed, so that this type can move.
#[derive(Debug)]
pub struct PollOnWake<F> {
    future: Pin<Box<F>>,
    wake_flag: Arc<WakeFlag>,
    /// Sets the wake flag.
    waker: Waker,
    /// The waker of the task that polled last.
    task_waker: Option<Waker>,
}

/// The waker that is passed to the future.
#[derive(Debug)]
struct WakeFlag {
    is_set: AtomicBool,
    /// It stays set after a wake: the next wake may come before the next poll.
    task_waker: Mutex<Option<Waker>>,
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_set.store(true, Ordering::Release);
        let sleeper = self.task_waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }
}

impl<F> PollOnWake<F> {
    /// The first poll always reaches the future.
    pub fn new(future: F) -> Self {
        let wake_flag = Arc::new(WakeFlag { is_set: AtomicBool::new(true), task_waker: Mutex::new(None) });
        Self { future: Box::pin(future), waker: wake_flag.clone().into(), wake_flag, task_waker: None }
    }

    /// Changes the future, which is polled afterwards.
    pub fn update(&mut self, change: impl FnOnce(Pin<&mut F>)) {
        change(self.future.as_mut());
        self.wake_flag.is_set.store(true, Ordering::Release);
    }
}

impl<F: Future> Future for PollOnWake<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let is_known = this.task_waker.as_ref().is_some_and(|sleeper| sleeper.will_wake(context.waker()));
        if is_known && !this.wake_flag.is_set.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // The order matters: a wake after this point finds the task or is seen below.
        if !is_known {
            let sleeper = Some(context.waker().clone());
            this.task_waker.clone_from(&sleeper);
            *this.wake_flag.task_waker.lock().unwrap_or_else(PoisonError::into_inner) = sleeper;
        }
        if !this.wake_flag.is_set.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.future.as_mut().poll(&mut Context::from_waker(&this.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn future_is_polled_only_after_wake() {
        let polls = AtomicUsize::new(0);
        let (sender, mut receiver) = oneshot::channel();
        let mut dormant = PollOnWake::new(poll_fn(|context| {
            polls.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut receiver).poll(context)
        }));
        let mut rounds = 0;
        let mut sender = Some(sender);
        let ended = poll_fn(|context| {
            rounds += 1;
            if rounds == 100 {
                sender.take().map(|sender| sender.send(7));
            }
            context.waker().wake_by_ref();
            Pin::new(&mut dormant).poll(context)
        });
        assert_eq!(ended.await, Ok(7));
        assert_eq!((rounds, polls.load(Ordering::Relaxed)), (100, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn second_wake_reaches_the_last_task() {
        let began = Instant::now();
        let mut dormant = PollOnWake::new(sleep(Duration::from_secs(1)));
        assert!(futures_util::FutureExt::now_or_never(&mut dormant).is_none());
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            (&mut dormant).await;
            let _ = sender.send(dormant);
        });
        let mut dormant = receiver.await.unwrap();
        dormant.update(|sleep| sleep.reset(began + Duration::from_secs(5)));
        dormant.await;
        assert_eq!(began.elapsed(), Duration::from_secs(5));
    }
}
