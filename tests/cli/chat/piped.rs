//! Lines from a pipe, as scripts send them.

use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::Stand;
use crate::common::process::{Ended, PATIENCE};

impl Stand {
    /// A conversation of these lines, to its end.
    async fn piped(&self, arguments: &[&str], lines: &[&str]) -> Ended {
        let mut chat = self.chat(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = chat.stdin.take().unwrap();
        // An early exit closes the pipe; the test checks what was printed then.
        let _ = input.write_all(format!("{}\n", lines.join("\n")).as_bytes()).await;
        drop(input);
        let output = tokio::time::timeout(PATIENCE, chat.wait_with_output()).await.unwrap().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[tokio::test]
async fn each_line_is_a_message_and_the_session_continues() {
    let stand = Stand::start().await;
    let first = stand.piped(&["--session-id", "one"], &["Hello", "//etc is what?", ""]).await;
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""), "{}", first.both());
    assert_eq!(first.stdout, "kimi-for-coding via kimi: Hello\nkimi-for-coding via kimi: /etc is what?\n");
    let second = stand.piped(&["--session-id", "one"], &["Again"]).await;
    assert_eq!(second.code, Some(0), "{}", second.both());
    let asked = stand.asked().await;
    let hello = "kimi-for-coding via kimi: Hello".to_owned();
    assert_eq!(asked[1], ["Hello", &hello, "/etc is what?"]);
    assert_eq!((asked[2].len(), asked[2].last().unwrap().as_str()), (5, "Again"));
    // Another session does not have this choice.
    stand.piped(&[], &["Who am I?"]).await;
    assert_eq!(stand.asked().await[3], ["Who am I?"]);
}

#[tokio::test]
async fn unknown_command_is_reported_and_not_sent() {
    let stand = Stand::start().await;
    let ended = stand
        .piped(&[], &["/modle k3", "/model nonsense", "/think medium", "/stop now", "/quit", "never"])
        .await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.both());
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert!(lines[0].starts_with("moonrelay: no command /modle (did you mean /model?)"), "{}", ended.both());
    assert!(
        lines[1].starts_with("moonrelay: no model, alias or route is called \"nonsense\"; nearest: "),
        "{}",
        ended.both()
    );
    assert!(
        lines[2].ends_with("not one of kimi/kimi-for-coding; use one of: low, high, max"),
        "{}",
        ended.both()
    );
    assert!(lines[3].contains("too many words"), "{}", ended.both());
    assert!(stand.asked().await.is_empty());
    let wrong = stand.piped(&["--model", "nonsense"], &["Hello"]).await;
    assert_eq!(wrong.code, Some(1), "{}", wrong.both());
    let wrong = stand.piped(&["--session-id", "../one"], &["Hello"]).await;
    assert_eq!(wrong.code, Some(2), "{}", wrong.both());
    assert!(stand.asked().await.is_empty());
}

#[tokio::test]
async fn fallback_and_recovery_are_reported_once() {
    let stand = Stand::start().await;
    // This error causes no cooldown: the primary is called again at once.
    stand.upstream.fault(json!({ "provider": "kimi", "kind": "content_filter", "times": 2 })).await;
    let ended = stand.piped(&["--session-id", "fall"], &["one", "two", "three", "four"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let fallback = "↪ openrouter/auto answers: kimi/kimi-for-coding failed (content_filter)";
    assert!(lines[0].ends_with(": one") && lines[1] == fallback, "{}", ended.both());
    assert!(lines[2].ends_with(": two"), "{}", ended.both());
    assert_eq!(lines[3], "kimi-for-coding via kimi: three", "{}", ended.both());
    assert_eq!(lines[4], "↩ kimi/kimi-for-coding answers again", "{}", ended.both());
    assert_eq!(lines[5..], ["kimi-for-coding via kimi: four"], "{}", ended.both());
    // The message occurs once, whichever target was called.
    for asked in stand.asked().await {
        assert_eq!(asked.iter().filter(|said| *said == "one").count(), 1, "{asked:?}");
    }
}

#[tokio::test]
async fn chosen_model_is_saved_and_reset() {
    let stand = Stand::start().await;
    let ended = stand.piped(&["--session-id", "k"], &["/model k3", "/think high", "Hello"]).await;
    let reported = "Model set to k3 (moonshot/kimi-k3) for this session.\nThinking set to high for this session.\n\
                kimi-k3 via moonshot: Hello\n";
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), reported), "{}", ended.both());
    let again = stand.piped(&["--session-id", "k"], &["/model", "/think", "Hello"]).await;
    let reported = "Model: k3 (moonshot/kimi-k3), chosen for this session.\nFallbacks: openrouter/auto.\n\
                Thinking: high, chosen for this session.\n\
                moonshot/kimi-k3 supports: off, low, high, max; default uses the configuration.\n\
                kimi-k3 via moonshot: Hello\n";
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), reported), "{}", again.both());
    let back = stand.piped(&["--session-id", "k"], &["/model default", "/think default", "Hello"]).await;
    let reported = "Model reset to default (kimi/kimi-for-coding).\nThinking reset to default.\n\
                kimi-for-coding via kimi: Hello\n";
    assert_eq!((back.code, back.stdout.as_str()), (Some(0), reported), "{}", back.both());
    let after = stand.piped(&["--session-id", "k"], &["/model"]).await;
    assert!(after.stdout.contains("kimi (kimi/kimi-for-coding), the default."), "{}", after.both());
    let new =
        stand.piped(&["--session-id", "k", "--model", "k3"], &["/new", "/model", "/new k3", "/model"]).await;
    assert!(new.stdout.contains("\nModel: kimi (kimi/kimi-for-coding), the default."), "{}", new.both());
    assert!(
        new.stdout.ends_with(
            "Model: k3 (moonshot/kimi-k3), chosen for this session.\nFallbacks: openrouter/auto.\n"
        ),
        "{}",
        new.both()
    );
}

