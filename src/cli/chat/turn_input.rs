//! What a person can do while something takes its time: stop it, and type on.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;

use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};

use super::answer_view::AnswerView;
use super::terminal_input::{TerminalInput, TypedInput};
use crate::assistant::command::{self, Command};
use crate::assistant::turn::TurnEvent;

/// A person beside an answer.
pub(super) struct TurnInput<'t> {
    /// The user's input; `None` if the input is not interactive.
    pub(super) terminal_input: Option<TerminalInput>,
    /// Ctrl-C.
    pub(super) interrupts: &'t mut Signal,
    /// Lines for afterwards.
    pub(super) queued_lines: &'t mut VecDeque<String>,
    /// Ctrl-D: afterwards nothing comes any more.
    pub(super) has_quit: &'t mut bool,
}

/// What stops something, and what waits for that.
pub(super) fn stop_channel() -> (oneshot::Sender<()>, impl Future<Output = ()> + Send) {
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        if stopped.await.is_err() {
            // The sender was dropped, so no stop can follow.
            std::future::pending::<()>().await;
        }
    };
    (stop, stopped)
}

impl TurnInput<'_> {
    /// Waits for the end of `work`, shows what is seen of it, and sends `stop` when the person wants that. A screen
    /// that is gone stops it too; what came is kept then.
    pub(super) async fn run<T>(
        &mut self,
        work: impl Future<Output = T>,
        stop: oneshot::Sender<()>,
        mut seen: mpsc::UnboundedReceiver<TurnEvent>,
        shown: &mut AnswerView<'_>,
    ) -> (T, io::Result<()>) {
        let mut work = pin!(work);
        let mut stop = StopSender { sender: Some(stop), output_result: Ok(()) };
        let done = loop {
            tokio::select! {
                biased;
                Some(event) = seen.recv() => stop.stop_on_failure(shown.show_event(&event)),
                done = &mut work => break done,
                _ = self.interrupts.recv() => stop.send(),
                input = next_input(&mut self.terminal_input), if !*self.has_quit => {
                    shown.record_typed_line();
                    if self.handle_input(input) {
                        stop.send();
                    }
                }
            }
        };
        while let Ok(event) = seen.try_recv() {
            stop.stop_on_failure(shown.show_event(&event));
        }
        (done, stop.output_result)
    }

    /// Notes a line; whether it stops the answer.
    fn handle_input(&mut self, input: TypedInput) -> bool {
        match input {
            TypedInput::EndOfInput => *self.has_quit = true,
            TypedInput::Line(line)
                if command::parse_input(&line) == Ok(command::Input::Command(Command::Stop)) =>
            {
                return true;
            }
            TypedInput::Line(line) if line.trim().is_empty() => {}
            TypedInput::Line(line) => self.queued_lines.push_back(line),
        }
        false
    }
}

async fn next_input(typed: &mut Option<TerminalInput>) -> TypedInput {
    match typed {
        Some(typed) => typed.next_input().await,
        None => std::future::pending().await,
    }
}

struct StopSender {
    sender: Option<oneshot::Sender<()>>,
    output_result: io::Result<()>,
}

impl StopSender {
    fn send(&mut self) {
        if let Some(sender) = self.sender.take() {
            // It may be over already.
            let _ = sender.send(());
        }
    }

    fn stop_on_failure(&mut self, printed: io::Result<()>) {
        if printed.is_err() && self.output_result.is_ok() {
            self.output_result = printed;
            self.send();
        }
    }
}
