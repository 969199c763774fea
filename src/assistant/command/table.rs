//! The commands, as help, completion and documentation have them.

use super::{ReasoningDisplay, UsageFooter};

/// What a command takes behind its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    /// Nothing.
    NoArgument,
    /// A model's name, alias or route.
    Model,
    /// A level of thinking that the model has.
    ThinkingLevel,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSpec {
    /// Without the slash.
    pub name: &'static str,
    /// Other names that people know.
    pub aliases: &'static [&'static str],
    /// As the help shows them; empty where there are none.
    pub arguments: &'static str,
    /// One line.
    pub help: &'static str,
    /// What is completed.
    pub argument: ArgumentKind,
}

/// All of them.
pub const COMMANDS: &[CommandSpec] = &[
    command("model", "[NAME|default]", "the model, or another one for this session", ArgumentKind::Model),
    command("models", "", "the models, aliases and routes that there are", ArgumentKind::NoArgument),
    command(
        "think",
        "[LEVEL|default]",
        "how much the model thinks, or which levels it has",
        ArgumentKind::ThinkingLevel,
    ),
    command("reasoning", "[on|off|stream]", "show what it thinks: before the answer, not, or as it comes", {
        ArgumentKind::Choice(&ReasoningDisplay::NAMES)
    }),
    command("status", "", "model, key, fallbacks, tokens, cost, context", ArgumentKind::NoArgument),
    command("usage", "[off|tokens|full|cost]", "what stands below each answer; cost: the totals too", {
        ArgumentKind::Choice(&UsageFooter::NAMES)
    }),
    command("new", "[MODEL]", "begin another session", ArgumentKind::Model),
    command("reset", "", "forget what was said, in the same session", ArgumentKind::NoArgument),
    command("compact", "", "put a summary in the place of what was said", ArgumentKind::NoArgument),
    command("stop", "", "stop the answer that comes (Ctrl-C does too)", ArgumentKind::NoArgument),
    command("help", "", "this list", ArgumentKind::NoArgument),
    CommandSpec {
        aliases: &["exit"],
        ..command("quit", "", "leave (Ctrl-D does too)", ArgumentKind::NoArgument)
    },
];

const fn command(
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    takes: ArgumentKind,
) -> CommandSpec {
    CommandSpec { name, aliases: &[], arguments, help, argument: takes }
}

impl CommandSpec {
    /// The command of this name, whatever its case.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        COMMANDS.iter().find(|row| is(row.name) || row.aliases.iter().any(|also| is(also)))
    }

    /// `/think [LEVEL|default]`.
    #[must_use]
    pub fn usage_line(&self) -> String {
        let gap = if self.arguments.is_empty() { "" } else { " " };
        format!("/{}{gap}{}", self.name, self.arguments)
    }
}
