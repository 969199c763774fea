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

use super::journal::Ticket;
use super::tally::Open;

/// What a body does next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Bytes, one chunk of the wire's encoding.
    Bytes(Bytes),
    /// Let what was written so far go out before anything else is.
    Flush,
    /// Wait.
    Pause(Duration),
    /// Say nothing more and keep the connection.
    Hang,
    /// Close the connection with RST.
    Reset,
}

/// Says that the connection's socket is to be closed with RST. Read when the socket is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct ResetFlag(Arc<AtomicBool>);

impl ResetFlag {
    /// Orders the reset.
    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was ordered.
    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body. Dropping it before its last byte was taken counts as the client's going away.
pub(super) struct Script {
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    /// Goes before the ticket: who waits for the end finds the books in order.
    answer: Option<Open>,
    ticket: Option<Ticket>,
    reset: ResetFlag,
}

impl Script {
    /// A body of these steps, accounted for by `ticket` where it answers a recorded request.
    pub(super) fn new(steps: Vec<Step>, ticket: Option<Ticket>, reset: ResetFlag) -> Self {
        Self { steps: steps.into(), pause: None, ticket, answer: None, reset }
    }

    /// The same, of an answer that goes into the books.
    pub(super) fn counted(self, answer: Option<Open>) -> Self {
        Self { answer, ..self }
    }

    fn end(&mut self) {
        self.answer = None;
        if let Some(ticket) = self.ticket.take() {
            ticket.finish();
        }
    }
}

impl Body for Script {
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
                    script.end();
                    return Poll::Ready(None);
                }
                Some(Step::Bytes(bytes)) => {
                    if let Some(answer) = &mut script.answer {
                        answer.sent(bytes.len());
                    }
                    // hyper does not ask again behind the last byte of a body whose length it knows.
                    if script.steps.iter().all(|step| *step == Step::Flush) {
                        script.end();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Flush) => {
                    // hyper flushes whenever a body has nothing for it.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Pause(time)) => script.pause = Some(Box::pin(sleep(time))),
                Some(Step::Hang) => {
                    script.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
                Some(Step::Reset) => {
                    script.end();
                    script.reset.raise();
                    return Poll::Ready(Some(Err(io::Error::other("a fault resets the connection here"))));
                }
            }
        }
    }
}
