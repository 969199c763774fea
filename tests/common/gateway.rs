//! The gateway in its own process, configured as a user would.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::process::{Serving, command};
use super::upstream::Upstream;

/// A provider of the catalog, and its model that these tests request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Moonshot's platform.
    Moonshot,
    /// The Kimi Code subscription.
    Kimi,
    /// OpenRouter.
    OpenRouter,
}

impl Provider {
    /// Each of them.
    pub(crate) const ALL: [Self; 3] = [Self::Moonshot, Self::Kimi, Self::OpenRouter];

    /// Its id in references.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Moonshot => "moonshot",
            Self::Kimi => "kimi",
            Self::OpenRouter => "openrouter",
        }
    }

    /// `provider/model`.
    pub(crate) const fn reference(self) -> &'static str {
        match self {
            Self::Moonshot => "moonshot/kimi-k3",
            Self::Kimi => "kimi/kimi-for-coding",
            Self::OpenRouter => "openrouter/auto",
        }
    }

    /// Its base URL's path, the same as the real one's.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Moonshot => "/moonshot/v1",
            Self::Kimi => "/kimi/coding/v1",
            Self::OpenRouter => "/openrouter/api/v1",
        }
    }

    /// The key that the simulated provider takes.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Moonshot => "sk-simulated-moonshot-0000000000",
            Self::Kimi => "sk-kimi-simulated-0000000000",
            Self::OpenRouter => "sk-or-v1-simulated-0000000000",
        }
    }
}

/// A configuration to start with.
#[derive(Clone)]
pub(crate) struct Setup {
    config: Value,
    environment: Vec<(String, String)>,
    /// Uses the file's port instead of a free one.
    own_port: bool,
}

impl Setup {
    /// Uses exactly this configuration.
    pub(crate) fn of(config: Value) -> Self {
        Self { config, environment: Vec::new(), own_port: false }
    }

    /// Simulates every provider; the chain has these in order, with one attempt each, no back-off and short
    /// timeouts.
    pub(crate) fn chain(upstream: &Upstream, chain: &[Provider]) -> Self {
        let mut providers = Map::new();
        for provider in Provider::ALL {
            let url = format!("{}{}", upstream.base(), provider.path());
            providers.insert(provider.id().to_owned(), json!({ "baseUrl": url, "apiKey": provider.key() }));
        }
        let fallbacks: Vec<_> = chain[1..].iter().map(|p| p.reference()).collect();
        Self::of(json!({
            "agents": { "defaults": { "model": { "primary": chain[0].reference(), "fallbacks": fallbacks } } },
            "models": { "providers": providers },
            "failover": { "attemptsPerTarget": 1, "backoff": { "initialMs": 1, "maxMs": 2 } },
        }))
    }

    /// Sets the value at a dotted path and creates missing objects.
    pub(crate) fn set(mut self, path: &str, value: Value) -> Self {
        let mut at = &mut self.config;
        for key in path.split('.') {
            if !at.is_object() {
                *at = json!({});
            }
            at = at.as_object_mut().unwrap().entry(key).or_insert(Value::Null);
        }
        *at = value;
        self
    }

