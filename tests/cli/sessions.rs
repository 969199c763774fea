//! Sessions over the real binary: two concurrent terminals on one session with kills, and the session commands.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::common::process::{Ended, PATIENCE, command, run};
use crate::common::{Provider, Setup, Upstream};

/// Of each terminal.
const TURNS: usize = 100;
/// Every few turns one is killed and repeated.
const KILLED: usize = 4;

/// A home with a chain of simulated providers.
struct Home {
    folder: tempfile::TempDir,
    _upstream: Upstream,
}

impl Home {
    async fn new() -> Self {
        let upstream = Upstream::start().await;
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup::chain(&upstream, &[Provider::Moonshot]);
        std::fs::write(folder.path().join("config.json5"), setup.text()).unwrap();
        Self { folder, _upstream: upstream }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, id: &str) -> PathBuf {
        self.path().join(format!("state/moonrelay/sessions/{id}.jsonl"))
    }

    fn length(&self, id: &str) -> u64 {
        std::fs::metadata(self.file(id)).map_or(0, |metadata| metadata.len())
    }

    fn turn(&self, id: &str, message: &str) -> Command {
        let mut turn = command(self.path(), ["agent", "--local", "--json", "--session-id", id, "--message"]);
        turn.arg(message).arg("--config").arg(self.path().join("config.json5"));
        turn
    }

    async fn sessions(&self, arguments: &[&str]) -> Ended {
        run(command(self.path(), [&["sessions"], arguments].concat())).await
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.sessions(&[arguments, &["--json"]].concat()).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.both());
        ended.json()
    }
}

/// Prompts and answers of completed turns, and the number of kills.
#[derive(Default)]
struct Reported {
    turns: Vec<(String, String)>,
    kills: usize,
}

/// Kills a turn as soon as this many entries have been written to the session.
async fn killed(home: &Home, child: &mut tokio::process::Child, writes: usize) {
    for _ in 0..writes {
        let before = home.length("shared");
        while home.length("shared") == before && child.try_wait().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    }
    // It may be over.
    let _ = child.start_kill();
}

async fn terminal(home: &Home, name: &str) -> Reported {
    let mut reported = Reported::default();
    for turn in 0..TURNS {
        for try_ in 0.. {
            let words = format!("{name}-{turn}.{try_} {}", "said at length ".repeat(turn % 7 * 40));
            let mut child = home.turn("shared", &words).spawn().unwrap();
            let kills = turn % KILLED == KILLED - 1 && try_ == 0;
            if kills {
                killed(home, &mut child, 1 + turn / KILLED % 3).await;
            }
            let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
            if output.status.success() {
                let value: Value = serde_json::from_slice(&output.stdout).unwrap();
                reported.turns.push((words, value["payloads"][0]["text"].as_str().unwrap().to_owned()));
                break;
            }
            let why = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(kills && output.status.code().is_none(), "{:?}: {why}", output.status);
            reported.kills += 1;
        }
    }
    reported
}

