use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;
use crate::assistant::transcript::Currency;
use crate::assistant::transcript::{
    AnswerCosts, AnswerUsage, AssistantMessage, ContentBlock, StopReason, TranscriptMessage,
};
use crate::cli::command::tests::{TestHome, error_text};
use crate::config::settings::Reference;
use crate::protocol::amount::Amount;

fn sessions(home: &TestHome) -> SessionStore {
    SessionStore::new(&home.home.path().join(".local/state/moonrelay"))
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

/// Two sessions, one of them with every kind of entry, and two files that are not sessions.
async fn sample_sessions() -> TestHome {
    let home = TestHome::empty();
    let sessions = sessions(&home);
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
    // An incomplete line of a killed process, and a line of an unknown kind.
    let mut torn = fs::read(sessions.path("first-1")).unwrap();
    torn.extend_from_slice(b"{\"type\":\"label\",\"id\":\"z\"}\n{\"type\":\"mess");
    fs::write(sessions.path("first-1"), torn).unwrap();
    home
}

async fn run_command(home: &mut TestHome, command: SessionsCommand, json: bool) -> Result<(), CommandError> {
    execute(command, &mut home.context(json)).await
}

#[tokio::test]
async fn list_is_sorted_by_last_use_and_reports_unreadable_files() {
    let mut home = sample_sessions().await;
    run_command(&mut home, SessionsCommand::List, false).await.unwrap();
    let printed = home.printed();
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("Id       Started"), "{printed}");
    assert!(lines[1].starts_with("second   20"), "{printed}");
    assert!(lines[2].starts_with("first-1  20"), "{printed}");
    assert!(
        lines[2].ends_with(
            "2      moonshot/kimi-k2.6  3.60k   0.020000 CNY + 0.001434 USD  What is `a`? ␛[2J It is"
        ),
        "{printed}"
    );
    assert_eq!(lines[3], "first-1: 1 line cannot be read; see `moonrelay sessions show first-1`");
    assert!(
        lines[4].starts_with("diary: ") && lines[4].ends_with("diary.jsonl is not a transcript of a session")
    );
    assert_eq!(lines.len(), 5);

    run_command(&mut home, SessionsCommand::List, true).await.unwrap();
    let value = home.printed_json();
    assert_eq!((&value["count"], &value["sessions"][1]["id"]), (&json!(2), &json!("first-1")));
    let first = &value["sessions"][1];
    assert_eq!((&first["cost"], &first["unpriced"]), (&json!({"CNY": 0.02, "USD": 0.001_434}), &json!(1)));
    assert_eq!((&first["tokens"]["totalTokens"], &first["brokenLines"]), (&json!(3600), &json!(1)));
    assert_eq!(
        (&first["firstWords"], &value["unreadable"][0]["id"]),
        (&json!("What is `a`? \u{1b}[2J It is"), &json!("diary"))
    );
    let long = "many words ".repeat(9);
    drop(sessions(&home).lock("long", || {}).await.unwrap().append_message(user(&long)));
    run_command(&mut home, SessionsCommand::List, false).await.unwrap();
    let printed = home.printed();
    assert!(printed.contains("  many words many words many words many w…\n"), "{printed}");

    let mut empty = TestHome::empty();
    run_command(&mut empty, SessionsCommand::List, false).await.unwrap();
    assert!(empty.printed().starts_with("no sessions in /"), "{}", empty.printed());
    let mut nowhere = TestHome { variables: Vec::new(), ..TestHome::empty() };
    assert!(
        error_text(run_command(&mut nowhere, SessionsCommand::List, true).await).contains("STATE_DIRECTORY")
    );
}

#[tokio::test]
async fn session_is_shown_with_control_characters_replaced() {
    let mut home = sample_sessions().await;
    run_command(&mut home, SessionsCommand::Show { id: "fir".to_owned(), thinking: false }, false)
        .await
        .unwrap();
    let printed = home.printed();
    let without_times: Vec<&str> =
        printed.lines().map(|line| if line.starts_with('[') { &line[22..] } else { line }).collect();
    assert!(without_times[0].starts_with("Session first-1, started 20"), "{printed}");
    assert_eq!(
        without_times[1..].join("\n"),
        "2 turns, 0.020000 CNY + 0.001434 USD, 3.60k tokens, no price for 1 answer\n\n\
         Model: moonshot/kimi-k2.6\n\n\
         Model: default\n\n\
         Thinking: high\n\n\
         You\n  What is `a`?\n  ␛[2J    It is\n\n\
         moonshot/kimi-k2.6 (600 in, 400 cached, 200 out, 0.001434 USD)\n  calls web_search with {\"query\":\"a`b\"}\n\n\
         Result of web_search\n  found\n\n\
         moonshot/kimi-k2.6 (600 in, 400 cached, 200 out, 0.020000 CNY)\n  # A letter\n\n\
         Summary of the conversation above (1,800 tokens)\n  They spoke of a.\n\n\
         You\n  And b?\n\n\
         moonshot/kimi-k2.6 (600 in, 400 cached, 200 out, no price)\n  Anoth\n  (failed: overloaded)\n\n\
         Not shown: 1 unreadable line (number 13).\n\n\
         Not shown: 1 line of an unknown kind."
    );
    run_command(&mut home, SessionsCommand::Show { id: "first-1".to_owned(), thinking: true }, false)
        .await
        .unwrap();
    assert!(home.printed().contains("\n  (thinking)\n  hm\n  calls web_search"), "{}", home.printed());

    run_command(&mut home, SessionsCommand::Show { id: "first-1".to_owned(), thinking: false }, true)
        .await
        .unwrap();
    let value = home.printed_json();
    assert_eq!(
        (&value["turns"], &value["brokenLines"], &value["otherLines"]),
        (&json!(2), &json!([13]), &json!(1))
    );
    assert_eq!(value["entries"][4]["message"]["content"][0]["thinking"], "hm");
}

