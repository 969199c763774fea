mod kills;
mod tears;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;
use crate::assistant::transcript::{AnswerCosts, AnswerUsage, AssistantMessage, ContentBlock};
use crate::protocol::amount::Amount;

fn sessions() -> (tempfile::TempDir, SessionStore) {
    let home = tempfile::tempdir().unwrap();
    let sessions = SessionStore::new(home.path());
    (home, sessions)
}

async fn held(sessions: &SessionStore) -> Session {
    sessions.lock("t1", || panic!("it is locked")).await.unwrap()
}

fn text(text: &str) -> Vec<ContentBlock> {
    vec![ContentBlock::Text { text: text.to_owned() }]
}

fn user(words: &str) -> TranscriptMessage {
    TranscriptMessage::User { content: text(words), timestamp: 1 }
}

fn said(content: Vec<ContentBlock>, stop_reason: StopReason) -> TranscriptMessage {
    TranscriptMessage::Assistant(Box::new(AssistantMessage {
        content,
        api: "anthropic-messages".to_owned(),
        provider: "kimi".to_owned(),
        model: "kimi-for-coding".to_owned(),
        usage: None,
        stop_reason,
        error_message: None,
        timestamp: 2,
        response_id: None,
    }))
}

fn call(id: &str) -> ContentBlock {
    ContentBlock::ToolCall {
        id: id.to_owned(),
        name: "web_search".to_owned(),
        arguments: json!({"query": "x"}),
    }
}

fn result(id: &str) -> TranscriptMessage {
    TranscriptMessage::ToolResult {
        tool_call_id: id.to_owned(),
        tool_name: "web_search".to_owned(),
        content: text("found"),
        is_error: false,
        timestamp: 3,
    }
}

fn answer(words: &str) -> TranscriptMessage {
    said(text(words), StopReason::Stop)
}

#[tokio::test]
async fn session_is_unchanged_when_locked_again() {
    let (home, sessions) = sessions();
    let model = Reference::parse("moonshot/kimi-k2.6").unwrap();
    let mut session = held(&sessions).await;
    session.set_model(&model).unwrap();
    session.set_thinking("high").unwrap();
    session.append_message(user("hi")).unwrap();
    session.append_message(answer("hello")).unwrap();
    let spoken = session.conversation();
    assert_eq!(spoken, [user("hi"), answer("hello")]);
    drop(session);
    // One that knows what it read, and one that does not.
    for sessions in [sessions.clone(), SessionStore::new(home.path())] {
        let session = held(&sessions).await;
        assert_eq!(
            (session.id(), session.model(), session.thinking()),
            ("t1", Some(model.clone()), Some("high"))
        );
        assert_eq!(session.conversation(), spoken);
    }
    let path = home.path().join("sessions/t1.jsonl");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let lines: Vec<serde_json::Value> =
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["session", "model_change", "thinking_level_change", "message", "message"]);
    assert_eq!((&lines[0]["version"], &lines[0]["id"]), (&json!(3), &json!("t1")));
    assert_eq!(lines[1]["parentId"], json!(null));
    for pair in lines[1..].windows(2) {
        assert_eq!(pair[1]["parentId"], pair[0]["id"]);
    }
    let moment: Timestamp = lines[0]["timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(lines[0]["timestamp"], json!(format!("{moment:.3}")));
}

#[tokio::test]
async fn entries_of_other_processes_are_read_when_locked_again() {
    let (home, sessions) = sessions();
    held(&sessions).await.append_message(user("one")).unwrap();
    held(&SessionStore::new(home.path())).await.append_message(answer("two")).unwrap();
    assert_eq!(held(&sessions).await.conversation(), [user("one"), answer("two")]);
    // Another file of that name, which is as long.
    let path = home.path().join("sessions/t1.jsonl");
    let other = fs::read_to_string(&path).unwrap().replace("two", "owt");
    fs::write(&path, other).unwrap();
    assert_eq!(held(&sessions).await.conversation(), [user("one"), answer("owt")]);
}

#[tokio::test]
async fn session_without_messages_leaves_no_file() {
    let (home, sessions) = sessions();
    drop(held(&sessions).await);
    assert_eq!(fs::read_dir(home.path().join("sessions")).unwrap().count(), 0);
}