fn text(entry: &Value) -> String {
    let blocks = entry["message"]["content"].as_array().unwrap().iter();
    blocks.filter_map(|block| block["text"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_terminals_on_one_session_with_kills_in_between_lose_no_line_and_mix_none() {
    let home = Home::new().await;
    let (one, other) = tokio::join!(terminal(&home, "a"), terminal(&home, "b"));
    let kills = one.kills + other.kills;
    let mut reported = [one.turns, other.turns].concat();
    assert_eq!(reported.len(), 2 * TURNS);

    let shown = home.json(&["show", "shared"]).await;
    let entries = shown["entries"].as_array().unwrap();
    let messages: Vec<&Value> = entries.iter().filter(|entry| entry["type"] == "message").collect();
    let (mut asked, mut used) = (None, 0);
    for entry in &messages {
        let words = text(entry);
        if entry["message"]["role"] == "user" {
            asked = Some(words);
            continue;
        }
        used += entry["message"]["usage"]["totalTokens"].as_u64().unwrap();
        // An answer follows its own prompt, with no other line between them.
        let turn = (asked.take().expect("a question before the answer"), words);
        if let Some(at) = reported.iter().position(|reported| *reported == turn) {
            reported.swap_remove(at);
        }
    }
    assert!(reported.is_empty(), "lost: {reported:?}");
    let questions = messages.iter().filter(|entry| entry["message"]["role"] == "user");
    assert!(questions.count() <= 2 * TURNS + kills);
    for pair in entries.windows(2) {
        assert_eq!(pair[1]["parentId"], pair[0]["id"]);
    }
    let broken = shown["brokenLines"].as_array().unwrap().len();
    assert!(broken <= kills, "{broken} broken lines of {kills} kills");
    let list = home.json(&["list"]).await;
    assert_eq!(list["sessions"][0]["tokens"]["totalTokens"], used);
    println!("{} entries, {kills} kills, {broken} torn", entries.len());
    assert!(kills > TURNS / KILLED / 2, "{kills} kills");
}

#[tokio::test]
async fn a_conversation_is_listed_shown_exported_and_deleted() {
    let home = Home::new().await;
    for message in ["hi", "and then?"] {
        let ended = run(home.turn("trip", message)).await;
        assert_eq!((ended.code, &ended.json()["sessionId"]), (Some(0), &json!("trip")), "{}", ended.both());
    }
    let list = home.json(&["list"]).await;
    assert_eq!((&list["count"], &list["sessions"][0]["turns"]), (&json!(1), &json!(2)), "{list}");
    assert_eq!(list["sessions"][0]["model"], Provider::Moonshot.reference());
    assert!(list["sessions"][0]["cost"]["USD"].as_f64().unwrap() > 0.0, "{list}");
    let shown = home.sessions(&["show", "tr"]).await;
    assert!(shown.stdout.contains("] You\n  and then?\n"), "{}", shown.both());
    let exported = home.sessions(&["export", "trip", "--format", "jsonl"]).await;
    assert_eq!(exported.stdout, std::fs::read_to_string(home.file("trip")).unwrap());

    let refused = home.sessions(&["delete", "trip"]).await;
    assert_eq!(refused.code, Some(2), "no confirmation is possible: {}", refused.both());
    let missing = home.sessions(&["delete", "tirp", "--yes", "--json"]).await;
    assert_eq!((missing.code, &missing.json()["error"]["type"]), (Some(1), &json!("unknown_session")));
    for (answer, code) in [("n\r", 1), ("y\r", 0)] {
        assert!(home.file("trip").exists());
        let (ended, printed) = on_a_terminal(&home, answer).await;
        assert_eq!(ended, Some(code), "{printed}");
        assert!(
            printed.contains("2 turns, ") && printed.contains("Delete 1 session permanently?"),
            "{printed}"
        );
    }
    assert!(!home.file("trip").exists());
}

/// `sessions delete trip` on a pseudo-terminal of script(1): its exit code and output.
async fn on_a_terminal(home: &Home, answer: &str) -> (Option<i32>, String) {
    let command = command(home.path(), ["sessions", "delete", "trip"]);
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &line, "/dev/null"]).env_clear();
    script.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?)))).env("SHELL", "/bin/sh");
    script.env("TERM", "xterm").current_dir(home.path());
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = script.kill_on_drop(true).spawn().expect("script(1) is there: it is essential in Debian");
    // Held open, because the end of the input would close the terminal.
    let mut keys = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut printed = Vec::new();
    let end = async {
        while !String::from_utf8_lossy(&printed).contains("permanently?") {
            assert!(output.read_buf(&mut printed).await.unwrap() > 0, "it ended without a prompt");
        }
        keys.write_all(answer.as_bytes()).await.unwrap();
        output.read_to_end(&mut printed).await.unwrap();
        child.wait().await.unwrap()
    };
    let status = tokio::time::timeout(PATIENCE, end).await.unwrap();
    drop(keys);
    (status.code(), String::from_utf8(printed).unwrap())
}