#[tokio::test]
async fn unique_prefix_selects_a_session() {
    let mut home = sample_sessions().await;
    let mut shown = async |id: &str| {
        error_text(
            run_command(&mut home, SessionsCommand::Show { id: id.to_owned(), thinking: false }, false).await,
        )
    };
    let why = shown("secnod").await;
    assert!(why.contains("unknown_session") && why.contains(r#"(did you mean \"second\"?)"#), "{why}");
    assert!(shown("../x").await.contains("is not a session id"));
    assert!(shown("diary").await.contains("is not a transcript of a session"));
    drop(sessions(&home).lock("second-2", || {}).await.unwrap().append_message(user("x")));
    // A full id wins over a prefix of another.
    run_command(&mut home, SessionsCommand::Show { id: "second".to_owned(), thinking: false }, false)
        .await
        .unwrap();
    let why = error_text(
        run_command(&mut home, SessionsCommand::Show { id: "sec".to_owned(), thinking: false }, false).await,
    );
    assert!(
        why.contains("ambiguous_session") && why.contains("second, second-2. Use a longer prefix."),
        "{why}"
    );
}

async fn export(home: &mut TestHome, options: &[&str], json: bool) -> Result<(), CommandError> {
    use clap::Parser;
    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: export::Args,
    }
    let args = Command::try_parse_from([&["export"], options].concat()).unwrap().args;
    run_command(home, SessionsCommand::Export(args), json).await
}

#[tokio::test]
async fn export_is_complete_and_replaces_no_file_without_force() {
    let mut home = sample_sessions().await;
    export(&mut home, &["first-1", "--thinking"], false).await.unwrap();
    let printed = home.printed();
    let (begin, rest) = printed.split_once(". 2 turns").unwrap();
    assert!(begin.starts_with("# Session first-1\n\nStarted 20"), "{printed}");
    assert_eq!(
        rest,
        ", 0.020000 CNY + 0.001434 USD, 3.60k tokens, no price for 1 answer.\n\n\
         *Model: `moonshot/kimi-k2.6`*\n\n*Model: `default`*\n\n*Thinking: high*\n\n## You\n\nWhat is `a`?\n␛[2J\tIt is\n\n\
         ## moonshot/kimi-k2.6\n\n> hm\n\nCalls `web_search` with `` {\"query\":\"a`b\"} ``\n\n\
         *600 in, 400 cached, 200 out, 0.001434 USD*\n\n### Result of `web_search`\n\nfound\n\n\
         ## moonshot/kimi-k2.6\n\n# A letter\n\n*600 in, 400 cached, 200 out, 0.020000 CNY*\n\n\
         ## Summary of the conversation above (1,800 tokens)\n\nThey spoke of a.\n\n## You\n\nAnd b?\n\n\
         ## moonshot/kimi-k2.6\n\nAnoth\n\n*(failed: overloaded)*\n\n\
         *600 in, 400 cached, 200 out, no price*\n\n\
         *Not shown: 1 unreadable line (number 13).*\n\n\
         *Not shown: 1 line of an unknown kind.*\n"
    );

    let file = home.home.path().join("out.jsonl");
    let path = file.to_str().unwrap().to_owned();
    let options = ["first-1", "--format", "jsonl", "--output", &path];
    export(&mut home, &options, true).await.unwrap();
    assert_eq!(home.printed_json()["brokenLines"], json!([13]));
    let lines = fs::read_to_string(&file).unwrap();
    let stored = fs::read_to_string(sessions(&home).path("first-1")).unwrap();
    assert_eq!(stored.strip_prefix(&lines), Some("{\"type\":\"mess"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    fs::write(&file, "mine").unwrap();
    let why = error_text(export(&mut home, &options, false).await);
    assert!(why.contains("file_exists") && why.contains("--force"), "{why}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    export(&mut home, &[&options[..], &["--force"]].concat(), false).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), lines);
    let left = fs::read_dir(home.home.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().ends_with(".tmp"));
    assert_eq!(left.count(), 0);
    assert!(
        error_text(export(&mut home, &["first-1", "-o", "/nowhere/x"], false).await)
            .contains("cannot write /nowhere/x")
    );
}

#[tokio::test]
async fn deletion_needs_confirmation_and_existing_sessions() {
    let mut home = sample_sessions().await;
    let kept = sessions(&home);
    let mut delete = async |ids: &[&str], yes: bool, json: bool| {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let outcome = run_command(&mut home, SessionsCommand::Delete { ids, yes }, json).await;
        (outcome.map_err(|ending| format!("{ending:?}")), String::from_utf8(home.output.clone()).unwrap())
    };
    let why = delete(&["second"], false, false).await.0.unwrap_err();
    assert!(why.contains("use --yes") && why.contains("code: 2"), "{why}");
    let why = delete(&["second", "thrid", "frist-1"], true, false).await.0.unwrap_err();
    assert!(why.contains("nothing was deleted") && why.contains("thrid") && why.contains("first-1"), "{why}");
    let turn = kept.lock("second", || {}).await.unwrap();
    let why = delete(&["second", "fir"], true, false).await.0.unwrap_err();
    assert!(why.contains("a turn uses session second") && why.contains("(deleted: first-1)"), "{why}");
    drop(turn);
    let (outcome, printed) = delete(&["second", "sec"], true, true).await;
    outcome.unwrap();
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed, json!({"ok": true, "deleted": ["second"]}));
    assert_eq!(kept.ids().unwrap(), ["diary"]);
    delete(&["diary"], true, false).await.0.unwrap();
}
