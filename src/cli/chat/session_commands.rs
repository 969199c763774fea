//! `/new`, `/reset` and `/compact`: what becomes of what was said.

use tokio::sync::mpsc;

use super::answer_view::AnswerView;
use super::chat_loop::Chat;
use super::input_source::InputSource;
use super::model_commands::{CommandOutcome, context_window};
use super::turn_input::{TurnInput, stop_channel};
use crate::assistant::command::ReasoningDisplay;
use crate::assistant::session::{self, Session};
use crate::assistant::transcript::TranscriptMessage;
use crate::cli::exit::CommandError;
use crate::cli::usage::number_format::format_compact;

impl Chat {
    /// `/new`.
    pub(super) async fn start_session(&mut self, model: Option<&str>) -> CommandOutcome {
        let before = (self.id.clone(), self.model.take(), self.thinking.take());
        self.id = session::new_id();
        if let Some(name) = model
            && let Err(why) = self.set_model(name).await?
        {
            (self.id, self.model, self.thinking) = before;
            return Ok(Err(why));
        }
        self.notices.reset();
        let text = format!("New session {}.", self.id);
        Ok(Ok(self.print_reply(&text)?))
    }

    /// `/reset`.
    pub(super) async fn reset_session(&mut self) -> CommandOutcome {
        let forgotten = match self.lock_session().await {
            Ok(session) if is_empty(&session) => Ok(false),
            Ok(mut session) => {
                let tokens = context_tokens(&session);
                session.compact("", tokens).map(|()| true)
            }
            Err(error) => Err(error),
        };
        match forgotten {
            Ok(true) => Ok(Ok(self.print_reply("Session reset: what was said is forgotten.")?)),
            Ok(false) => Ok(Ok(self.print_reply("Nothing was said yet.")?)),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// `/compact`.
    pub(super) async fn compact_session(&mut self, source: &mut InputSource) -> CommandOutcome {
        let mut session = match self.lock_session().await {
            Ok(session) => session,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if session.conversation().is_empty() {
            return Ok(Ok(self.print_reply("Nothing to compact.")?));
        }
        let before = context_tokens(&session);
        let summary = match self.summarize(&session, source).await? {
            Ok(summary) => summary,
            Err(why) => return Ok(Err(format!("not compacted, all is as it was: {why}"))),
        };
        if let Err(error) = session.compact(&summary, before) {
            return Ok(Err(error.to_string()));
        }
        let chain = self.active_chain();
        let of = chain.references.first().and_then(|first| context_window(&self.settings, first));
        let of = of.map_or_else(String::new, |window| format!(" of {}", format_compact(window)));
        let text = format!(
            "Compacted: context {} -> {}{of}",
            format_compact(before),
            format_compact(context_tokens(&session))
        );
        Ok(Ok(self.print_reply(&text)?))
    }

    /// A separate turn that is not displayed and not stored in the session.
    async fn summarize(
        &mut self,
        session: &Session,
        source: &mut InputSource,
    ) -> Result<Result<String, String>, CommandError> {
        let Self { agent, screen, interrupts, queued_lines: queue, has_quit: has_left, .. } = self;
        let (stop, stopped) = stop_channel();
        let (_, nothing) = mpsc::unbounded_channel();
        let mut shown = AnswerView::new(screen, ReasoningDisplay::Off, "compacting…")
            .map_err(CommandError::from_output_error)?;
        let mut beside = TurnInput {
            terminal_input: source.open_terminal_input(),
            interrupts,
            queued_lines: queue,
            has_quit: has_left,
        };
        let work = agent.summarize(session, stopped);
        let (outcome, printed) = beside.run(work, stop, nothing, &mut shown).await;
        source.resume(beside.terminal_input);
        shown.finish().and(printed).map_err(CommandError::from_output_error)?;
        Ok(outcome.map_err(|failure| failure.message))
    }
}

fn is_empty(session: &Session) -> bool {
    session.conversation().is_empty() && session.summary().is_none()
}

/// The conversation's share of the context window, in tokens: as the last answer reported it, else estimated
/// from the summary's length at four bytes a token.
pub(super) fn context_tokens(session: &Session) -> u64 {
    let told = session.conversation().into_iter().rev().find_map(|message| match message {
        TranscriptMessage::Assistant(said) => said.usage.as_ref().map(|spent| spent.total_tokens),
        _ => None,
    });
    told.unwrap_or_else(|| session.summary().map_or(0, |summary| summary.len().div_ceil(4) as u64))
}
