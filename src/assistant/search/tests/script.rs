//! A connector that answers from a list and records the requests.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::failure::{Failure, Reason};
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse};

/// What the next request gets.
pub(super) enum Line {
    Status(u16, Value),
    Broken,
    /// No head, ever.
    Silent,
}

#[derive(Default)]
pub(super) struct Script {
    lines: Mutex<VecDeque<Line>>,
    pub(super) asked: Mutex<Vec<(String, HeaderMap, Value)>>,
}

impl Script {
    pub(super) fn of(lines: impl IntoIterator<Item = Line>) -> Arc<Self> {
        let lines = Mutex::new(lines.into_iter().collect());
        Arc::new(Self { lines, asked: Mutex::default() })
    }

    pub(super) fn bodies(&self) -> Vec<Value> {
        self.asked.lock().unwrap().iter().map(|(_, _, body)| body.clone()).collect()
    }

    /// Keys in the order in which they were used.
    pub(super) fn keys(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(_, headers, _)| headers["authorization"].to_str().unwrap().to_owned()).collect()
    }
}

impl Connector for Script {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        let body = serde_json::from_slice(&call.body.concat()).unwrap();
        self.asked.lock().unwrap().push((call.url.to_string(), call.headers, body));
        let line = self.lines.lock().unwrap().pop_front().expect("nothing more is asked");
        Box::pin(async move {
            match line {
                Line::Silent => std::future::pending().await,
                Line::Broken => Err(Failure::new(Reason::Network, "cannot connect")),
                Line::Status(status, body) => Ok(UpstreamResponse {
                    status: StatusCode::from_u16(status).unwrap(),
                    headers: HeaderMap::new(),
                    body: Box::pin(futures_util::stream::iter([Ok(Bytes::from(body.to_string()))])),
                }),
            }
        })
    }
}

fn answer(message: Value, finish: &str) -> Line {
    Line::Status(
        200,
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "model": "kimi-k2.6",
            "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
            "usage": { "prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010 },
        }),
    )
}

pub(super) fn says(text: &str) -> Line {
    answer(json!({ "role": "assistant", "content": text }), "stop")
}

/// A call of this tool with arguments as Moonshot documents them, and this text of theirs.
pub(super) fn calls(name: &str, arguments: &str) -> Line {
    let call = json!({
        "index": 0, "id": "t-web_search-1", "type": "builtin_function",
        "function": { "name": name, "arguments": arguments },
    });
    answer(json!({ "role": "assistant", "content": "", "tool_calls": [call] }), "tool_calls")
}

/// Spaces as no serializer of ours writes them.
pub(super) const ARGUMENTS: &str =
    r#"{"search_result": {"search_id":"s-1" },  "usage": {"total_tokens": 4096}}"#;

pub(super) fn searches() -> Line {
    calls("$web_search", ARGUMENTS)
}

pub(super) fn refuses(status: u16, kind: &str, message: &str) -> Line {
    Line::Status(status, json!({ "error": { "type": kind, "message": message } }))
}
