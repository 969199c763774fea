//! Keeps long computations off the worker threads.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A body of this size takes about a millisecond to parse. Below, a change of thread costs more than it gains.
const MIN_OFFLOADED_BYTES: usize = 256 * 1024;

/// Runs the routing of a request with a body of this size.
///
/// The first poll of that future parses the body, plans the targets and adapts the body to the first one, all
/// before it waits for anything. For a large body the first poll takes place on a blocking thread, so that it
/// delays no other stream, with one worker too. Later polls take place on the worker.
pub(super) async fn run_routing<F>(body_bytes: usize, mut routing: Pin<Box<F>>) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    if body_bytes < MIN_OFFLOADED_BYTES {
        return routing.await;
    }
    let first_poll = tokio::task::spawn_blocking(move || {
        // The poll on the worker registers the right waker.
        let first = routing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        (first, routing)
    });
    match first_poll.await {
        Ok((Poll::Ready(output), _)) => output,
        Ok((Poll::Pending, routing)) => routing.await,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime shuts down and drops this task.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Both futures run on this thread's runtime: the parse of the large body ends only after the small request.
    #[tokio::test(flavor = "current_thread")]
    async fn large_body_does_not_delay_a_small_one_on_one_worker() {
        let (small_is_done, wait) = mpsc::channel();
        let large = run_routing(
            MIN_OFFLOADED_BYTES,
            Box::pin(async move {
                let parsed = wait.recv_timeout(Duration::from_secs(30));
                tokio::task::yield_now().await;
                parsed.is_ok()
            }),
        );
        let small =
            run_routing(MIN_OFFLOADED_BYTES - 1, Box::pin(async move { small_is_done.send(()).is_ok() }));
        assert_eq!(tokio::join!(large, small), (true, true));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn only_the_first_poll_leaves_the_worker() {
        let current = || std::thread::current().id();
        let threads = async move {
            let first = current();
            tokio::task::yield_now().await;
            (first, current())
        };
        let (first, later) = run_routing(MIN_OFFLOADED_BYTES, Box::pin(threads)).await;
        assert_ne!(first, current());
        assert_eq!(later, current());
        let small = run_routing(MIN_OFFLOADED_BYTES - 1, Box::pin(async move { current() })).await;
        assert_eq!(small, current());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn dropped_request_is_dropped_after_its_first_poll() {
        let (guard, dropped) = tokio::sync::oneshot::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let request = tokio::spawn(run_routing(
            MIN_OFFLOADED_BYTES,
            Box::pin(async move {
                let _guard = guard;
                let _ = begin.send(());
                std::future::pending::<()>().await;
            }),
        ));
        tokio::task::spawn_blocking(move || begun.recv()).await.unwrap().unwrap();
        request.abort();
        assert!(dropped.await.is_err(), "the guard was dropped with the future");
    }
}
