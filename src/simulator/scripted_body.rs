//! A response body as a list of steps: bytes, pauses, silence, a reset.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Sleep, sleep};

use super::request_log::InFlightRequest;
use super::usage::PendingUsage;

/// What a body does next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum BodyStep {
    /// Bytes, one chunk of the wire's encoding.
    Bytes(Bytes),
    /// Flush what was written so far before anything else.
    Flush,
    /// Wait.
    Pause(Duration),
    /// Send nothing more and keep the connection open.
    Hang,
    /// Close the connection with RST.
    Reset,
}

/// Whether the connection's socket is closed with RST. Read when the socket is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct ResetFlag(Arc<AtomicBool>);

impl ResetFlag {
    /// Requests the reset.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was ordered.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body. Dropping it before its last byte was taken counts as a client disconnect.
pub(super) struct ScriptedBody {
    steps: VecDeque<BodyStep>,
    pause: Option<Pin<Box<Sleep>>>,
    /// Dropped before `log_entry`: code that waits for the end then finds the usage counted.
    usage_entry: Option<PendingUsage>,
    log_entry: Option<InFlightRequest>,
    reset: ResetFlag,
}

impl ScriptedBody {
    /// A body of these steps, accounted for by `ticket` where it answers a recorded request.
    pub(super) fn new(steps: Vec<BodyStep>, log_entry: Option<InFlightRequest>, reset: ResetFlag) -> Self {
        Self { steps: steps.into(), pause: None, log_entry, usage_entry: None, reset }
    }

    /// The same, of an answer whose usage is counted.
    pub(super) fn with_usage(self, answer: Option<PendingUsage>) -> Self {
        Self { usage_entry: answer, ..self }
    }

    fn finish(&mut self) {
        self.usage_entry = None;
        if let Some(ticket) = self.log_entry.take() {
            ticket.finish();
        }
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let script = &mut *self;
        loop {
            if let Some(pause) = &mut script.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                script.pause = None;
            }
            match script.steps.pop_front() {
                None => {
                    script.finish();
                    return Poll::Ready(None);
                }
                Some(BodyStep::Bytes(bytes)) => {
                    if let Some(answer) = &mut script.usage_entry {
                        answer.add_sent_bytes(bytes.len());
                    }
                    // hyper does not poll again after the last byte of a body whose length it knows.
                    if script.steps.iter().all(|step| *step == BodyStep::Flush) {
                        script.finish();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(BodyStep::Flush) => {
                    // hyper flushes whenever a body has nothing for it.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(BodyStep::Pause(time)) => script.pause = Some(Box::pin(sleep(time))),
                Some(BodyStep::Hang) => {
                    script.steps.push_front(BodyStep::Hang);
                    return Poll::Pending;
                }
                Some(BodyStep::Reset) => {
                    script.finish();
                    script.reset.set();
                    return Poll::Ready(Some(Err(io::Error::other("a fault resets the connection here"))));
                }
            }
        }
    }
}
