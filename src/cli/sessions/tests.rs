use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;
use crate::assistant::transcript::currency::Currency;
use crate::assistant::transcript::{
    AnswerCosts, AnswerUsage, AssistantMessage, ContentBlock, StopReason, TranscriptMessage,
};
use crate::cli::console::tests::{Desk, told};
use crate::config::settings::Reference;
use crate::protocol::amount::Amount;

fn sessions(desk: &Desk) -> SessionStore {
    SessionStore::new(&desk.home.path().join(".local/state/moonrelay"))
}

fn user(text: &str) -> TranscriptMessage {
    TranscriptMessage::User { content: vec![ContentBlock::Text { text: text.to_owned() }], timestamp: 1 }
}

fn answer(
    content: Vec<ContentBlock>,
    cost: Option<(&str, &str)>,
    stop_reason: StopReason,
) -> TranscriptMessage {
    let cost = cost.map(|(total, currency)| AnswerCosts {
        total: Amount::parse(total).unwrap(),
        currency: Currency::parse(currency).unwrap(),
        ..AnswerCosts::default()
    });
    let usage =
        AnswerUsage { input: 600, output: 200, cache_read: 400, cache_write: 0, total_tokens: 1200, cost };
    TranscriptMessage::Assistant(Box::new(AssistantMessage {
        content,
        api: "anthropic-messages".to_owned(),
        provider: "moonshot".to_owned(),
        model: "kimi-k2.6".to_owned(),
        usage: Some(usage),
        stop_reason,
        error_message: (stop_reason == StopReason::Error).then(|| "overloaded".to_owned()),
        timestamp: 2,
        response_id: None,
    }))
}

fn text(text: &str) -> ContentBlock {
    ContentBlock::Text { text: text.to_owned() }
}

/// Two sessions, one of them with everything that a session can have, and two files that are none.
async fn desk() -> Desk {
    let desk = Desk::empty();
    let sessions = sessions(&desk);
    let mut first = sessions.lock("first-1", || {}).await.unwrap();
    first.set_model(&Reference::parse("moonshot/kimi-k2.6").unwrap()).unwrap();
    first.set_model(&Reference { provider: String::new(), model: "default".to_owned() }).unwrap();
    first.set_thinking("high").unwrap();
    first.append_message(user("What is `a`?\n\x1b[2J\tIt is")).unwrap();
    let thinking = ContentBlock::Thinking { thinking: "hm".to_owned(), thinking_signature: None };
    let call = ContentBlock::ToolCall {
        id: "1".to_owned(),
        name: "web_search".to_owned(),
        arguments: json!({"query": "a`b"}),
    };
    first
        .append_message(answer(vec![thinking, call], Some(("0.001434", "USD")), StopReason::ToolUse))
        .unwrap();
    first
        .append_message(TranscriptMessage::ToolResult {
            tool_call_id: "1".to_owned(),
            tool_name: "web_search".to_owned(),
            content: vec![text("found")],
            is_error: false,
            timestamp: 3,
        })
        .unwrap();
    first.append_message(answer(vec![text("# A letter")], Some(("0.02", "CNY")), StopReason::Stop)).unwrap();
    first.compact("They spoke of a.", 1800).unwrap();
    first.append_message(user("And b?")).unwrap();
    first.append_message(answer(vec![text("Anoth")], None, StopReason::Error)).unwrap();
    drop(first);
    let mut second = sessions.lock("second", || {}).await.unwrap();
    second.append_message(user("hi")).unwrap();
    drop(second);
    fs::write(sessions.path("diary"), "Dear diary,\n").unwrap();
    fs::write(sessions.directory().join(".hidden.jsonl"), "x").unwrap();
    // Between turns: a piece that a kill left, and a line of something newer.
    let mut torn = fs::read(sessions.path("first-1")).unwrap();
    torn.extend_from_slice(b"{\"type\":\"label\",\"id\":\"z\"}\n{\"type\":\"mess");
    fs::write(sessions.path("first-1"), torn).unwrap();
    desk
}

fn does(desk: &mut Desk, verb: SessionsCommand, json: bool) -> Result<(), CommandError> {
    execute(verb, &mut desk.console(json))
}

