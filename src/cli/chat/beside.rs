//! What a person can do while something takes its time: stop it, and type on.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;

use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};

use super::shown::Shown;
use super::typed::{Input, Typed};
use crate::assistant::command::{self, Command};
use crate::assistant::turn::Seen;

/// A person beside an answer.
pub(super) struct Beside<'t> {
    /// What they type; `None`: nobody types.
    pub(super) typed: Option<Typed>,
    /// Ctrl-C.
    pub(super) interrupts: &'t mut Signal,
    /// Lines for afterwards.
    pub(super) queue: &'t mut VecDeque<String>,
    /// Ctrl-D: afterwards nothing comes any more.
    pub(super) has_left: &'t mut bool,
}

/// What stops something, and what waits for that.
pub(super) fn stopping() -> (oneshot::Sender<()>, impl Future<Output = ()> + Send) {
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        if stopped.await.is_err() {
            // Nobody can stop it any more.
            std::future::pending::<()>().await;
        }
    };
    (stop, stopped)
}

impl Beside<'_> {
    /// Waits for the end of `work`, shows what is seen of it, and sends `stop` when the person wants that. A screen
    /// that is gone stops it too; what came is kept then.
    pub(super) async fn wait<T>(
        &mut self,
        work: impl Future<Output = T>,
        stop: oneshot::Sender<()>,
        mut seen: mpsc::UnboundedReceiver<Seen>,
        shown: &mut Shown<'_>,
    ) -> (T, io::Result<()>) {
        let mut work = pin!(work);
        let mut stop = Stop { sender: Some(stop), printed: Ok(()) };
        let done = loop {
            tokio::select! {
                biased;
                Some(event) = seen.recv() => stop.on_failure(shown.see(&event)),
                done = &mut work => break done,
                _ = self.interrupts.recv() => stop.send(),
                input = next(&mut self.typed), if !*self.has_left => {
                    shown.typed_a_line();
                    if self.take(input) {
                        stop.send();
                    }
                }
            }
        };
        while let Ok(event) = seen.try_recv() {
            stop.on_failure(shown.see(&event));
        }
        (done, stop.printed)
    }

    /// Notes a line; whether it stops the answer.
    fn take(&mut self, input: Input) -> bool {
        match input {
            Input::Left => *self.has_left = true,
            Input::Line(line) if command::read(&line) == Ok(command::Typed::Command(Command::Stop)) => {
                return true;
            }
            Input::Line(line) if line.trim().is_empty() => {}
            Input::Line(line) => self.queue.push_back(line),
        }
        false
    }
}

async fn next(typed: &mut Option<Typed>) -> Input {
    match typed {
        Some(typed) => typed.next().await,
        None => std::future::pending().await,
    }
}

struct Stop {
    sender: Option<oneshot::Sender<()>>,
    printed: io::Result<()>,
}

impl Stop {
    fn send(&mut self) {
        if let Some(sender) = self.sender.take() {
            // It may be over already.
            let _ = sender.send(());
        }
    }

    fn on_failure(&mut self, printed: io::Result<()>) {
        if printed.is_err() && self.printed.is_ok() {
            self.printed = printed;
            self.send();
        }
    }
}
