//! What real clients send is answered: every recorded chat request, by every provider as the primary.
//!
//! `tests/fixtures/captures` holds trimmed recordings of 2026-11-21: `@fill:N:text` is text of N characters,
//! `@tools:N` one of the file's lists of tools. Header names keep their case and order.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::raw::Raw;
use crate::common::{Answer, Gateway, Provider, Setup, Upstream};

/// One recorded request.
pub(crate) struct Capture {
    /// Client and scenario.
    pub(crate) name: String,
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    /// The body, whole.
    pub(crate) body: Value,
}

const CLIENTS: [&str; 8] =
    ["aider", "opencode", "kimi-cli", "kimi-code", "openclaw", "litellm", "openai-node", "openai-python"];

fn captures() -> Vec<Capture> {
    CLIENTS.into_iter().flat_map(of_client).collect()
}

/// What one client sent.
pub(crate) fn of_client(client: &str) -> Vec<Capture> {
    let file =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/captures/{client}.json"));
    let recorded: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let requests = recorded["requests"].as_array().unwrap();
    requests
        .iter()
        .map(|request| {
            let pair =
                |header: &Value| (text(&header[0]), text(&header[1]).replace("@key", "client-key-0000"));
            Capture {
                name: format!("{client} {}", text(&request["name"])),
                target: text(&request["target"]),
                headers: request["headers"].as_array().unwrap().iter().map(pair).collect(),
                body: expand(&request["body"], &recorded["tools"]),
            }
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn expand(value: &Value, tools: &Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.iter().map(|(key, value)| (key.clone(), expand(value, tools))).collect())
        }
        Value::Array(items) => items.iter().map(|item| expand(item, tools)).collect(),
        Value::String(text) => match text.strip_prefix("@tools:") {
            Some(index) => expand(&tools[index.parse::<usize>().unwrap()], tools),
            None => json!(filled(text)),
        },
        other => other.clone(),
    }
}

/// `@fill:12:text` is `text lorem i`.
fn filled(text: &str) -> String {
    let Some((length, start)) = text.strip_prefix("@fill:").and_then(|rest| rest.split_once(':')) else {
        return text.to_owned();
    };
    let filler = " lorem ipsum dolor sit amet".chars().cycle();
    start.chars().chain(filler).take(length.parse().unwrap()).collect()
}

/// What the simulator answers to a prompt like this.
#[derive(Debug, PartialEq)]
enum Expected {
    /// A call of this tool, with the command `echo captured…`.
    Call(String),
    /// A text that holds this.
    Text(String),
}

impl Capture {
    fn agent(&self) -> &str {
        let found = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
        &found.expect("every client names itself").1
    }

    /// Whether Kimi Code's gate lets this client in.
    fn is_known_to_kimi_code(&self) -> bool {
        ["KimiCLI/", "kimi-code-cli/"].iter().any(|known| self.agent().starts_with(known))
    }

    fn expected(&self) -> Expected {
        let messages = self.body["messages"].as_array().unwrap();
        let is = |message: &Value, role: &str| message["role"] == role;
        let turn = messages.iter().rposition(|m| is(m, "assistant")).map_or(0, |at| at + 1);
        let turn = &messages[turn..];
        if turn.iter().any(|m| is(m, "tool")) {
            return Expected::Text("captured".to_owned());
        }
        let said: Vec<String> = turn.iter().filter(|m| is(m, "user")).map(content).collect();
        let shell = self.body["tools"].as_array().into_iter().flatten().find(|tool| {
            let required = tool["function"]["parameters"]["required"].as_array();
            required.is_some_and(|names| names.contains(&json!("command")))
        });
        match shell {
            Some(tool) if said.iter().any(|text| text.contains("Run echo ")) => {
                Expected::Call(text(&tool["function"]["name"]))
            }
            _ => Expected::Text(said.last().unwrap().trim().chars().take(40).collect()),
        }
    }