#[tokio::test]
async fn a_list_has_the_session_used_last_first_and_names_what_is_none() {
    let mut desk = desk().await;
    does(&mut desk, SessionsCommand::List, false).unwrap();
    let printed = desk.printed();
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("Id       Begun"), "{printed}");
    assert!(lines[1].starts_with("second   20"), "{printed}");
    assert!(lines[2].starts_with("first-1  20"), "{printed}");
    assert!(
        lines[2].ends_with(
            "2      moonshot/kimi-k2.6  3.60k   0.020000 CNY + 0.001434 USD  What is `a`? ?[2J It is"
        ),
        "{printed}"
    );
    assert_eq!(lines[3], "first-1: 1 line cannot be read; `moonrelay sessions show first-1` says which");
    assert!(
        lines[4].starts_with("diary: ") && lines[4].ends_with("diary.jsonl is no transcript of a session")
    );
    assert_eq!(lines.len(), 5);

    does(&mut desk, SessionsCommand::List, true).unwrap();
    let value = desk.printed_json();
    assert_eq!((&value["count"], &value["sessions"][1]["id"]), (&json!(2), &json!("first-1")));
    let first = &value["sessions"][1];
    assert_eq!((&first["cost"], &first["unpriced"]), (&json!({"CNY": 0.02, "USD": 0.001_434}), &json!(1)));
    assert_eq!((&first["tokens"]["totalTokens"], &first["brokenLines"]), (&json!(3600), &json!(1)));
    assert_eq!(
        (&first["firstWords"], &value["unreadable"][0]["id"]),
        (&json!("What is `a`? \u{1b}[2J It is"), &json!("diary"))
    );
    let long = "many words ".repeat(9);
    drop(sessions(&desk).lock("long", || {}).await.unwrap().append_message(user(&long)));
    does(&mut desk, SessionsCommand::List, false).unwrap();
    let printed = desk.printed();
    assert!(printed.contains("  many words many words many words many w…\n"), "{printed}");

    let mut empty = Desk::empty();
    does(&mut empty, SessionsCommand::List, false).unwrap();
    assert!(empty.printed().starts_with("no sessions in /"), "{}", empty.printed());
    let mut nowhere = Desk { variables: Vec::new(), ..Desk::empty() };
    assert!(told(does(&mut nowhere, SessionsCommand::List, true)).contains("STATE_DIRECTORY"));
}

#[tokio::test]
async fn a_session_is_shown_as_it_was_said_and_no_terminal_obeys_it() {
    let mut desk = desk().await;
    does(&mut desk, SessionsCommand::Show { id: "fir".to_owned(), thinking: false }, false).unwrap();
    let printed = desk.printed();
    let without_moments: Vec<&str> =
        printed.lines().map(|line| if line.starts_with('[') { &line[22..] } else { line }).collect();
    assert!(without_moments[0].starts_with("Session first-1, begun 20"), "{printed}");
    assert_eq!(
        without_moments[1..].join("\n"),
        "2 turns, 3,600 tokens, 0.020000 CNY + 0.001434 USD, no price known of 1 answer\n\n\
         model: moonshot/kimi-k2.6\n\n\
         model: default\n\n\
         thinking: high\n\n\
         you\n  What is `a`?\n  ?[2J    It is\n\n\
         moonshot/kimi-k2.6 (600 in, 400 cached, 200 out, 0.001434 USD)\n  calls web_search with {\"query\":\"a`b\"}\n\n\
         result of web_search\n  found\n\n\
         moonshot/kimi-k2.6 (600 in, 400 cached, 200 out, 0.020000 CNY)\n  # A letter\n\n\
         what stands above (1,800 tokens) is told again as\n  They spoke of a.\n\n\
         you\n  And b?\n\n\
         moonshot/kimi-k2.6 (600 in, 400 cached, 200 out, no price known)\n  Anoth\n  (failed: overloaded)\n\n\
         Not shown: 1 line that cannot be read (number 13).\n\n\
         Not shown: 1 line of kinds that are not known here."
    );
    does(&mut desk, SessionsCommand::Show { id: "first-1".to_owned(), thinking: true }, false).unwrap();
    assert!(desk.printed().contains("\n  (thinking)\n  hm\n  calls web_search"), "{}", desk.printed());

    does(&mut desk, SessionsCommand::Show { id: "first-1".to_owned(), thinking: false }, true).unwrap();
    let value = desk.printed_json();
    assert_eq!(
        (&value["turns"], &value["brokenLines"], &value["otherLines"]),
        (&json!(2), &json!([13]), &json!(1))
    );
    assert_eq!(value["entries"][4]["message"]["content"][0]["thinking"], "hm");
}

