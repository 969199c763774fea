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
    /// Shown before the answer, once complete.
    On,
    /// Hidden.
    #[default]
    Off,
    /// Streamed.
    Stream,
}

impl ReasoningDisplay {
    const ALL: [Self; 3] = [Self::On, Self::Off, Self::Stream];
    /// The names, in the order of the variants.
    pub const NAMES: [&str; 3] = ["on", "off", "stream"];

    /// The name that users type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }
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

impl UsageFooter {
    const ALL: [Self; 4] = [Self::Off, Self::Tokens, Self::Full, Self::Cost];
    /// The names, in the order of the variants.
    pub const NAMES: [&str; 4] = ["off", "tokens", "full", "cost"];

    /// The name that users type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
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
    let spec = CommandSpec::find(name).ok_or_else(|| unknown_command_error(name))?;
    let argument = words.next();
    if words.next().is_some() || (argument.is_some() && spec.argument == ArgumentKind::NoArgument) {
        return Err(CommandError(format!("too many words; it is {}", spec.usage_line())));
    }
    match ((spec.parse)(argument), spec.argument) {
        (Some(command), _) => Ok(Input::Command(command)),
        (None, ArgumentKind::Choice(words)) => {
            let (argument, words) = (argument.unwrap_or_default(), words.join(", "));
            Err(CommandError(format!("\"{argument}\" is none of {words}; it is {}", spec.usage_line())))
        }
        (None, _) => Err(CommandError(spec.usage_line())),
    }
}

/// The value with this name, in any case; `None` for another name.
fn parse_choice<T: Copy>(argument: Option<&str>, names: &[&str], values: &[T]) -> Option<Option<T>> {
    let Some(argument) = argument else { return Some(None) };
    let index = names.iter().position(|name| name.eq_ignore_ascii_case(argument))?;
    values.get(index).map(|value| Some(*value))
}

fn unknown_command_error(name: &str) -> CommandError {
    let near = find_nearest(&name.to_lowercase(), COMMANDS.iter().map(|spec| spec.name));
    let near = near.map_or_else(|| "/help lists them".to_owned(), |near| format!("did you mean /{near}?"));
    let first: String = name.chars().take(40).collect();
    CommandError(format!("no command /{first} ({near}); start a message with // to send a slash: //{first}"))
}

/// The argument of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    /// None.
    NoArgument,
    /// A model's name, alias or route.
    Model,
    /// A thinking level of the model.
    ThinkingLevel,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// A command.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// Without the slash.
    pub name: &'static str,
    /// Another name.
    alias: &'static str,
    /// As the help shows them; empty if there are none.
    pub arguments: &'static str,
    /// One line.
    pub help: &'static str,
    /// For completion.
    pub argument: ArgumentKind,
    /// `None` for an argument that is none of the choices.
    parse: fn(Option<&str>) -> Option<Command>,
}

/// All commands, in the order of the help.
pub const COMMANDS: &[CommandSpec] = &[
    command(
        "model",
        "[NAME|default]",
        "show or set the model of this session",
        ArgumentKind::Model,
        |word| Some(Command::Model(word.map(str::to_owned))),
    ),
    plain("models", "list models, aliases and routes", |_| Some(Command::Models)),
    command(
        "think",
        "[LEVEL|default]",
        "show or set the thinking level",
        ArgumentKind::ThinkingLevel,
        |word| Some(Command::Thinking(word.map(str::to_lowercase))),
    ),
    command(
        "reasoning",
        "[on|off|stream]",
        "show thinking before the answer, never, or as it streams",
        ArgumentKind::Choice(&ReasoningDisplay::NAMES),
        |word| parse_choice(word, &ReasoningDisplay::NAMES, &ReasoningDisplay::ALL).map(Command::Reasoning),
    ),
    plain("status", "model, key, fallbacks, tokens, cost, context", |_| Some(Command::Status)),
    command(
        "usage",
        "[off|tokens|full|cost]",
        "set the line below each answer; cost: also print the totals",
        ArgumentKind::Choice(&UsageFooter::NAMES),
        |word| parse_choice(word, &UsageFooter::NAMES, &UsageFooter::ALL).map(Command::Usage),
    ),
    command("new", "[MODEL]", "begin another session", ArgumentKind::Model, |word| {
        Some(Command::New(word.map(str::to_owned)))
    }),
    plain("reset", "reset the context of this session", |_| Some(Command::Reset)),
    plain("compact", "replace the conversation with a summary", |_| Some(Command::Compact)),
    plain("stop", "stop the current answer (also Ctrl-C)", |_| Some(Command::Stop)),
    plain("help", "this list", |_| Some(Command::Help)),
    CommandSpec { alias: "exit", ..plain("quit", "leave (Ctrl-D does too)", |_| Some(Command::Quit)) },
];

const fn command(
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    argument: ArgumentKind,
    parse: fn(Option<&str>) -> Option<Command>,
) -> CommandSpec {
    CommandSpec { name, alias: name, arguments, help, argument, parse }
}

const fn plain(
    name: &'static str,
    help: &'static str,
    parse: fn(Option<&str>) -> Option<Command>,
) -> CommandSpec {
    command(name, "", help, ArgumentKind::NoArgument, parse)
}

impl CommandSpec {
    /// The command with this name, in any case.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        COMMANDS
            .iter()
            .find(|spec| [spec.name, spec.alias].iter().any(|known| known.eq_ignore_ascii_case(name)))
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
