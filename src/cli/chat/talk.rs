//! A conversation: lines in, answers and replies out, until the person leaves.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::signal::unix::Signal;

use super::assist::Assist;
use super::names;
use super::notices::Notices;
use super::prompt::Done;
use super::screen::{Look, Screen};
use super::source::Source;
use super::world::World;
use crate::assistant::command::{self, Command, Footer, Reasoning, TABLE, Typed};
use crate::assistant::session::{Session, SessionError, Sessions};
use crate::assistant::thinking::Levels;
use crate::assistant::turn::Agent;
use crate::catalog::ThinkingLevel;
use crate::cli::agent::plain::harmless;
use crate::cli::exit::Ending;
use crate::config::settings::{Chain, Reference, Settings};

/// Of a prompt: the model's name, cut.
const LONGEST: usize = 24;

/// See the module.
pub(super) struct Talk {
    pub(super) world: World,
    pub(super) settings: Arc<Settings>,
    pub(super) agent: Agent,
    pub(super) sessions: Sessions,
    /// The session's id.
    pub(super) id: String,
    /// What the session has chosen.
    pub(super) model: Option<Reference>,
    pub(super) thinking: Option<ThinkingLevel>,
    pub(super) reasoning: Reasoning,
    pub(super) footer: Footer,
    pub(super) notices: Notices,
    pub(super) screen: Screen,
    pub(super) interrupts: Signal,
    /// Lines that were typed beside an answer.
    pub(super) queue: VecDeque<String>,
    pub(super) has_left: bool,
    /// Some turn failed.
    pub(super) failed: bool,
}

impl Talk {
    /// Until the end. Exit 1 where a turn failed.
    pub(super) async fn run(mut self, mut source: Source) -> Result<(), Ending> {
        if source.is_terminal() {
            let hint = format!("session {} · /help lists the commands, Ctrl-D leaves", self.id);
            self.note(&hint)?;
        }
        while let Some(line) = self.line(&mut source).await? {
            // A Ctrl-C that came after the last answer was not meant for the next one.
            while self.interrupts.recv().now_or_never().is_some() {}
            match command::read(&line) {
                Ok(Typed::Nothing) => {}
                Ok(Typed::Message(message)) => Box::pin(self.answer(message, &mut source)).await?,
                Ok(Typed::Command(Command::Quit)) => break,
                Ok(Typed::Command(command)) => Box::pin(self.obey(command, &mut source)).await?,
                Err(wrong) => self.wrong(&wrong.0, &source)?,
            }
        }
        if self.failed { Err(Ending::silent()) } else { Ok(()) }
    }

    /// What comes next; `None`: nothing.
    async fn line(&mut self, source: &mut Source) -> Result<Option<String>, Ending> {
        loop {
            let prompt = self.prompt();
            if let Some(line) = self.queue.pop_front() {
                self.say(&format!("{prompt}{line}"))?;
                return Ok(Some(line));
            }
            if self.has_left {
                return Ok(None);
            }
            self.screen.end().map_err(Ending::output)?;
            let assist = self.assist();
            match source.next(prompt, assist, &mut self.interrupts).await? {
                Done::Line(line) => return Ok(Some(line)),
                Done::Interrupted => self.note("Ctrl-D or /quit leaves")?,
                Done::Left => return Ok(None),
            }
        }
    }

    /// `kimi> `.
    fn prompt(&self) -> String {
        let chain = self.chain();
        let name = chain.references.first().map(|first| names::short(&self.settings, first));
        let name: String = harmless(&name.unwrap_or_default()).chars().take(LONGEST).collect();
        format!("{name}> ")
    }

    fn assist(&self) -> Assist {
        let levels = self.levels().map_or(&[][..], |levels| levels.words());
        let levels = levels.iter().chain(&["default"]).map(ToString::to_string).collect();
        Assist { models: names::names(&self.settings), levels }
    }

    async fn obey(&mut self, command: Command, source: &mut Source) -> Result<(), Ending> {
        let done = match command {
            Command::Model(None) => self.tell_model()?,
            Command::Model(Some(name)) => self.set_model(&name).await?,
            Command::Models => self.list_models()?,
            Command::Think(None) => self.tell_thinking()?,
            Command::Think(Some(level)) => self.set_thinking(&level).await?,
            Command::Reasoning(wanted) => self.set_reasoning(wanted)?,
            Command::Usage(wanted) => self.set_usage(wanted).await?,
            Command::Status => self.status().await?,
            Command::New(model) => self.begin(model.as_deref()).await?,
            Command::Reset => self.reset().await?,
            Command::Compact => self.compact(source).await?,
            Command::Stop => Ok(self.say("Nothing to stop.")?),
            Command::Help => Ok(self.help()?),
            Command::Quit => Ok(()),
        };
        done.or_else(|why: String| self.wrong(&why, source))
    }

    fn help(&mut self) -> Result<(), Ending> {
        let width = TABLE.iter().map(|row| row.usage().len()).max().unwrap_or_default();
        let rows = TABLE.iter().map(|row| format!("{:<width$}  {}", row.usage(), row.help));
        let mut lines: Vec<String> = rows.collect();
        lines.push(String::new());
        lines.push(
            "Alt-Enter, or a backslash before Enter, begins another line; //text sends /text.".to_owned(),
        );
        self.say(&lines.join("\n"))
    }

    /// Who is asked, in their order; empty where only the gateway knows.
    pub(super) fn chain(&self) -> Chain {
        match &self.model {
            Some(model) => self.settings.chain_from(model),
            None => self.settings.default_chain.clone(),
        }
    }

    /// The levels of thinking of the model that is asked.
    pub(super) fn levels(&self) -> Option<Levels> {
        let chain = self.chain();
        chain.references.first().map(|first| Levels::of_reference(&self.settings, first))
    }

    /// Holds the session.
    pub(super) async fn hold(&mut self) -> Result<Session, SessionError> {
        let screen = &mut self.screen;
        let waiting = || {
            // Who cannot be told can wait all the same.
            let _ = screen.status("another turn of this session is under way; waiting…");
        };
        tokio::select! {
            session = self.sessions.hold(&self.id, waiting) => session,
            _ = self.interrupts.recv() => Err(SessionError("another turn holds the session".to_owned())),
        }
    }

    /// A reply.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Ending> {
        self.screen.line(Look::Plain, text).map_err(Ending::output)
    }

    /// Something beside the matter.
    pub(super) fn note(&mut self, text: &str) -> Result<(), Ending> {
        self.screen.line(Look::Dim, text).map_err(Ending::output)
    }

    /// What did not work. Scripts find it on standard error, and in the exit code.
    pub(super) fn wrong(&mut self, text: &str, source: &Source) -> Result<(), Ending> {
        if source.is_terminal() {
            return self.screen.line(Look::Red, text).map_err(Ending::output);
        }
        self.failed = true;
        self.screen.end().map_err(Ending::output)?;
        // Nobody is left to tell when the stream is gone.
        let _ = writeln!(std::io::stderr(), "moonrelay: {}", harmless(text));
        Ok(())
    }
}
