//! Owns the two ends of a streamed response: the request writes events to a [`ClientStream`], and the client
//! reads a [`StreamBody`], which adds keep-alives while there are none.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::encoder::ClientEncoder;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::memory_budget::BudgetExceeded;
use crate::protocol::translate::Encoder;

/// The events of a response. It drives the request itself: nothing runs on when it is dropped.
pub struct StreamBody {
    driver: Option<BoxFuture<'static, ()>>,
    events: mpsc::Receiver<Bytes>,
    keep_alive: Duration,
    /// Expires when nothing was sent for `keep_alive`.
    keep_alive_timer: Pin<Box<Sleep>>,
    /// The client ignores it, and every timeout on the path sees it.
    keep_alive_event: Bytes,
}

impl StreamBody {
    /// Creates the body of a request that `driver` runs.
    pub fn new<F>(
        encoder: ClientEncoder,
        api: Api,
        keep_alive: Duration,
        driver: impl FnOnce(ClientStream) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // With space for one write: the next chunk is read when the client has taken the last one.
        let (sender, events) = mpsc::channel(1);
        Self {
            driver: Some(Box::pin(driver(ClientStream { encoder, events: sender }))),
            events,
            keep_alive,
            keep_alive_timer: Box::pin(sleep(keep_alive)),
            keep_alive_event: Bytes::from_static(Encoder::keep_alive(api)),
        }
    }

    /// Runs the request until `head` is ready; `None` if that takes longer than the keep-alive interval.
    pub async fn run_until<T>(&mut self, head: impl Future<Output = T>) -> Option<T> {
        let (keep_alive, mut head) = (self.keep_alive, pin!(head));
        let run = poll_fn(|context| {
            self.poll_driver(context);
            head.as_mut().poll(context)
        });
        timeout(keep_alive, run).await.ok()
    }

    fn poll_driver(&mut self, context: &mut Context<'_>) {
        if self.driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready()) {
            self.driver = None;
        }
    }
}

impl Stream for StreamBody {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        this.poll_driver(context);
        let bytes = match this.events.poll_recv(context) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(bytes)) => bytes,
            Poll::Pending => {
                ready!(this.keep_alive_timer.as_mut().poll(context));
                this.keep_alive_event.clone()
            }
        };
        this.keep_alive_timer.as_mut().reset(Instant::now() + this.keep_alive);
        Poll::Ready(Some(bytes))
    }
}

/// Where the events of a response are written.
pub struct ClientStream {
    /// Knows what the client has received.
    pub encoder: ClientEncoder,
    events: mpsc::Sender<Bytes>,
}

impl ClientStream {
    /// Sends events of the response, encoded for the client.
    ///
    /// # Errors
    /// When there is not enough memory for the state of a continued response.
    pub async fn send_events(&mut self, events: Segments) -> Result<(), BudgetExceeded> {
        let events = self.encoder.encode(events)?;
        self.send(events.to_bytes()).await;
        Ok(())
    }

    /// Sends bytes as they are.
    pub async fn send(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            // Without a receiver the client has gone, and this future is about to be dropped.
            let _ = self.events.send(bytes).await;
        }
    }

    /// Resolves when the client has taken everything that was sent.
    pub async fn wait_until_taken(&self) {
        let _ = self.events.reserve().await;
    }
}
