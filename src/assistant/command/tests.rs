use super::*;

fn message(text: &str) -> Result<Typed, Wrong> {
    Ok(Typed::Message(text.to_owned()))
}

fn command(command: Command) -> Result<Typed, Wrong> {
    Ok(Typed::Command(command))
}

#[test]
fn a_slash_makes_a_command_and_two_make_a_message() {
    assert_eq!(read("  \n"), Ok(Typed::Nothing));
    assert_eq!(read("Hello, 世界 "), message("Hello, 世界"));
    assert_eq!(read("    indented\n\n"), message("    indented"));
    assert_eq!(read("1/2?"), message("1/2?"));
    assert_eq!(read("//etc/hosts is what?"), message("/etc/hosts is what?"));
    assert_eq!(read(" /etc/hosts is what?"), message("/etc/hosts is what?"));
    assert_eq!(read("/model"), command(Command::Model(None)));
    assert_eq!(read("/MODEL Kimi "), command(Command::Model(Some("Kimi".to_owned()))));
    assert_eq!(read("/think High"), command(Command::Think(Some("high".to_owned()))));
    assert_eq!(read("/reasoning STREAM"), command(Command::Reasoning(Some(Reasoning::Stream))));
    assert_eq!(read("/usage cost"), command(Command::Usage(Some(Footer::Cost))));
    assert_eq!(read("/new"), command(Command::New(None)));
    assert_eq!(read("/exit"), command(Command::Quit));
}

#[test]
fn what_is_no_command_is_an_error_with_the_nearest() {
    let wrong = |typed| read(typed).unwrap_err().0;
    assert_eq!(
        wrong("/modle kimi"),
        "no command /modle (did you mean /model?); a message that begins with a slash is written //modle"
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
fn every_row_is_understood_with_all_that_it_offers() {
    for row in TABLE {
        let words: &[&str] = match row.takes {
            Takes::Nothing => &[],
            Takes::Model | Takes::Level => &["default"],
            Takes::Words(words) => words,
        };
        let lines = words.iter().map(|word| format!("/{} {word}", row.name));
        for line in lines.chain([format!("/{}", row.name)]) {
            assert!(matches!(read(&line), Ok(Typed::Command(_))), "{line}");
        }
        assert_eq!(row.arguments.is_empty(), row.takes == Takes::Nothing, "{}", row.name);
    }
    for word in Reasoning::WORDS {
        assert_eq!(Reasoning::from_word(word).unwrap().word(), word);
    }
    for word in Footer::WORDS {
        assert_eq!(Footer::from_word(word).unwrap().word(), word);
    }
}
