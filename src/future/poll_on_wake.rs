//! A future that rarely ends, next to one that is polled often: it is left alone until something has woken it.
//!
//! A chunk of a stream wakes its connection's task, and that would poll every clock and every watch of the task again,
//! each behind a lock of its own.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// See the module. The future is boxed, so that this can move.
#[derive(Debug)]
pub struct PollOnWake<F> {
    future: Pin<Box<F>>,
    wake_flag: Arc<WakeFlag>,
    /// Rings the bell.
    waker: Waker,
    /// Whom the bell wakes.
    task_waker: Option<Waker>,
}

/// What wakes the future, and with it the task.
#[derive(Debug)]
struct WakeFlag {
    is_set: AtomicBool,
    /// It stays when it was woken: the next ring may come before it is here again.
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
    /// Polled once at least.
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
        // In this order: what rings from here on finds the task, or is seen below.
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
    async fn it_is_polled_when_it_was_woken_and_not_with_its_neighbours() {
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
    async fn it_wakes_whoever_polled_it_last_also_a_second_time() {
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
