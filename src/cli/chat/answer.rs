//! A message, and the answer to it.

use tokio::sync::mpsc;

use super::beside::{Beside, stopping};
use super::footer::footer;
use super::shown::Shown;
use super::source::Source;
use super::talk::Talk;
use crate::assistant::session::Session;
use crate::assistant::transcript::Stop;
use crate::assistant::turn::{Ask, Seen, TurnFailure, Turned};
use crate::cli::exit::Ending;

impl Talk {
    /// Asks, shows the answer as it comes, and what there is to say of it.
    pub(super) async fn answer(&mut self, message: String, source: &mut Source) -> Result<(), Ending> {
        let mut session = match self.hold().await {
            Ok(session) => session,
            Err(error) => return self.failed_with(&error.to_string(), source),
        };
        let outcome = Box::pin(self.ask(&mut session, message, source)).await?;
        // Another terminal may have chosen in between.
        self.remember(&session);
        let spent = session.spent();
        drop(session);
        let (turned, failure) = match outcome {
            Ok(turned) => (Some(turned), None),
            Err(failure) => (failure.turned.map(|turned| *turned), Some((failure.kind, failure.message))),
        };
        if let Some(notice) = turned.as_ref().and_then(|turned| self.notices.of(turned)) {
            self.note(&notice)?;
        }
        match failure {
            Some(("aborted", _)) => {
                self.note("stopped")?;
                // A script that is stopped does not go on with its next line.
                self.has_left |= !source.is_terminal();
                self.failed |= !source.is_terminal();
            }
            Some((_, message)) => self.failed_with(&message, source)?,
            None => {}
        }
        let Some(turned) = turned else { return Ok(()) };
        if turned.stop == Stop::Length {
            self.note("cut at the largest answer that the model gives")?;
        }
        match footer(self.footer, &turned, &spent) {
            Some(footer) => self.note(&footer),
            None => Ok(()),
        }
    }

    async fn ask(
        &mut self,
        session: &mut Session,
        message: String,
        source: &mut Source,
    ) -> Result<Result<Turned, TurnFailure>, Ending> {
        let reasoning = self.reasoning;
        let Self { agent, screen, interrupts, queue, has_left, .. } = self;
        let (stop, stopped) = stopping();
        let (sender, seen) = mpsc::unbounded_channel();
        // Nobody looks any more once the screen is gone.
        let mut see = |event: Seen| drop(sender.send(event));
        let mut shown = Shown::new(screen, reasoning, "thinking…").map_err(Ending::output)?;
        let mut beside = Beside { typed: source.beside(), interrupts, queue, has_left };
        let work = Box::pin(agent.turn(session, Ask { message, ..Ask::default() }, stopped, &mut see));
        let (outcome, printed) = beside.wait(work, stop, seen, &mut shown).await;
        source.go_on(beside.typed);
        shown.end().and(printed).map_err(Ending::output)?;
        Ok(outcome)
    }

    /// What the session has chosen.
    pub(super) fn remember(&mut self, session: &Session) {
        self.model = session.model();
        self.thinking = session.thinking().and_then(crate::assistant::thinking::read);
    }

    fn failed_with(&mut self, why: &str, source: &Source) -> Result<(), Ending> {
        self.failed = true;
        self.wrong(why, source)
    }
}