#[tokio::test]
async fn an_id_may_be_cut_where_it_is_still_one() {
    let mut desk = desk().await;
    let mut shown =
        |id: &str| told(does(&mut desk, SessionsCommand::Show { id: id.to_owned(), thinking: false }, false));
    let why = shown("secnod");
    assert!(why.contains("unknown_session") && why.contains(r#"(did you mean \"second\"?)"#), "{why}");
    assert!(shown("../x").contains("is no id of a session"));
    assert!(shown("diary").contains("is no transcript of a session"));
    drop(sessions(&desk).lock("second-2", || {}).await.unwrap().append_message(user("x")));
    // The whole id of one goes before the beginning of others.
    does(&mut desk, SessionsCommand::Show { id: "second".to_owned(), thinking: false }, false).unwrap();
    let why = told(does(&mut desk, SessionsCommand::Show { id: "sec".to_owned(), thinking: false }, false));
    assert!(
        why.contains("ambiguous_session") && why.contains("second, second-2; give more of the id"),
        "{why}"
    );
}

fn export(desk: &mut Desk, options: &[&str], json: bool) -> Result<(), CommandError> {
    use clap::Parser;
    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: export::Args,
    }
    let args = Command::try_parse_from([&["export"], options].concat()).unwrap().args;
    does(desk, SessionsCommand::Export(args), json)
}

#[tokio::test]
async fn a_session_is_exported_whole_and_over_nothing() {
    let mut desk = desk().await;
    export(&mut desk, &["first-1", "--thinking"], false).unwrap();
    let printed = desk.printed();
    let (begin, rest) = printed.split_once(". 2 turns").unwrap();
    assert!(begin.starts_with("# Session first-1\n\nBegun 20"), "{printed}");
    assert_eq!(
        rest,
        ", 3,600 tokens, 0.020000 CNY + 0.001434 USD, no price known of 1 answer.\n\n\
         *Model: `moonshot/kimi-k2.6`*\n\n*Model: `default`*\n\n*Thinking: high*\n\n## You\n\nWhat is `a`?\n?[2J\tIt is\n\n\
         ## moonshot/kimi-k2.6\n\n> hm\n\nCalls `web_search` with `` {\"query\":\"a`b\"} ``\n\n\
         *600 in, 400 cached, 200 out, 0.001434 USD*\n\n### Result of `web_search`\n\nfound\n\n\
         ## moonshot/kimi-k2.6\n\n# A letter\n\n*600 in, 400 cached, 200 out, 0.020000 CNY*\n\n\
         ## Summary of what stands above\n\nThey spoke of a.\n\n## You\n\nAnd b?\n\n\
         ## moonshot/kimi-k2.6\n\nAnoth\n\n*(failed: overloaded)*\n\n\
         *600 in, 400 cached, 200 out, no price known*\n\n\
         *Not shown: 1 line that cannot be read (number 13).*\n\n\
         *Not shown: 1 line of kinds that are not known here.*\n"
    );

    let file = desk.home.path().join("out.jsonl");
    let path = file.to_str().unwrap().to_owned();
    let options = ["first-1", "--format", "jsonl", "--output", &path];
    export(&mut desk, &options, true).unwrap();
    assert_eq!(desk.printed_json()["brokenLines"], json!([13]));
    let lines = fs::read_to_string(&file).unwrap();
    let stored = fs::read_to_string(sessions(&desk).path("first-1")).unwrap();
    assert_eq!(stored.strip_prefix(&lines), Some("{\"type\":\"mess"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    fs::write(&file, "mine").unwrap();
    let why = told(export(&mut desk, &options, false));
    assert!(why.contains("file_exists") && why.contains("--force"), "{why}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    export(&mut desk, &[&options[..], &["--force"]].concat(), false).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), lines);
    let left = fs::read_dir(desk.home.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().ends_with(".tmp"));
    assert_eq!(left.count(), 0);
    assert!(
        told(export(&mut desk, &["first-1", "-o", "/nowhere/x"], false)).contains("cannot write /nowhere/x")
    );
}

#[tokio::test]
async fn sessions_are_deleted_all_or_none_and_never_unasked() {
    let mut desk = desk().await;
    let kept = sessions(&desk);
    let mut delete = |ids: &[&str], yes: bool, json: bool| {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let outcome = does(&mut desk, SessionsCommand::Delete { ids, yes }, json);
        (outcome.map_err(|ending| format!("{ending:?}")), String::from_utf8(desk.output.clone()).unwrap())
    };
    let why = delete(&["second"], false, false).0.unwrap_err();
    assert!(why.contains("give --yes") && why.contains("code: 2"), "{why}");
    let why = delete(&["second", "thrid", "frist-1"], true, false).0.unwrap_err();
    assert!(why.contains("nothing was deleted") && why.contains("thrid") && why.contains("first-1"), "{why}");
    let turn = kept.lock("second", || {}).await.unwrap();
    let why = delete(&["second", "fir"], true, false).0.unwrap_err();
    assert!(why.contains("a turn holds session second") && why.contains("(deleted: first-1)"), "{why}");
    drop(turn);
    let (outcome, printed) = delete(&["second", "sec"], true, true);
    outcome.unwrap();
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed, json!({"ok": true, "deleted": ["second"]}));
    assert_eq!(kept.ids().unwrap(), ["diary"]);
    delete(&["diary"], true, false).0.unwrap();
}
