//! Chat at a terminal: keys, input during an answer, and history.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::Stand;
use crate::common::process::PATIENCE;

/// A conversation on a pseudo-terminal of script(1).
struct Terminal {
    child: Child,
    keys: ChildStdin,
    output: ChildStdout,
    /// Output that no test has waited for yet.
    seen: String,
}

impl Terminal {
    fn start(stand: &Stand, arguments: &[&str]) -> Self {
        let chat = stand.chat(arguments);
        let chat = chat.as_std();
        let words = std::iter::once(chat.get_program()).chain(chat.get_args());
        let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
        let mut script = Command::new("script");
        script
            .args(["-q", "-e", "-f", "-c", &format!("stty sane rows 24 cols 80; exec {line}"), "/dev/null"])
            .env_clear();
        script.envs(chat.get_envs().filter_map(|(key, value)| Some((key, value?))));
        script.env("SHELL", "/bin/sh").env("TERM", "xterm").env("LANG", "C.UTF-8").env("NO_COLOR", "1");
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = script.spawn().expect("script(1) is there: it is essential in Debian");
        let (keys, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, keys, output, seen: String::new() }
    }

    async fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.unwrap();
        self.keys.flush().await.unwrap();
    }

    /// Waits until this text is shown, and discards the output before it.
    async fn shows(&mut self, text: &str) {
        let found = tokio::time::timeout(PATIENCE, async {
            let mut bytes = [0; 4096];
            loop {
                if let Some(at) = self.seen.find(text) {
                    self.seen.drain(..at + text.len());
                    return;
                }
                let count = self.output.read(&mut bytes).await.unwrap();
                assert!(count > 0, "it ended without {text:?}: {:?}", self.seen);
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        assert!(found.await.is_ok(), "{text:?} is not shown: {:?}", self.seen);
    }

    /// Its exit code.
    async fn ends(mut self) -> Option<i32> {
        let mut rest = Vec::new();
        let ended = async {
            self.output.read_to_end(&mut rest).await.unwrap();
            self.child.wait().await.unwrap().code()
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("it ends")
    }
}

const PROMPT: &str = "kimi> ";
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

#[tokio::test]
async fn ctrl_c_stops_the_answer_and_keeps_its_text() {
    let stand = Stand::start().await;
    // The answer begins and does not go on.
    stand.upstream.fault(json!({ "provider": "kimi", "kind": "stall", "value": 5, "times": 1 })).await;
    let mut terminal = Terminal::start(&stand, &["--session-id", "stop"]);
    terminal.shows(PROMPT).await;
    terminal.press("A long question\r").await;
    terminal.shows("via").await;
    terminal.press(CTRL_C).await;
    terminal.shows("stopped").await;
    terminal.shows(PROMPT).await;
    terminal.press("next\r").await;
    terminal.shows("kimi-for-coding via kimi: next").await;
    terminal.shows(PROMPT).await;
    terminal.press(CTRL_D).await;
    assert_eq!(terminal.ends().await, Some(0));
    stand.upstream.idle().await;
    let transcript = stand.transcript("stop");
    let said: Vec<_> = transcript.iter().filter(|line| line["message"]["role"] == "assistant").collect();
    assert_eq!(said[0]["message"]["stopReason"], "aborted", "{said:?}");
    assert!(said[0].to_string().contains("via"), "{said:?}");
    assert_eq!(said[1]["message"]["stopReason"], "stop", "{said:?}");
}

#[tokio::test]
async fn stop_during_an_answer_works_and_other_lines_are_queued() {
    let stand = Stand::start().await;
    stand.upstream.fault(json!({ "provider": "kimi", "kind": "stall", "value": 5, "times": 1 })).await;
    let mut terminal = Terminal::start(&stand, &[]);
    terminal.shows(PROMPT).await;
    terminal.press("A question\r").await;
    terminal.shows("via").await;
    // Unfinished input appears at the next prompt.
    terminal.press("next\n/stop\nhalf of a li").await;
    terminal.shows("stopped").await;
    terminal.shows("kimi> next").await;
    terminal.shows("kimi-for-coding via kimi: next").await;
    terminal.shows(PROMPT).await;
    terminal.shows("half of a li").await;
    terminal.press("ne\r").await;
    terminal.shows("kimi-for-coding via kimi: half of a line").await;
    terminal.shows(PROMPT).await;
    terminal.press("/quit\r").await;
    assert_eq!(terminal.ends().await, Some(0));
}

#[tokio::test]
async fn keys_edit_whole_characters_and_continue_lines() {
    let stand = Stand::start().await;
    let mut terminal = Terminal::start(&stand, &[]);
    terminal.shows(PROMPT).await;
    terminal.press(CTRL_C).await;
    terminal.shows("Ctrl-D or /quit leaves").await;
    terminal.shows(PROMPT).await;
    terminal.press("not this").await;
    terminal.shows("not this").await;
    // Text is thrown away; the cursor goes left over one wide character, and that before it goes.
    terminal.press(&format!("{CTRL_C}你好吗世界\u{1b}[D\u{1b}[D\u{7f}\r")).await;
    terminal.shows("via kimi: 你好世界").await;
    terminal.shows(PROMPT).await;
    terminal.press("a 👩‍👩‍👧\u{7f}b\r").await;
    terminal.shows("via kimi: a b").await;
    terminal.shows(PROMPT).await;
    terminal.press("one\\\rtwo\u{1b}\rthree\r").await;
    terminal.shows("via kimi: one").await;
    terminal.shows(PROMPT).await;
    terminal.press("\u{1b}[200~pasted\rlines\u{1b}[201~\r").await;
    terminal.shows("via kimi: pasted").await;
    terminal.shows(PROMPT).await;
    terminal.press("/mo\ts").await;
    terminal.shows("/models").await;
    terminal.press(&format!("{CTRL_C}/model k\t3\r")).await;
    terminal.shows("Model set to k3 (moonshot/kimi-k3) for this session.").await;
    terminal.shows("k3> ").await;
    terminal.press(CTRL_D).await;
    assert_eq!(terminal.ends().await, Some(0));
    let asked = stand.asked().await;
    let asked: Vec<&str> = asked.iter().map(|said| said.last().unwrap().as_str()).collect();
    assert_eq!(asked, ["你好世界", "a b", "one\ntwo\nthree", "pasted\nlines"]);
}

#[tokio::test]
async fn history_is_private_and_kept() {
    let stand = Stand::start().await;
    let mut terminal = Terminal::start(&stand, &[]);
    terminal.shows(PROMPT).await;
    terminal.press("kept\r").await;
    terminal.shows("via kimi: kept").await;
    terminal.shows(PROMPT).await;
    terminal.press(" not kept\r").await;
    terminal.shows("via kimi: ").await;
    terminal.shows(PROMPT).await;
    terminal.press(CTRL_D).await;
    assert_eq!(terminal.ends().await, Some(0));
    let file = stand.state().join("chat_history");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("kept") && !text.contains("not kept"), "{text}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut terminal = Terminal::start(&stand, &[]);
    terminal.shows(PROMPT).await;
    terminal.press("\u{1b}[A\r").await;
    terminal.shows("via kimi: kept").await;
    terminal.shows(PROMPT).await;
    terminal.press(CTRL_D).await;
    assert_eq!(terminal.ends().await, Some(0));
}
