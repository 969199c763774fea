//! Content survives translation and the round trip.

use bytes::Bytes;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::{RequestBody, TranslatedRequest, translate_request};
use super::conversations::{SIGNATURES, Said, conversation};
use super::target;
use crate::protocol::api::Api;
use crate::protocol::model::tools;

/// A message or an item of any format; raw values are those that a tree cannot represent.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Item {
    role: String,
    #[serde(rename = "type")]
    kind: String,
    content: Option<Box<RawValue>>,
    reasoning_content: String,
    reasoning_details: Vec<Value>,
    tool_calls: Vec<Value>,
    tool_call_id: String,
    call_id: String,
    name: String,
    arguments: String,
    output: Value,
    summary: Vec<Value>,
    encrypted_content: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    thinking: String,
    signature: String,
    id: String,
    name: String,
    input: Option<Box<RawValue>>,
    tool_use_id: String,
    content: Value,
    source: Value,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    messages: Vec<Item>,
    input: Vec<Item>,
    system: Vec<Value>,
    instructions: Option<String>,
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}

fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(parts) => parts.iter().map(|part| string(&part["text"])).collect(),
        other => panic!("{other} is no content"),
    }
}

/// The content of a body, read independently of the translation code.
fn said(api: Api, body: &[u8]) -> Vec<Said> {
    let body: Body = serde_json::from_slice(body).unwrap();
    let mut said: Vec<Said> = body.system.iter().map(|block| Said::System(string(&block["text"]))).collect();
    said.extend(body.instructions.map(Said::System));
    for item in body.messages.iter().chain(&body.input) {
        match api {
            Api::ChatCompletions => chat(item, &mut said),
            Api::Messages => messages(item, &mut said),
            Api::Responses => responses(item, &mut said),
        }
    }
    said
}

fn by_role(role: &str, text: String) -> Said {
    match role {
        "system" => Said::System(text),
        "user" => Said::User(text),
        "assistant" => Said::Assistant(text),
        other => panic!("{other}"),
    }
}

fn chat(item: &Item, said: &mut Vec<Said>) {
    let content: Value = serde_json::from_str(item.content.as_ref().map_or("null", |raw| raw.get())).unwrap();
    if item.role == "tool" {
        return said.push(Said::Result(item.tool_call_id.clone(), texts(&content)));
    }
    if !item.reasoning_content.is_empty() {
        let signature = item.reasoning_details.iter().find_map(|detail| detail["signature"].as_str());
        said.push(Said::Reasoning(item.reasoning_content.clone(), signature.unwrap_or_default().to_owned()));
    }
    match &content {
        Value::String(text) => said.push(by_role(&item.role, text.clone())),
        Value::Array(parts) => said.extend(parts.iter().map(|part| match &part["image_url"]["url"] {
            Value::String(url) => Said::Image(url.clone()),
            _ => by_role(&item.role, string(&part["text"])),
        })),
        Value::Null => {}
        other => panic!("{other}"),
    }
    said.extend(item.tool_calls.iter().map(|call| {
        let function = &call["function"];
        Said::Call(string(&call["id"]), string(&function["name"]), string(&function["arguments"]))
    }));
}

fn messages(item: &Item, said: &mut Vec<Said>) {
    let blocks: Vec<Block> = serde_json::from_str(item.content.as_ref().unwrap().get()).unwrap();
    assert!(!blocks.is_empty());
    for block in blocks {
        said.push(match block.kind.as_str() {
            "text" => by_role(&item.role, block.text),
            "thinking" => Said::Reasoning(block.thinking, block.signature),
            "tool_use" => {
                assert!(
                    block.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
                        && block.id.len() <= 64
                );
                Said::Call(block.id, block.name, block.input.unwrap().get().to_owned())
            }
            "tool_result" => Said::Result(block.tool_use_id, texts(&block.content)),
            "image" => match &block.source["data"] {
                Value::String(data) => {
                    Said::Image(format!("data:{};base64,{data}", string(&block.source["media_type"])))
                }
                _ => Said::Image(string(&block.source["url"])),
            },
            other => panic!("{other}"),
        });
    }
}