#[tokio::test]
async fn compaction_replaces_the_conversation_or_changes_nothing() {
    let stand = Stand::start().await;
    stand.upstream.fault(json!({ "kind": "server_error", "times": 1, "provider": "kimi" })).await;
    stand.upstream.fault(json!({ "kind": "server_error", "times": 1, "provider": "openrouter" })).await;
    let failed = stand.piped(&["--session-id", "c"], &["/compact", "/reset"]).await;
    assert_eq!(
        (failed.code, failed.stdout.as_str()),
        (Some(0), "Nothing to compact.\nThe session is empty.\n")
    );
    stand.upstream.no_faults().await;
    stand.piped(&["--session-id", "c"], &["first words"]).await;
    let before = stand.transcript("c");
    stand.upstream.fault(json!({ "kind": "bad_request", "times": 1, "provider": "kimi" })).await;
    let failed = stand.piped(&["--session-id", "c"], &["/compact"]).await;
    assert_eq!(failed.code, Some(1), "{}", failed.both());
    assert!(
        failed.stderr.starts_with("moonrelay: not compacted, the session is unchanged: "),
        "{}",
        failed.both()
    );
    assert_eq!(stand.transcript("c"), before);
    let ended =
        stand.piped(&["--session-id", "c"], &["/compact", "second words", "/reset", "third words"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    assert!(
        ended.stdout.starts_with("Compacted: context ") && ended.stdout.contains(" of 1.05M\n"),
        "{}",
        ended.both()
    );
    assert!(ended.stdout.contains("Context reset.\n"), "{}", ended.both());
    let asked = stand.asked().await;
    let [.., summarised, second, third] = &asked[..] else { panic!("{asked:?}") };
    assert!(summarised[0] == "first words" && summarised[2].starts_with("Summarise"), "{summarised:?}");
    // The simulator's summary repeats its prompt, not the conversation.
    let reported = second.join(" ");
    assert!(
        reported.contains("Summary of the conversation so far") && reported.ends_with("second words"),
        "{second:?}"
    );
    assert!(!reported.contains("first words"), "{second:?}");
    assert_eq!(third, &["third words"]);
}

#[tokio::test]
async fn footer_thinking_and_status_are_shown_as_configured() {
    let stand = Stand::start().await;
    let lines = [
        "/reasoning on",
        "one",
        "/reasoning off",
        "/usage full",
        "two",
        "/usage tokens",
        "three",
        "/usage cost",
        "/model k3",
        "four",
        "/usage off",
        "five",
        "/status",
    ];
    let ended = stand.piped(&["--session-id", "f"], &lines).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let (all, has) =
        (&ended.stdout, |text: &str| assert!(ended.stdout.contains(text), "{text:?}: {}", ended.both()));
    has(
        "Reasoning is shown before the answer.\n[thinking] The user said something short. I repeat it in one line.\n\nkimi-for-coding via kimi: one\n",
    );
    has("kimi-for-coding via kimi: two\nkimi/kimi-for-coding · ");
    has(" out · no price · ");
    has("kimi-for-coding via kimi: three\n");
    has("Usage footer: cost.\nsession  ");
    has("\ntoday    ");
    has("\n30 days  ");
    has(" USD · session ");
    has("via moonshot: five\nmoonrelay  ");
    has(", gateway http://127.0.0.1:");
    has(
        "\nmodel      k3 (moonshot/kimi-k3)\nkey        sk-…00 (the configuration)\nfallbacks  openrouter/auto\nthinking   default\n",
    );
    has("\nsession    f\n");
    assert!(!all.contains("sk-simulated") && !all.contains('\u{1b}'), "{all}");
}

#[tokio::test]
async fn failed_turn_is_reported_and_the_next_one_runs() {
    let stand = Stand::start().await;
    stand.upstream.fault(json!({ "provider": "kimi", "kind": "bad_request", "times": 1 })).await;
    let ended = stand.piped(&[], &["one", "two"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.both());
    assert_eq!(ended.stdout, "kimi-for-coding via kimi: two\n", "{}", ended.both());
    assert!(ended.stderr.starts_with("moonrelay: "), "{}", ended.both());
}

#[tokio::test]
async fn control_characters_of_an_answer_are_made_visible() {
    let stand = Stand::start().await;
    let ended = stand.piped(&[], &["a\u{1b}]0;title\u{7}\u{9b}2Jb"]).await;
    assert_eq!(ended.stdout, "kimi-for-coding via kimi: a␛]0;title␇\u{fffd}2Jb\n", "{}", ended.both());
}
