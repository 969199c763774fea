//! `moonrelay chat`: a conversation whose lines come from a pipe, and one at a terminal.

mod piped;
mod terminal;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::process::command;
use crate::common::{Gateway, Provider, Setup, Upstream};

/// A gateway with two models, and the directory of its sessions.
struct Stand {
    upstream: Upstream,
    gateway: Gateway,
}

impl Stand {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let setup = Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter]).set(
            "agents.defaults.models",
            json!({ "kimi/kimi-for-coding": { "alias": "kimi" }, "moonshot/kimi-k3": { "alias": "k3" } }),
        );
        let gateway = setup.start().await;
        // Commands find the gateway by the configured port; the gateway's own file allows any port.
        let mut config: Value =
            serde_json::from_str(&std::fs::read_to_string(gateway.config()).unwrap()).unwrap();
        let port: u16 = gateway.serving.authority().rsplit(':').next().unwrap().parse().unwrap();
        config["gateway"]["port"] = json!(port);
        std::fs::write(gateway.home().join("chat.json5"), config.to_string()).unwrap();
        Self { upstream, gateway }
    }

    fn home(&self) -> &Path {
        self.gateway.home()
    }

    /// `moonrelay chat` with these arguments.
    fn chat(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = command(self.home(), ["chat"]);
        command.args(arguments).arg("--config").arg(self.home().join("chat.json5"));
        command
    }

    fn state(&self) -> PathBuf {
        self.home().join("state/moonrelay")
    }

    /// The entries of a session.
    fn transcript(&self, id: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.state().join(format!("sessions/{id}.jsonl"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The requests that the providers received, as the texts of their messages.
    async fn asked(&self) -> Vec<Vec<String>> {
        let requests = self.upstream.requests().await;
        let body =
            |request: &Value| serde_json::from_str::<Value>(request["body"].as_str().unwrap()).unwrap();
        requests.iter().map(|request| words(&body(request)["messages"])).collect()
    }
}

fn words(messages: &Value) -> Vec<String> {
    let of = |content: &Value| match content {
        Value::String(text) => text.clone(),
        _ => content.as_array().into_iter().flatten().filter_map(|block| block["text"].as_str()).collect(),
    };
    messages.as_array().unwrap().iter().map(|message| of(&message["content"])).collect()
}

/// The page's table is the program's own.
#[tokio::test]
async fn the_page_lists_the_commands_that_there_are() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/how-to/agent-chat-sessions.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = page.split("<!-- commands -->").nth(1).unwrap().split("<!-- /commands -->").next().unwrap();
    let rows: Vec<String> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `/"))
        .map(|row| row.replace("\\|", "/").replace("` | ", " ").trim_end_matches(" |").to_owned())
        .collect();
    let home = tempfile::tempdir().unwrap();
    let mut chat = command(home.path(), ["chat"]);
    let lines = home.path().join("lines");
    std::fs::write(&lines, "/help\n").unwrap();
    chat.stdin(std::fs::File::open(lines).unwrap());
    let ended = crate::common::process::run(chat).await;
    let reported: Vec<String> = ended
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix('/'))
        .map(|line| line.replace('|', "/").split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert!(reported.len() > 10, "{}", ended.both());
    assert_eq!(rows, reported);
}
