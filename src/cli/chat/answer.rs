//! A message, and the answer to it.

use tokio::sync::mpsc;

use super::answer_view::AnswerView;
use super::chat_loop::Chat;
use super::footer::render_footer;
use super::input_source::InputSource;
use super::turn_input::{TurnInput, stop_channel};
use crate::assistant::session::Session;
use crate::assistant::transcript::StopReason;
use crate::assistant::turn::{TurnEvent, TurnFailure, TurnRequest, TurnResult};
use crate::cli::exit::CommandError;

impl Chat {
    /// Sends the message, displays the answer as it arrives, and prints the notes on it.
    pub(super) async fn answer(
        &mut self,
        message: String,
        source: &mut InputSource,
    ) -> Result<(), CommandError> {
        let mut session = match self.lock_session().await {
            Ok(session) => session,
            Err(error) => return self.report_failure(&error.to_string(), source),
        };
        let outcome = Box::pin(self.run_turn(&mut session, message, source)).await?;
        // Another terminal may have chosen in between.
        self.load_session_choices(&session);
        let spent = session.usage();
        drop(session);
        let (turned, failure) = match outcome {
            Ok(turned) => (Some(turned), None),
            Err(failure) => (failure.result.map(|turned| *turned), Some((failure.kind, failure.message))),
        };
        if let Some(notice) = turned.as_ref().and_then(|turned| self.notices.notice_for(turned)) {
            self.print_note(&notice)?;
        }
        match failure {
            Some(("aborted", _)) => {
                self.print_note("stopped")?;
                // A script that is stopped does not go on with its next line.
                self.has_quit |= !source.is_terminal();
                self.has_failed |= !source.is_terminal();
            }
            Some((_, message)) => self.report_failure(&message, source)?,
            None => {}
        }
        let Some(turned) = turned else { return Ok(()) };
        if turned.stop_reason == StopReason::Length {
            self.print_note("cut at the largest answer that the model gives")?;
        }
        match render_footer(self.footer, &turned, &spent) {
            Some(footer) => self.print_note(&footer),
            None => Ok(()),
        }
    }

    async fn run_turn(
        &mut self,
        session: &mut Session,
        message: String,
        source: &mut InputSource,
    ) -> Result<Result<TurnResult, TurnFailure>, CommandError> {
        let reasoning = self.reasoning;
        let Self { agent, screen, interrupts, queued_lines: queue, has_quit: has_left, .. } = self;
        let (stop, stopped) = stop_channel();
        let (sender, seen) = mpsc::unbounded_channel();
        // If the screen is closed, the event has no receiver.
        let mut see = |event: TurnEvent| drop(sender.send(event));
        let mut shown =
            AnswerView::new(screen, reasoning, "thinking…").map_err(CommandError::from_output_error)?;
        let mut beside = TurnInput {
            terminal_input: source.open_terminal_input(),
            interrupts,
            queued_lines: queue,
            has_quit: has_left,
        };
        let work = Box::pin(agent.run_turn(
            session,
            TurnRequest { message, ..TurnRequest::default() },
            stopped,
            &mut see,
        ));
        let (outcome, printed) = beside.run(work, stop, seen, &mut shown).await;
        source.resume(beside.terminal_input);
        shown.finish().and(printed).map_err(CommandError::from_output_error)?;
        Ok(outcome)
    }

    /// What the session has chosen.
    pub(super) fn load_session_choices(&mut self, session: &Session) {
        self.model = session.model();
        self.thinking = session.thinking().and_then(crate::assistant::thinking::parse_level);
    }

    fn report_failure(&mut self, why: &str, source: &InputSource) -> Result<(), CommandError> {
        self.has_failed = true;
        self.print_error(why, source)
    }
}
