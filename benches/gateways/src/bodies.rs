//! The request bodies.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::case::Case;
use crate::load::Target;
use crate::row::{Api, Request};

/// Bytes of the body of `Case::Agent`.
pub const AGENT: usize = 230_000;
/// Bytes of the bodies that come beside the streams of `Case::PacedBesideLarge`.
pub const LARGE: usize = 4_500_000;
/// Bytes of the body of `Case::Image`.
pub const IMAGE: usize = 5 << 20;

/// The request of a case, ready to be sent.
#[must_use]
pub fn target(address: SocketAddr, case: Case, request: &Request) -> Target {
    let body = match case {
        Case::Agent => agent(request, AGENT),
        Case::Image => image(request, IMAGE),
        _ => small(request, case.streams()),
    };
    Target { address, request: whole(address, request, &body), chunks: case.lane().chunks() }
}

/// A request of [`LARGE`] bytes in the middle of an agent's work.
#[must_use]
pub fn large(address: SocketAddr, request: &Request) -> Target {
    Target { address, request: whole(address, request, &agent(request, LARGE)), chunks: None }
}

/// Head and body.
#[must_use]
pub fn whole(address: SocketAddr, request: &Request, body: &str) -> Arc<[u8]> {
    let Request { path, headers, .. } = request;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: moonrelay-gateways\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
    .into()
}

/// A question.
#[must_use]
pub fn small(request: &Request, stream: bool) -> String {
    let messages = vec![json!({ "role": "user", "content": "Say in two sentences what a gateway is." })];
    body(request, stream, messages, Vec::new())
}

/// A conversation of about this many bytes: instructions, tools, calls and their results.
#[must_use]
pub fn agent(request: &Request, bytes: usize) -> String {
    let tools: Vec<Value> = (0..24).map(|index| tool(request.api, index)).collect();
    let mut messages =
        vec![json!({ "role": "user", "content": "Make the tests pass, and say what was wrong." })];
    let mut length = body(request, false, messages.clone(), tools.clone()).len();
    for turn in 0.. {
        let step = turn_of_work(request.api, turn);
        length += step.iter().map(|message| message.to_string().len() + 1).sum::<usize>();
        if length > bytes {
            break;
        }
        messages.extend(step);
    }
    body(request, false, messages, tools)
}

/// An image of about this many bytes with a question.
#[must_use]
pub fn image(request: &Request, bytes: usize) -> String {
    let data = base64(bytes);
    let picture = match request.api {
        Api::Chat => {
            json!({ "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{data}") } })
        }
        Api::Messages => {
            json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": data } })
        }
    };
    let content = json!([{ "type": "text", "text": "What is in this picture?" }, picture]);
    body(request, false, vec![json!({ "role": "user", "content": content })], Vec::new())
}

fn body(request: &Request, stream: bool, mut messages: Vec<Value>, tools: Vec<Value>) -> String {
    const SYSTEM: &str = "You are a careful assistant. You answer in plain words.";
    let mut body = json!({ "model": request.model });
    match request.api {
        Api::Chat => messages.insert(0, json!({ "role": "system", "content": SYSTEM })),
        Api::Messages => body["system"] = SYSTEM.into(),
    }
    body["messages"] = messages.into();
    if !tools.is_empty() {
        body["tools"] = tools.into();
    }
    body["max_tokens"] = 4096.into();
    if stream {
        body["stream"] = true.into();
        if request.api == Api::Chat {
            body["stream_options"] = json!({ "include_usage": true });
        }
    }
    body.to_string()
}

fn tool(api: Api, index: usize) -> Value {
    let name = format!("tool_{index}");
    let text = "Does one thing with a file of the project.\n\nUsage notes:\n- Paths are absolute.\n- \"Quotes\" stay.";
    let schema = json!({
        "type": "object",
        "properties": {
            "path": { "type": "string", "description": "The absolute path of the file" },
            "offset": { "type": "integer", "description": "The line to begin with" },
            "limit": { "type": "integer", "description": "How many lines" },
        },
        "required": ["path"],
    });
    match api {
        Api::Chat => {
            json!({ "type": "function", "function": { "name": name, "description": text, "parameters": schema } })
        }
        Api::Messages => json!({ "name": name, "description": text, "input_schema": schema }),
    }
}

/// A call of a tool and its result: some 60 lines of code.
fn turn_of_work(api: Api, turn: usize) -> [Value; 2] {
    let id = format!("tool_{}:{turn}", turn % 24);
    let name = format!("tool_{}", turn % 24);
    let path = format!("/home/user/project/src/part_{turn}.rs");
    let code: String = (0..60)
        .map(|line| {
            format!(
                "{line:>5}\t    let value_{line} = map.get(\"key {turn}\").unwrap_or(&'\\n'); // → {line}\n"
            )
        })
        .collect();
    let said = format!("I look at part {turn}.");
    match api {
        Api::Chat => [
            json!({
                "role": "assistant", "content": said, "reasoning_content": "The error is near; this file is next.",
                "tool_calls": [{ "id": id, "type": "function", "function": {
                    "name": name, "arguments": json!({ "path": path, "limit": 60 }).to_string(),
                } }],
            }),
            json!({ "role": "tool", "tool_call_id": id, "content": code }),
        ],
        Api::Messages => {
            let id = format!("toolu_{turn}");
            [
                json!({ "role": "assistant", "content": [
                    { "type": "text", "text": said },
                    { "type": "tool_use", "id": id, "name": name, "input": { "path": path, "limit": 60 } },
                ] }),
                json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id, "content": code }] }),
            ]
        }
    }
}

/// Characters without a pattern, like a compressed image.
fn base64(bytes: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..bytes / 4 * 4)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(ALPHABET[(state >> 58) as usize])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_stated_length() {
        for api in [Api::Chat, Api::Messages] {
            let request = Request { api, ..Request::chat("model") };
            let agent = agent(&request, AGENT);
            assert!((AGENT - 10_000..=AGENT).contains(&agent.len()), "{}", agent.len());
            let image = image(&request, IMAGE);
            assert!((IMAGE..IMAGE + 1000).contains(&image.len()), "{}", image.len());
            for body in [agent, image, small(&request, true)] {
                let body: Value = serde_json::from_str(&body).expect("JSON");
                assert_eq!(body["model"], "model");
            }
        }
    }
}