    /// The configuration as a file holds it.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string_pretty(&self.config).unwrap()
    }

    /// Listens at the configured address; without this, on a free port.
    pub(crate) fn on_its_own_port(self) -> Self {
        Self { own_port: true, ..self }
    }

    /// Adds a variable to the gateway's environment.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes the file, and gives the command that serves with it.
    pub(crate) fn command(&self) -> (tokio::process::Command, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.json5");
        std::fs::write(&file, self.text()).unwrap();
        let mut command = command(home.path(), ["gateway", "run"]);
        if !self.own_port {
            command.args(["--port", "0"]);
        }
        command.arg("--config").arg(&file).envs(self.environment.iter().map(|(k, v)| (k, v)));
        (command, home)
    }

    /// Serves with it.
    pub(crate) async fn start(self) -> Gateway {
        let (command, home) = self.command();
        Gateway::starting(command, home).await
    }

    /// Serves with it under a limit that the shell sets before (`ulimit …`).
    pub(crate) async fn start_under(&self, limit: &str) -> (Serving, tempfile::TempDir) {
        let (asked, home) = self.command();
        let asked = asked.as_std();
        let mut command = tokio::process::Command::new("sh");
        command
            .args(["-c", &format!("{limit}; exec \"$@\""), "sh"])
            .arg(asked.get_program())
            .args(asked.get_args())
            .env_clear()
            .envs(asked.get_envs().filter_map(|(key, value)| Some((key, value?))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        (Serving::start(command, "listening on").await, home)
    }

    /// Serves with it on a socket that it is handed.
    pub(crate) async fn start_on(&self, socket: OwnedFd) -> Gateway {
        let (command, home) = self.command();
        Gateway::starting(activated(&command, [socket]), home).await
    }
}

/// A command once more, with these sockets (one or two) from fd 3 on, as systemd hands them over.
pub(crate) fn activated(
    command: &tokio::process::Command,
    sockets: impl IntoIterator<Item = OwnedFd>,
) -> tokio::process::Command {
    let mut sockets = sockets.into_iter();
    let (first, second) = (sockets.next().unwrap(), sockets.next());
    // They come as standard input and output.
    let (script, output) = match second {
        Some(second) => ("exec 3<&0 4<&1 0</dev/null 1>&2; export LISTEN_FDS=2", second.into()),
        None => ("exec 3<&0 0</dev/null; export LISTEN_FDS=1", Stdio::piped()),
    };
    let asked = command.as_std();
    let mut command = tokio::process::Command::new("sh");
    command
        .args(["-c", &format!("{script}; export LISTEN_PID=$$; exec \"$@\""), "sh"])
        .arg(asked.get_program())
        .args(asked.get_args())
        .env_clear()
        .envs(asked.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .stdin(first)
        .stdout(output)
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A gateway that serves until it is dropped.
pub(crate) struct Gateway {
    /// The process.
    pub(crate) serving: Serving,
    client: reqwest::Client,
    home: tempfile::TempDir,
}

impl Gateway {
    /// The gateway that this command serves with in this home.
    pub(crate) async fn starting(command: tokio::process::Command, home: tempfile::TempDir) -> Self {
        let serving = Serving::start(command, "listening on").await;
        Self { serving, client: super::raw::client(), home }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn base(&self) -> &str {
        &self.serving.base
    }

    /// The configuration's file.
    pub(crate) fn config(&self) -> PathBuf {
        self.home.path().join("config.json5")
    }

    /// Its home directory, where commands find the same configuration and state.
    pub(crate) fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// The output of `gateway status --json`.
    pub(crate) async fn status(&self) -> Value {
        let port = self.serving.authority().rsplit(':').next().unwrap();
        let mut command = command(self.home(), ["gateway", "status", "--json", "--port", port, "--config"]);
        command.arg(self.config());
        let ended = super::process::run(command).await;
        assert_eq!(ended.code, Some(0), "{}", ended.both());
        ended.json()
    }

    /// A request to be completed and sent.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base()))
    }

    /// One GET, read to its end.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::read(self.request(reqwest::Method::GET, path).send().await.unwrap()).await
    }

    /// A chat request, not read yet.
    pub(crate) fn chat_request(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.request(reqwest::Method::POST, "/v1/chat/completions")
            .header("content-type", "application/json")
            .header("user-agent", "KimiCLI/1.46.0")
            .body(body)
    }

    /// Sends a Chat Completions request from a client that Kimi Code accepts, and reads the whole answer.
    pub(crate) async fn chat(&self, body: &Value) -> Answer {
        Answer::read(self.chat_request(body.to_string()).send().await.unwrap()).await
    }
}

/// A prompt for `model`, streamed or not.
pub(crate) fn prompt(model: &str, text: &str, stream: bool) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": text }] });
    if stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({ "include_usage": true });
    }
    body
}
