//! The recordings, and how they are replayed.
//!
//! `tests/fixtures/captures` holds trimmed recordings of 2026-11-21: `@fill:N:text` is text of N characters,
//! `@tools:N` one of the file's lists of tools. Header names keep their case and order.
//! `tests/fixtures/captures-around.json` has the auxiliary requests of the same clients: model lists, token
//! counts, a greeting.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::raw::Raw;
use crate::common::{Answer, Api, Gateway};

/// A recorded request.
#[derive(Clone)]
pub(in crate::translation) struct Capture {
    pub(in crate::translation) name: String,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(in crate::translation) body: Value,
}

/// Every request for an answer.
pub(in crate::translation) fn prompts() -> Vec<Capture> {
    of_files().into_iter().filter(|capture| Api::of_target(&capture.target).is_some()).collect()
}

/// Every request for something else.
pub(super) fn others() -> Vec<Capture> {
    let around = parsed(&fixtures().join("captures-around.json"));
    let headers = |request: &Value| {
        let key = text(&request["headers"]);
        around["headers"][key.strip_prefix("@headers:").unwrap()].clone()
    };
    let requests = around["requests"].as_array().unwrap().iter();
    let around = requests.map(|request| Capture::of("", request, &headers(request), &Value::Null));
    let counts = of_files().into_iter().filter(|capture| Api::of_target(&capture.target).is_none());
    around.chain(counts).collect()
}

/// The requests of one file.
pub(super) fn of_client(client: &str) -> Vec<Capture> {
    let recorded = parsed(&fixtures().join("captures").join(format!("{client}.json")));
    let requests = recorded["requests"].as_array().unwrap().iter();
    requests.map(|request| Capture::of(client, request, &request["headers"], &recorded["tools"])).collect()
}

fn of_files() -> Vec<Capture> {
    let mut clients: Vec<String> = std::fs::read_dir(fixtures().join("captures"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    clients.sort();
    clients.iter().flat_map(|client| of_client(client)).collect()
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn parsed(file: &PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// A string.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no string: {value}")).to_owned()
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

impl Capture {
    fn of(client: &str, request: &Value, headers: &Value, tools: &Value) -> Self {
        let pair = |header: &Value| (text(&header[0]), text(&header[1]).replace("@key", "client-key-0000"));
        Self {
            name: format!("{client} {}", text(&request["name"])).trim().to_owned(),
            method: request["method"].as_str().unwrap_or("POST").to_owned(),
            target: text(&request["target"]),
            headers: headers.as_array().unwrap().iter().map(pair).collect(),
            body: expand(&request["body"], tools),
        }
    }

    /// The API of a request for an answer.
    pub(in crate::translation) fn api(&self) -> Api {
        Api::of_target(&self.target).unwrap_or_else(|| panic!("{} has no API", self.target))
    }

    /// Whether events are wanted.
    pub(super) fn streams(&self) -> bool {
        self.body["stream"] == json!(true)
    }

    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The client's name.
    pub(super) fn agent(&self) -> &str {
        self.header("user-agent").expect("every client names itself")
    }

    /// Sends it as the client did, byte by byte, and reads the answer.
    pub(in crate::translation) async fn send(&self, gateway: &Gateway) -> Answer {
        let authority = gateway.serving.authority();
        let body = if self.body.is_null() { String::new() } else { self.body.to_string() };
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {authority}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut raw = Raw::connect(authority).await;
        raw.send(head.as_bytes()).await;
        raw.send(body.as_bytes()).await;
        let response = raw.response(self.method == "HEAD").await;
        Answer::from(response.unwrap_or_else(|| panic!("{}: no answer", self.name)))
    }
}
