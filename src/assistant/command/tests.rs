use super::*;

fn message(text: &str) -> Result<Input, CommandError> {
    Ok(Input::Message(text.to_owned()))
}

fn command(command: Command) -> Result<Input, CommandError> {
    Ok(Input::Command(command))
}

#[test]
fn slash_is_a_command_and_two_slashes_are_a_message() {
    assert_eq!(parse_input("  \n"), Ok(Input::Empty));
    assert_eq!(parse_input("Hello, 世界 "), message("Hello, 世界"));
    assert_eq!(parse_input("    indented\n\n"), message("    indented"));
    assert_eq!(parse_input("1/2?"), message("1/2?"));
    assert_eq!(parse_input("//etc/hosts is what?"), message("/etc/hosts is what?"));
    assert_eq!(parse_input(" /etc/hosts is what?"), message("/etc/hosts is what?"));
    assert_eq!(parse_input("/model"), command(Command::Model(None)));
    assert_eq!(parse_input("/MODEL Kimi "), command(Command::Model(Some("Kimi".to_owned()))));
    assert_eq!(parse_input("/think High"), command(Command::Thinking(Some("high".to_owned()))));
    assert_eq!(parse_input("/reasoning STREAM"), command(Command::Reasoning(Some(ReasoningDisplay::Stream))));
    assert_eq!(parse_input("/usage cost"), command(Command::Usage(Some(UsageFooter::Cost))));
    assert_eq!(parse_input("/new"), command(Command::New(None)));
    assert_eq!(parse_input("/exit"), command(Command::Quit));
}

#[test]
fn unknown_command_is_an_error_with_the_nearest_name() {
    let wrong = |typed| parse_input(typed).unwrap_err().0;
    assert_eq!(
        wrong("/modle kimi"),
        "no command /modle (did you mean /model?); start a message with // to send a slash: //modle"
    );
    assert!(wrong("/etc/hosts is what?").starts_with("no command /etc/hosts (/help lists them);"));
    assert!(wrong("/").starts_with("no command / "));
    assert!(wrong("/ model").starts_with("no command / "));
    assert_eq!(wrong("/stop it"), "too many words; it is /stop");
    assert_eq!(wrong("/model kimi k3"), "too many words; it is /model [NAME|default]");
    assert_eq!(
        wrong("/reasoning loud"),
        "\"loud\" is none of on, off, stream; it is /reasoning [on|off|stream]"
    );
}

#[test]
fn every_command_is_parsed_with_every_choice() {
    for row in COMMANDS {
        let words: &[&str] = match row.argument {
            ArgumentKind::NoArgument => &[],
            ArgumentKind::Model | ArgumentKind::ThinkingLevel => &["default"],
            ArgumentKind::Choice(words) => words,
        };
        let lines = words.iter().map(|word| format!("/{} {word}", row.name));
        for line in lines.chain([format!("/{}", row.name)]) {
            assert!(matches!(parse_input(&line), Ok(Input::Command(_))), "{line}");
        }
        assert_eq!(row.arguments.is_empty(), row.argument == ArgumentKind::NoArgument, "{}", row.name);
    }
    assert_eq!(ReasoningDisplay::ALL.map(ReasoningDisplay::as_str), ReasoningDisplay::NAMES);
    assert_eq!(UsageFooter::ALL.map(UsageFooter::as_str), UsageFooter::NAMES);
}
