//! `/new`, `/reset` and `/compact`: what becomes of what was said.

use tokio::sync::mpsc;

use super::beside::{Beside, stopping};
use super::model::{Told, window};
use super::shown::Shown;
use super::source::Source;
use super::talk::Talk;
use crate::assistant::command::Reasoning;
use crate::assistant::session::{self, Session};
use crate::assistant::transcript::Message;
use crate::cli::exit::Ending;
use crate::cli::usage::figure::compact;

impl Talk {
    /// `/new`.
    pub(super) async fn begin(&mut self, model: Option<&str>) -> Told {
        let before = (self.id.clone(), self.model.take(), self.thinking.take());
        self.id = session::fresh();
        if let Some(name) = model
            && let Err(why) = self.set_model(name).await?
        {
            (self.id, self.model, self.thinking) = before;
            return Ok(Err(why));
        }
        self.notices.forget();
        let text = format!("New session {}.", self.id);
        Ok(Ok(self.say(&text)?))
    }

    /// `/reset`.
    pub(super) async fn reset(&mut self) -> Told {
        let forgotten = match self.hold().await {
            Ok(session) if is_empty(&session) => Ok(false),
            Ok(mut session) => {
                let tokens = used(&session);
                session.compact("", tokens).map(|()| true)
            }
            Err(error) => Err(error),
        };
        match forgotten {
            Ok(true) => Ok(Ok(self.say("Session reset: what was said is forgotten.")?)),
            Ok(false) => Ok(Ok(self.say("Nothing was said yet.")?)),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// `/compact`.
    pub(super) async fn compact(&mut self, source: &mut Source) -> Told {
        let mut session = match self.hold().await {
            Ok(session) => session,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if session.conversation().is_empty() {
            return Ok(Ok(self.say("Nothing to compact.")?));
        }
        let before = used(&session);
        let summary = match self.summary(&session, source).await? {
            Ok(summary) => summary,
            Err(why) => return Ok(Err(format!("not compacted, all is as it was: {why}"))),
        };
        if let Err(error) = session.compact(&summary, before) {
            return Ok(Err(error.to_string()));
        }
        let chain = self.chain();
        let of = chain.references.first().and_then(|first| window(&self.settings, first));
        let of = of.map_or_else(String::new, |window| format!(" of {}", compact(window)));
        let text = format!("Compacted: context {} -> {}{of}", compact(before), compact(used(&session)));
        Ok(Ok(self.say(&text)?))
    }

    /// A turn of its own that nobody sees, and that the session does not keep.
    async fn summary(
        &mut self,
        session: &Session,
        source: &mut Source,
    ) -> Result<Result<String, String>, Ending> {
        let Self { agent, screen, interrupts, queue, has_left, .. } = self;
        let (stop, stopped) = stopping();
        let (_, nothing) = mpsc::unbounded_channel();
        let mut shown = Shown::new(screen, Reasoning::Off, "compacting…").map_err(Ending::output)?;
        let mut beside = Beside { typed: source.beside(), interrupts, queue, has_left };
        let work = agent.summary(session, stopped);
        let (outcome, printed) = beside.wait(work, stop, nothing, &mut shown).await;
        source.go_on(beside.typed);
        shown.end().and(printed).map_err(Ending::output)?;
        Ok(outcome.map_err(|failure| failure.message))
    }
}

fn is_empty(session: &Session) -> bool {
    session.conversation().is_empty() && session.summary().is_none()
}

/// What the conversation takes of the window, in tokens: as the last answer told it, else as long as what stands there
/// is, four bytes a token.
pub(super) fn used(session: &Session) -> u64 {
    let told = session.conversation().into_iter().rev().find_map(|message| match message {
        Message::Assistant(said) => said.usage.as_ref().map(|spent| spent.total_tokens),
        _ => None,
    });
    told.unwrap_or_else(|| session.summary().map_or(0, |summary| summary.len().div_ceil(4) as u64))
}