#[tokio::test]
async fn torn_line_loses_nothing_else() {
    let (home, sessions) = sessions();
    let path = home.path().join("sessions/t1.jsonl");
    let mut session = held(&sessions).await;
    session.append_message(user("one")).unwrap();
    session.append_message(answer("two")).unwrap();
    drop(session);
    let whole = fs::read(&path).unwrap();
    let torn = [&whole[..], br#"{"type":"message","id":"x","parentId":"#].concat();
    fs::write(&path, &torn).unwrap();
    let mut session = held(&SessionStore::new(home.path())).await;
    session.append_message(user("three")).unwrap();
    session.append_message(answer("four")).unwrap();
    assert_eq!(session.conversation(), [user("one"), answer("two"), user("three"), answer("four")]);
    assert_eq!(session.corrupt_lines(), [4]);
    let now = fs::read(&path).unwrap();
    assert!(now.starts_with(&[&torn[..], b"\n{"].concat()));
}

#[tokio::test]
async fn torn_header_is_written_again() {
    let (home, sessions) = sessions();
    let path = home.path().join("sessions/t1.jsonl");
    for torn in [r#"{"ty"#, r#"{"type":"session","version":3,"id":"t"#, "\0\0\0"] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, torn).unwrap();
        held(&sessions).await.append_message(user("one")).unwrap();
        let read = Transcript::from_bytes(&fs::read(&path).unwrap());
        assert_eq!(
            (read.header().unwrap().version, read.entries().len(), read.corrupt_lines()),
            (3, 1, &[1][..])
        );
        assert!(!read.is_foreign_file());
    }
}

#[tokio::test]
async fn other_file_is_not_changed() {
    let (home, sessions) = sessions();
    let path = home.path().join("sessions/t1.jsonl");
    fs::create_dir_all(&path).unwrap();
    let mut why = Vec::new();
    for text in
        [None, Some("Dear diary,\n"), Some("{\"type\":\"session\",\"version\":4,\"new\":[]}\n"), Some("{}")]
    {
        if let Some(text) = text {
            let _ = fs::remove_dir(&path);
            fs::write(&path, text).unwrap();
        }
        why.push(sessions.lock("t1", || {}).await.unwrap_err().to_string());
        assert_eq!(text.map(str::to_owned), fs::read_to_string(&path).ok());
    }
    let path = path.display();
    assert!(why[0].starts_with(&format!("cannot hold {path}: ")), "{why:?}");
    assert!(why[1].starts_with(&format!("cannot continue {path}: it is not a transcript")), "{why:?}");
    assert!(why[2].contains("it is of version 4 (a later Moonrelay or OpenClaw wrote it)"), "{why:?}");
    assert!(why[3].contains("it is not a transcript"), "{why:?}");
    assert!(sessions.lock("../x", || {}).await.unwrap_err().to_string().contains("is not a session id"));
}

#[tokio::test]
async fn unknown_lines_are_kept_and_skipped() {
    let (home, sessions) = sessions();
    let path = home.path().join("sessions/t1.jsonl");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let foreign = concat!(
        r#"{"type":"session","version":3,"id":"t1","timestamp":"2026-11-21T17:48:48.282Z","cwd":"/","new":1}"#,
        "\n",
        r#"{"type":"thinking_level_change","id":"a","parentId":null,"thinkingLevel":"off"}"#,
        "\n",
        r#"{"type":"custom","customType":"model-snapshot","data":{"x":[1]}}"#,
        "\n",
        r#"{"type":"message","id":"b","parentId":"a","timestamp":"x","new":2,"message":{"role":"user","content":"plain","timestamp":1}}"#,
        "\n",
        r#"{"type":"message","id":"c","parentId":"b","timestamp":"x","message":{"role":"assistant","content":[{"type":"image","data":""},{"type":"text","text":"hello","new":3}],"provider":"p","model":"m","usage":{"odd":1},"stopReason":"stop"}}"#,
        "\n",
        r#"{"type":"label","id":"d","parentId":"c","label":"x"}"#,
        "\n",
    );
    fs::write(&path, foreign).unwrap();
    let mut session = held(&sessions).await;
    assert_eq!((session.thinking(), session.usage()), (Some("off"), SessionUsage::default()));
    assert_eq!(session.conversation()[0], user("plain"));
    let TranscriptMessage::Assistant(answer) = &session.conversation()[1] else { panic!() };
    assert_eq!(answer.content, text("hello"));
    session.append_message(user("more")).unwrap();
    assert_eq!((session.unknown_line_count(), session.corrupt_lines()), (2, &[][..]));
    let now = fs::read_to_string(&path).unwrap();
    assert!(now.starts_with(foreign) && now[foreign.len()..].contains(r#""parentId":"d""#), "{now}");
}

#[tokio::test]
async fn only_answered_turns_are_sent_again() {
    let (_home, sessions) = sessions();
    let thinking =
        ContentBlock::Thinking { thinking: "hm".to_owned(), thinking_signature: Some("s".to_owned()) };
    let both = vec![thinking.clone(), ContentBlock::Text { text: "so".to_owned() }, call("1"), call("2")];
    let turns: [(Vec<TranscriptMessage>, Vec<TranscriptMessage>); 7] = [
        // Failed, was stopped, or was killed, with nothing said.
        (vec![user("a"), said(vec![], StopReason::Error)], vec![]),
        (vec![user("b"), said(vec![thinking.clone()], StopReason::Aborted)], vec![]),
        (vec![user("c")], vec![]),
        (vec![user("d"), said(vec![call("1")], StopReason::ToolUse), result("1")], vec![]),
        // With something said.
        (
            vec![user("e"), said(text("par"), StopReason::Aborted)],
            vec![user("e"), said(text("par"), StopReason::Aborted)],
        ),
        // With a call that has no result, and a result that has no call.
        (
            vec![
                user("f"),
                said(both.clone(), StopReason::ToolUse),
                result("2"),
                result("2"),
                result("3"),
                answer("g"),
            ],
            vec![
                user("f"),
                said([&both[..2], &both[3..]].concat(), StopReason::ToolUse),
                result("2"),
                answer("g"),
            ],
        ),
        (
            vec![
                user("h"),
                said(vec![thinking, call("1")], StopReason::ToolUse),
                said(vec![], StopReason::Error),
                answer("i"),
            ],
            vec![user("h"), answer("i")],
        ),
    ];
    let mut expected = Vec::new();
    for (turn, kept) in turns {
        let mut session = held(&sessions).await;
        turn.into_iter().for_each(|message| session.append_message(message).unwrap());
        expected.extend(kept);
    }
    assert_eq!(held(&sessions).await.conversation(), expected);
    let mut session = held(&sessions).await;
    session.compact("they talked", 1200).unwrap();
    assert_eq!((session.conversation(), session.summary()), (vec![], Some("they talked")));
    session.append_message(user("j")).unwrap();
    session.append_message(answer("k")).unwrap();
    assert_eq!(
        (session.conversation(), session.summary()),
        (vec![user("j"), answer("k")], Some("they talked"))
    );
    session.compact("", 1300).unwrap();
    assert_eq!((session.conversation(), session.summary()), (vec![], None));
}

#[tokio::test]
async fn running_turn_is_sent_until_it_ends() {
    let (_home, sessions) = sessions();
    let mut session = held(&sessions).await;
    session.append_message(user("a")).unwrap();
    assert_eq!(session.conversation(), [user("a")]);
    let calls = said(vec![call("1")], StopReason::ToolUse);
    session.append_message(calls.clone()).unwrap();
    assert_eq!(session.conversation(), [user("a")], "a call without its result is not sent");
    session.append_message(result("1")).unwrap();
    assert_eq!(session.conversation(), [user("a"), calls, result("1")]);
    session.append_message(said(vec![], StopReason::Error)).unwrap();
    assert_eq!(session.conversation(), []);
    session.append_message(user("b")).unwrap();
    assert_eq!(session.conversation(), [user("b")]);
}

#[tokio::test]
async fn totals_are_exact_and_currencies_are_not_mixed() {
    let (_home, sessions) = sessions();
    let mut session = held(&sessions).await;
    let amount = |literal: &str| Amount::parse(literal).unwrap();
    let yuan = super::super::transcript::Currency::parse("CNY").unwrap();
    let dollar = AnswerCosts {
        input: amount("0.1"),
        output: amount("0.2"),
        total: amount("0.3"),
        ..AnswerCosts::default()
    };
    let costs =
        [Some(dollar), Some(AnswerCosts { currency: yuan, ..dollar }), None, Some(dollar), Some(dollar)];
    for cost in costs {
        let spent = AnswerUsage { input: 3, output: 2, cache_read: 1, cache_write: 0, total_tokens: 6, cost };
        let TranscriptMessage::Assistant(mut message) = answer("x") else { panic!() };
        message.usage = Some(spent);
        session.append_message(TranscriptMessage::Assistant(message)).unwrap();
    }
    drop(session);
    let total = held(&SessionStore::new(sessions.directory().parent().unwrap())).await.usage();
    assert_eq!(
        (total.answers, total.unpriced_answers, total.tokens.total_tokens, total.tokens.cost),
        (5, 1, 30, None)
    );
    let sums: Vec<(&str, String, String)> = total
        .costs
        .iter()
        .map(|cost| (cost.currency.code(), cost.input.to_string(), cost.total.to_string()))
        .collect();
    let of = |code, input: &str, total: &str| (code, input.to_owned(), total.to_owned());
    assert_eq!(sums, [of("CNY", "0.1", "0.3"), of("USD", "0.3", "0.9")]);
    let text = fs::read_to_string(sessions.directory().join("t1.jsonl")).unwrap();
    assert_eq!((text.matches(r#""currency":"CNY""#).count(), text.matches("USD").count()), (1, 0));
}

#[tokio::test]
async fn locked_session_is_not_deleted() {
    let (_home, sessions) = sessions();
    assert_eq!((sessions.delete("t1").unwrap(), sessions.ids().unwrap()), (DeleteOutcome::NotFound, vec![]));
    let mut session = held(&sessions).await;
    session.append_message(user("one")).unwrap();
    assert_eq!(sessions.delete("t1").unwrap(), DeleteOutcome::Locked);
    assert_eq!(sessions.read("t1").unwrap().unwrap().entries().len(), 1);
    drop(session);
    assert_eq!(
        (sessions.ids().unwrap(), sessions.delete("t1").unwrap()),
        (vec!["t1".to_owned()], DeleteOutcome::Deleted)
    );
    assert_eq!(sessions.delete("t1").unwrap(), DeleteOutcome::NotFound);
    assert!(sessions.read("t1").unwrap().is_none() && held(&sessions).await.conversation().is_empty());
}

#[tokio::test]
async fn waiting_turn_is_notified_and_reads_new_entries() {
    let (home, sessions) = sessions();
    let mut first = held(&sessions).await;
    first.append_message(user("one")).unwrap();
    let (notify, waiting) = tokio::sync::oneshot::channel();
    let other = SessionStore::new(home.path());
    let second = tokio::spawn(async move {
        let mut session = other.lock("t1", || notify.send(()).unwrap()).await.unwrap();
        session.append_message(user("three")).unwrap();
        session.conversation()
    });
    waiting.await.unwrap();
    first.append_message(answer("two")).unwrap();
    drop(first);
    assert_eq!(second.await.unwrap(), [user("one"), answer("two"), user("three")]);
}

#[tokio::test]
async fn turn_that_waits_for_a_deleted_session_starts_a_new_one() {
    let (home, sessions) = sessions();
    for renamed in [false, true] {
        let mut first = held(&sessions).await;
        first.append_message(user("one")).unwrap();
        let (notify, waiting) = tokio::sync::oneshot::channel();
        let other = SessionStore::new(home.path());
        let second = tokio::spawn(async move {
            let mut session = other.lock("t1", || notify.send(()).unwrap()).await.unwrap();
            session.append_message(user("new")).unwrap();
        });
        waiting.await.unwrap();
        let path = sessions.path("t1");
        if renamed {
            fs::rename(&path, sessions.path("t2")).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let why = first.append_message(answer("lost")).unwrap_err().to_string();
        assert!(why.ends_with("it was deleted or renamed while a turn held it"), "{why}");
        drop(first);
        second.await.unwrap();
        let entries = |id| sessions.read(id).unwrap().map(|read| read.entries().len());
        assert_eq!((entries("t1"), entries("t2")), (Some(1), renamed.then_some(1)));
        assert_eq!(sessions.delete("t1").unwrap(), DeleteOutcome::Deleted);
    }
}

#[tokio::test]
async fn session_behind_a_link_is_locked() {
    let (home, sessions) = sessions();
    let place = home.path().join("elsewhere.jsonl");
    held(&sessions).await.append_message(user("a")).unwrap();
    fs::rename(sessions.path("t1"), &place).unwrap();
    std::os::unix::fs::symlink(&place, sessions.path("t1")).unwrap();
    let mut session = held(&sessions).await;
    session.append_message(user("b")).unwrap();
    drop(session);
    assert_eq!(fs::read_to_string(&place).unwrap().lines().count(), 3, "a header, and two messages");
}

#[test]
fn id_names_a_file_in_the_folder_only() {
    let long = "x".repeat(MAX_ID_BYTES + 1);
    for no in ["", ".", "..", ".x", "../x", "a/b", "a\\b", "a b", "ä", "a\0", "a\n", "~", &long] {
        assert!(!is_id(no), "{no:?}");
    }
    for yes in ["x", "t1", "kimi-live.2_b", "-", "A..B", &long[1..]] {
        assert!(is_id(yes), "{yes:?}");
    }
    let message = check_id("../\u{1b}[31mx").unwrap_err().to_string();
    assert!(message.starts_with(r#""../\u{1b}[31mx" is not a session id: 1 to 128"#), "{message}");
}

#[test]
fn new_ids_differ_and_sort_by_time() {
    let ids: Vec<String> = std::iter::repeat_with(new_id).take(200).collect();
    let moments: Vec<&str> = ids.iter().map(|id| id.rsplit_once('-').unwrap().0).collect();
    assert!(moments.is_sorted() && ids.iter().all(|id| is_id(id) && id.len() == 24), "{ids:?}");
    let different: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert!(different.len() > 190, "{}", different.len());
}
