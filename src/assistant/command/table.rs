//! The commands, as help, completion and documentation have them.

use super::{Footer, Reasoning};

/// What a command takes behind its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A model's name, alias or route.
    Model,
    /// A level of thinking that the model has.
    Level,
    /// One of these.
    Words(&'static [&'static str]),
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Without the slash.
    pub name: &'static str,
    /// Other names that people know.
    pub also: &'static [&'static str],
    /// As the help shows them; empty where there are none.
    pub arguments: &'static str,
    /// One line.
    pub help: &'static str,
    /// What is completed.
    pub takes: Takes,
}

/// All of them.
pub const TABLE: &[Row] = &[
    row("model", "[NAME|default]", "the model, or another one for this session", Takes::Model),
    row("models", "", "the models, aliases and routes that there are", Takes::Nothing),
    row("think", "[LEVEL|default]", "how much the model thinks, or which levels it has", Takes::Level),
    row("reasoning", "[on|off|stream]", "show what it thinks: before the answer, not, or as it comes", {
        Takes::Words(&Reasoning::WORDS)
    }),
    row("status", "", "model, key, fallbacks, tokens, cost, context", Takes::Nothing),
    row("usage", "[off|tokens|full|cost]", "what stands below each answer; cost: the totals too", {
        Takes::Words(&Footer::WORDS)
    }),
    row("new", "[MODEL]", "begin another session", Takes::Model),
    row("reset", "", "forget what was said, in the same session", Takes::Nothing),
    row("compact", "", "put a summary in the place of what was said", Takes::Nothing),
    row("stop", "", "stop the answer that comes (Ctrl-C does too)", Takes::Nothing),
    row("help", "", "this list", Takes::Nothing),
    Row { also: &["exit"], ..row("quit", "", "leave (Ctrl-D does too)", Takes::Nothing) },
];

const fn row(name: &'static str, arguments: &'static str, help: &'static str, takes: Takes) -> Row {
    Row { name, also: &[], arguments, help, takes }
}

impl Row {
    /// The command of this name, whatever its case.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        TABLE.iter().find(|row| is(row.name) || row.also.iter().any(|also| is(also)))
    }

    /// `/think [LEVEL|default]`.
    #[must_use]
    pub fn usage(&self) -> String {
        let gap = if self.arguments.is_empty() { "" } else { " " };
        format!("/{}{gap}{}", self.name, self.arguments)
    }
}