fn responses(item: &Item, said: &mut Vec<Said>) {
    assert!(item.call_id.chars().count() <= 64);
    match item.kind.as_str() {
        "message" => {
            let content: Value = serde_json::from_str(item.content.as_ref().unwrap().get()).unwrap();
            said.extend(content.as_str().map(|text| by_role(&item.role, text.to_owned())));
            said.extend(content.as_array().into_iter().flatten().map(|part| match &part["image_url"] {
                Value::String(url) => Said::Image(url.clone()),
                _ => by_role(&item.role, string(&part["text"])),
            }));
        }
        "reasoning" => {
            let text = item.summary.iter().map(|part| string(&part["text"])).collect();
            said.push(Said::Reasoning(text, item.encrypted_content.clone().unwrap_or_default()));
        }
        "function_call" => {
            said.push(Said::Call(item.call_id.clone(), item.name.clone(), item.arguments.clone()));
        }
        "function_call_output" => said.push(Said::Result(item.call_id.clone(), texts(&item.output))),
        other => panic!("{other}"),
    }
}

fn with_ids(said: &[Said], id: impl Fn(&str) -> String) -> Vec<Said> {
    let with_id = |said: &Said| match said {
        Said::Call(old, name, arguments) => Said::Call(id(old), name.clone(), arguments.clone()),
        Said::Result(old, texts) => Said::Result(id(old), texts.clone()),
        other => other.clone(),
    };
    said.iter().map(with_id).collect()
}

/// The id as seen by a client of this format.
fn in_api(api: Api, id: &str) -> String {
    match api {
        Api::ChatCompletions => id.to_owned(),
        Api::Messages => tools::to_messages_id(id).into_owned(),
        Api::Responses => tools::to_responses_id(id).into_owned(),
    }
}

/// The provider's own id; chat never escapes one.
fn own(api: Api, id: &str) -> String {
    if api == Api::ChatCompletions { id.to_owned() } else { tools::restore_original(id).into_owned() }
}

fn translate(from: Api, to: Api, body: &[u8]) -> TranslatedRequest {
    // The gateway wrote the target's origin into the signatures.
    let sealed = |text: String, signature: &str| {
        let origin = format!("\"moonrelay:own:{}:::", to.as_str());
        text.replace(&format!("\"{signature}\""), &format!("{origin}{signature}\""))
    };
    let body = String::from_utf8(body.to_vec()).unwrap();
    let body = SIGNATURES.into_iter().filter(|signature| !signature.is_empty()).fold(body, sealed);
    let body = RequestBody::parse(from, body.into()).unwrap();
    translate_request(&body, &target(to)).unwrap()
}

/// The elements of the conversation, as bytes.
fn elements(api: Api, body: &Bytes) -> Vec<Bytes> {
    let parsed = RequestBody::parse(api, body.clone()).unwrap();
    parsed.messages.iter().map(|message| body.slice(message.span.clone())).collect()
}

proptest! {
    // Each case runs all nine directions and back.
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn content_round_trips_through_every_format(conversation in conversation()) {
        for from in Api::ALL {
            let conversation = conversation.with_ids(|id| in_api(from, id));
            let body = conversation.body(from);
            let original = said(from, body.as_bytes());
            prop_assert_eq!(&original, &conversation.said());
            for to in Api::ALL {
                let there = translate(from, to, body.as_bytes());
                prop_assert_eq!(said(to, &there.body), with_ids(&original, |id| in_api(to, &own(from, id))), "{:?} to {:?}", from, to);
                let back = translate(to, from, &there.body);
                let expected = with_ids(&original, |id| in_api(from, &own(to, &in_api(to, &own(from, id)))));
                prop_assert_eq!(said(from, &back.body), expected, "{:?} to {:?} and back", from, to);
                prop_assert_eq!(there.losses, Vec::<&str>::new());
            }
        }
    }

    #[test]
    fn conversation_prefix_translates_to_the_same_bytes(conversation in conversation()) {
        for from in Api::ALL {
            for to in Api::ALL {
                let whole = translate(from, to, conversation.body(from).as_bytes());
                prop_assert_eq!(&whole, &translate(from, to, conversation.body(from).as_bytes()));
                let whole = elements(to, &whole.body);
                for exchanges in 1..conversation.exchanges.len() {
                    let partial = translate(from, to, conversation.partial(exchanges).body(from).as_bytes());
                    let partial = elements(to, &partial.body);
                    // A last message of the assistant's is marked as a beginning.
                    let settled = partial.len() - 1;
                    prop_assert_eq!(&partial[..settled], &whole[..settled], "{:?} to {:?}", from, to);
                }
            }
        }
    }
}
