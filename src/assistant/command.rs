//! Commands of `chat`: `/model`, `/usage` and others.

use crate::config::settings::find_nearest;

/// A parsed input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Whitespace only.
    Empty,
    /// A prompt for the model.
    Message(String),
    /// A slash command.
    Command(Command),
}

/// A slash command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set the model by any of its names; `None` shows the current one.
    Model(Option<String>),
    /// List models.
    Models,
    /// Set the thinking level, or `default`; `None` shows the current and the supported levels.
    Thinking(Option<String>),
    /// Set whether thinking is shown; `None` shows the setting.
    Reasoning(Option<ReasoningDisplay>),
    /// Show the session's status.
    Status,
    /// Set the footer of answers; `None` shows the setting.
    Usage(Option<UsageFooter>),
    /// Start a new session, optionally with another model.
    New(Option<String>),
    /// Reset the context.
    Reset,
    /// Replace the context by a summary.
    Compact,
    /// Stop the running answer.
    Stop,
    /// List the commands.
    Help,
    /// Leave the chat.
    Quit,
}

/// Whether the model's thinking is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReasoningDisplay {
    /// Hidden.
    #[default]
    Off,
    /// Shown before the answer, once complete.
    On,
    /// Streamed.
    Stream,
}

/// The footer of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageFooter {
    /// Nothing.
    #[default]
    Off,
    /// Tokens used.
    Tokens,
    /// Model, tokens, cost and time.
    Full,
    /// Cost.
    Cost,
}

impl ReasoningDisplay {
    /// The words for it.
    pub const NAMES: [&str; 3] = ["on", "off", "stream"];

    fn from_name(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "on" => Some(Self::On),
            "stream" => Some(Self::Stream),
            _ => None,
        }
    }

    /// As it is typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Stream => "stream",
        }
    }
}

impl UsageFooter {
    /// The words for it.
    pub const NAMES: [&str; 4] = ["off", "tokens", "full", "cost"];

    fn from_name(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "tokens" => Some(Self::Tokens),
            "full" => Some(Self::Full),
            "cost" => Some(Self::Cost),
            _ => None,
        }
    }

    /// As it is typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Tokens => "tokens",
            Self::Full => "full",
            Self::Cost => "cost",
        }
    }
}

/// A command error with its fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(pub String);

/// Parses an input. Two slashes, or a space before the first slash, make it a prompt.
///
/// # Errors
/// An unknown command or invalid arguments. Such an input is never sent to a model.
pub fn parse_input(typed: &str) -> Result<Input, CommandError> {
    let text = typed.trim();
    if text.is_empty() {
        return Ok(Input::Empty);
    }
    // Blank lines above and below a pasted text are dropped; indentation of its first line may be part of it.
    let whole = typed.trim_end().trim_start_matches(['\n', '\r']);
    if let Some(escaped) = whole.strip_prefix("//") {
        return Ok(Input::Message(format!("/{escaped}")));
    }
    let Some(command) = whole.strip_prefix('/') else {
        let message = if text.starts_with('/') { text } else { whole };
        return Ok(Input::Message(message.to_owned()));
    };
    let mut words = command.split_whitespace();
    let name = if command.starts_with(char::is_whitespace) { "" } else { words.next().unwrap_or_default() };
    let row = CommandSpec::find(name).ok_or_else(|| unknown_command_error(name))?;
    let argument = words.next();
    if words.next().is_some() || (argument.is_some() && row.argument == ArgumentKind::NoArgument) {
        return Err(CommandError(format!("too many words; it is {}", row.usage_line())));
    }
    parse_command(row, argument).map(Input::Command)
}

fn parse_command(row: &CommandSpec, argument: Option<&str>) -> Result<Command, CommandError> {
    let named = || argument.map(str::to_owned);
    let no_word = |word: &str| {
        let ArgumentKind::Choice(words) = row.argument else { return CommandError(row.usage_line()) };
        CommandError(format!("\"{word}\" is none of {}; it is {}", words.join(", "), row.usage_line()))
    };
    Ok(match row.name {
        "model" => Command::Model(named()),
        "models" => Command::Models,
        "think" => Command::Thinking(argument.map(str::to_lowercase)),
        "reasoning" => Command::Reasoning(parse_choice(argument, ReasoningDisplay::from_name, no_word)?),
        "status" => Command::Status,
        "usage" => Command::Usage(parse_choice(argument, UsageFooter::from_name, no_word)?),
        "new" => Command::New(named()),
        "reset" => Command::Reset,
        "compact" => Command::Compact,
        "stop" => Command::Stop,
        "help" => Command::Help,
        "quit" => Command::Quit,
        name => return Err(unknown_command_error(name)),
    })
}

fn parse_choice<T>(
    argument: Option<&str>,
    from_word: impl Fn(&str) -> Option<T>,
    no_word: impl Fn(&str) -> CommandError,
) -> Result<Option<T>, CommandError> {
    argument.map(|word| from_word(&word.to_lowercase()).ok_or_else(|| no_word(word))).transpose()
}

fn unknown_command_error(name: &str) -> CommandError {
    let near = find_nearest(&name.to_lowercase(), COMMANDS.iter().map(|row| row.name));
    let near = near.map_or_else(|| "/help lists them".to_owned(), |near| format!("did you mean /{near}?"));
    let first: String = name.chars().take(40).collect();
    CommandError(format!("no command /{first} ({near}); start a message with // to send a slash: //{first}"))
}

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
    command("model", "[NAME|default]", "show or set the model of this session", ArgumentKind::Model),
    command("models", "", "list models, aliases and routes", ArgumentKind::NoArgument),
    command("think", "[LEVEL|default]", "show or set the thinking level", ArgumentKind::ThinkingLevel),
    command("reasoning", "[on|off|stream]", "show thinking before the answer, never, or as it streams", {
        ArgumentKind::Choice(&ReasoningDisplay::NAMES)
    }),
    command("status", "", "model, key, fallbacks, tokens, cost, context", ArgumentKind::NoArgument),
    command(
        "usage",
        "[off|tokens|full|cost]",
        "set the line below each answer; cost: also print the totals",
        ArgumentKind::Choice(&UsageFooter::NAMES),
    ),
    command("new", "[MODEL]", "begin another session", ArgumentKind::Model),
    command("reset", "", "reset the context of this session", ArgumentKind::NoArgument),
    command("compact", "", "replace the conversation with a summary", ArgumentKind::NoArgument),
    command("stop", "", "stop the current answer (also Ctrl-C)", ArgumentKind::NoArgument),
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

#[cfg(test)]
mod tests;