    /// Sends it as the client did, byte by byte, and reads the answer.
    pub(crate) async fn send(&self, gateway: &Gateway) -> Answer {
        let authority = gateway.serving.authority();
        let body = self.body.to_string();
        let mut head = format!("POST {} HTTP/1.1\r\nHost: {authority}\r\n", self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let mut raw = Raw::connect(authority).await;
        raw.send(head.as_bytes()).await;
        raw.send(body.as_bytes()).await;
        Answer::from(raw.response(false).await.unwrap_or_else(|| panic!("{}: no answer", self.name)))
    }

    fn check(&self, answer: &Answer, provider: Provider) {
        let name = &self.name;
        assert_eq!(answer.status, 200, "{name} on {provider:?}: {} {}", answer.attempts(), answer.text());
        assert_eq!(answer.header("content-encoding"), "", "{name}");
        let streamed = self.body["stream"] == json!(true);
        let kind = if streamed { "text/event-stream" } else { "application/json" };
        assert!(answer.header("content-type").starts_with(kind), "{name}: {}", answer.header("content-type"));
        let said = answer.said();
        assert!(said.errors.is_empty(), "{name}: {:?}", said.errors);
        assert_eq!((said.roles, said.finishes.len()), (1, 1), "{name}: {}", answer.text());
        if streamed {
            assert_eq!(said.done, 1, "{name}: {}", answer.text());
            let wanted = self.body["stream_options"]["include_usage"] == json!(true);
            // LiteLLM asks OpenRouter in its old way, which only OpenRouter's dialect knows.
            let may = wanted || self.body["usage"]["include"] == json!(true);
            let usages = usize::from(wanted)..=usize::from(may);
            assert!(usages.contains(&said.usages.len()), "{name}: {}", answer.text());
        } else {
            assert_eq!(said.usages.len(), 1, "{name}: {}", answer.text());
        }
        match self.expected() {
            Expected::Text(part) => {
                assert!(said.content.contains(&part), "{name}: {part:?} is not in {:?}", said.content);
                let via = format!("via {}", provider.id());
                assert!(said.content.contains(&via), "{name}: {via:?} is not in {:?}", said.content);
                assert_eq!(said.finishes, ["stop"], "{name}");
            }
            Expected::Call(tool) => {
                assert_eq!(said.calls.len(), 1, "{name}: {:?}", said.calls);
                let (called, arguments) = &said.calls[0];
                assert_eq!(called, &tool, "{name}");
                let arguments: Value = serde_json::from_str(arguments).unwrap();
                let command = arguments["command"].as_str().unwrap();
                assert!(command.starts_with("echo captured"), "{name}: {command:?}");
                assert_eq!(said.finishes, ["tool_calls"], "{name}");
            }
        }
    }
}

fn content(message: &Value) -> String {
    match &message["content"] {
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        other => text(other),
    }
}

/// All names that the clients ask for lead to the default chain.
fn all_names(setup: Setup) -> Setup {
    setup.set("models.routes", json!({ "*": "default" }))
}

#[test]
fn the_recordings_are_whole() {
    let captures = captures();
    assert_eq!(captures.len(), 33);
    let calls = captures.iter().filter(|c| matches!(c.expected(), Expected::Call(_))).count();
    assert_eq!(calls, 4, "each agent calls its shell once");
    assert!(captures.iter().any(|c| c.body.to_string().len() > 80_000), "sizes are the recorded ones");
}

#[tokio::test]
async fn moonshot_answers_every_client() {
    let upstream = Upstream::start().await;
    // Ids of Moonshot's own are asked for as they are, so that each model's rules are met; the rest is routed.
    let routes = json!({ "kimi-for-coding": "default", "moonshotai/*": "default" });
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter])
        .set("models.routes", routes)
        .start()
        .await;
    for capture in captures() {
        let answer = capture.send(&gateway).await;
        capture.check(&answer, Provider::Moonshot);
        let asked = capture.body["model"].as_str().unwrap();
        let model = if asked.starts_with("kimi-k") { asked } else { "kimi-k3" };
        assert_eq!(answer.attempts(), format!("moonshot/{model}=ok"), "{}", capture.name);
    }
}

#[tokio::test]
async fn kimi_code_answers_the_clients_that_its_gate_knows_and_the_fallback_the_others() {
    let upstream = Upstream::start().await;
    let mut known = 0;
    for capture in captures() {
        // A refusal rests the target for its User-Agent, so each request meets a fresh gateway.
        let gateway =
            all_names(Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter])).start().await;
        let answer = capture.send(&gateway).await;
        if capture.is_known_to_kimi_code() {
            known += 1;
            capture.check(&answer, Provider::Kimi);
            assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "{}", capture.name);
        } else {
            capture.check(&answer, Provider::OpenRouter);
            let attempts = "kimi/kimi-for-coding=forbidden_client, openrouter/auto=ok";
            assert_eq!(answer.attempts(), attempts, "{}", capture.name);
        }
    }
    assert_eq!(known, 7);
}

#[tokio::test]
async fn kimi_code_answers_every_client_when_the_configuration_names_it() {
    let upstream = Upstream::start().await;
    let gateway = all_names(Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter]))
        .set("models.providers.kimi.headers", json!({ "User-Agent": "KimiCLI/1.46.0" }))
        .start()
        .await;
    for capture in captures() {
        let answer = capture.send(&gateway).await;
        capture.check(&answer, Provider::Kimi);
        assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "{}", capture.name);
    }
}

#[tokio::test]
async fn openrouter_answers_every_client() {
    let upstream = Upstream::start().await;
    let gateway =
        all_names(Setup::chain(&upstream, &[Provider::OpenRouter, Provider::Moonshot])).start().await;
    for capture in captures() {
        let answer = capture.send(&gateway).await;
        capture.check(&answer, Provider::OpenRouter);
        assert_eq!(answer.attempts(), "openrouter/auto=ok", "{}", capture.name);
    }
}

#[tokio::test]
async fn a_refusal_of_the_gate_rests_the_target_for_that_client_only() {
    let upstream = Upstream::start().await;
    let gateway = all_names(Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter])).start().await;
    let stranger = of_client("aider").remove(0);
    let friend = of_client("kimi-cli").remove(0);
    assert!(stranger.send(&gateway).await.attempts().contains("forbidden_client"));
    let again = stranger.send(&gateway).await;
    assert_eq!(again.attempts(), "kimi/kimi-for-coding=cooling_down, openrouter/auto=ok");
    assert_eq!(friend.send(&gateway).await.attempts(), "kimi/kimi-for-coding=ok");
}
