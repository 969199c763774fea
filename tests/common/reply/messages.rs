//! Anthropic Messages.

use serde_json::{Value, json};

use super::{Call, Event, Finish, Reply, Tokens, list, named, number, text};

const STOPS: [&str; 7] = [
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
];

#[derive(Default)]
struct Reading {
    blocks: Vec<Value>,
    /// Of the last block; it is open.
    open: bool,
    arguments: String,
    stage: Stage,
    reply: Reply,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Begun,
    Finished,
    Stopped,
}

/// `message_start`, blocks one after the other from index 0 on, `message_delta`, `message_stop`; pings anywhere.
pub(super) fn stream(events: &[Event]) -> Reply {
    let mut reading = Reading::default();
    for event in events {
        let data = event.json();
        assert_eq!(event.name.as_deref(), data["type"].as_str(), "the name is the type: {data}");
        assert!(reading.reply.error.is_none(), "something behind the error: {data}");
        assert_ne!(reading.stage, Stage::Stopped, "something behind message_stop: {data}");
        reading.take(&data);
    }
    let Reading { stage, blocks, mut reply, .. } = reading;
    assert!(stage == Stage::Stopped || reply.error.is_some(), "no message_stop");
    say(&mut reply, &blocks);
    if reply.error.is_none() {
        close(&mut reply, &blocks);
    }
    reply
}

impl Reading {
    fn take(&mut self, data: &Value) {
        match data["type"].as_str().unwrap() {
            "ping" => {}
            "error" => self.reply.error = Some(named(&data["error"], "message")),
            "message_start" => self.start(&data["message"]),
            "content_block_start" => self.block(data),
            "content_block_delta" => self.delta(data),
            "content_block_stop" => self.end(data),
            "message_delta" => self.finish(data),
            "message_stop" => {
                assert_eq!(self.stage, Stage::Finished, "{data}");
                self.stage = Stage::Stopped;
            }
            other => panic!("{other} is not an event of the Messages API"),
        }
    }

    fn start(&mut self, message: &Value) {
        assert_eq!(self.stage, Stage::Before, "a second message_start");
        assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")));
        named(message, "id");
        named(message, "model");
        assert_eq!(message["content"], json!([]), "{message}");
        assert!(message["stop_reason"].is_null() && message["stop_sequence"].is_null(), "{message}");
        tokens(&message["usage"]);
        self.stage = Stage::Begun;
    }

    fn block(&mut self, data: &Value) {
        assert_eq!(self.stage, Stage::Begun, "{data}");
        assert!(!self.open, "the block before is open: {data}");
        assert_eq!(number(&data["index"]), self.blocks.len() as u64, "{data}");
        let block = &data["content_block"];
        match block["type"].as_str().unwrap() {
            "text" => assert_eq!(block["text"], "", "{data}"),
            "thinking" => assert_eq!(block["thinking"], "", "{data}"),
            "redacted_thinking" => drop(named(block, "data")),
            "tool_use" => {
                assert_eq!(block["input"], json!({}), "{data}");
                check_call(block);
            }
            other => panic!("a block of the type {other}: {data}"),
        }
        self.blocks.push(block.clone());
        self.arguments.clear();
        self.open = true;
    }

    fn delta(&mut self, data: &Value) {
        self.is_of_the_open_block(data);
        let block = self.blocks.last_mut().unwrap();
        let delta = &data["delta"];
        let (kind, key) = match delta["type"].as_str().unwrap() {
            "text_delta" => ("text", "text"),
            "thinking_delta" => ("thinking", "thinking"),
            "signature_delta" => ("thinking", "signature"),
            "input_json_delta" => {
                assert_eq!(block["type"], "tool_use", "{data}");
                return self.arguments.push_str(&text(&delta["partial_json"]));
            }
            other => panic!("{other}: {data}"),
        };
        assert_eq!(block["type"], kind, "{data}");
        let so_far = block[key].as_str().unwrap_or_default();
        block[key] = json!(format!("{so_far}{}", text(&delta[key])));
    }

    fn end(&mut self, data: &Value) {
        self.is_of_the_open_block(data);
        let block = self.blocks.last_mut().unwrap();
        if block["type"] == "tool_use" && !self.arguments.is_empty() {
            block["input"] =
                serde_json::from_str(&self.arguments).unwrap_or_else(|e| panic!("{e}: {}", self.arguments));
        }
        self.open = false;
    }

    fn is_of_the_open_block(&self, data: &Value) {
        assert!(self.open, "no block is open: {data}");
        assert_eq!(number(&data["index"]) + 1, self.blocks.len() as u64, "{data}");
    }

    fn finish(&mut self, data: &Value) {
        assert_eq!(self.stage, Stage::Begun, "{data}");
        assert!(!self.open, "a block is open: {data}");
        self.reply.finish_word = text(&data["delta"]["stop_reason"]);
        self.reply.finish = Some(finish(&data["delta"]));
        // Cumulative; if the input count is missing, it is that of the start event.
        number(&data["usage"]["output_tokens"]);
        self.reply.tokens = data["usage"]["input_tokens"].is_u64().then(|| tokens(&data["usage"]));
        self.reply.usages += 1;
        self.stage = Stage::Finished;
    }
}

/// A message with its content.
pub(super) fn whole(body: &Value) -> Reply {
    assert_eq!((&body["type"], &body["role"]), (&json!("message"), &json!("assistant")), "{body}");
    named(body, "id");
    named(body, "model");
    let mut reply = Reply {
        finish: Some(finish(body)),
        finish_word: text(&body["stop_reason"]),
        usages: 1,
        ..Reply::default()
    };
    reply.tokens = Some(tokens(&body["usage"]));
    let blocks = list(&body["content"]);
    blocks.iter().filter(|block| block["type"] == "tool_use").for_each(check_call);
    say(&mut reply, blocks);
    close(&mut reply, blocks);
    reply
}

fn check_call(block: &Value) {
    named(block, "id");
    named(block, "name");
}

fn finish(message: &Value) -> Finish {
    let reason = text(&message["stop_reason"]);
    assert!(STOPS.contains(&reason.as_str()), "{reason}");
    assert!(message.get("stop_sequence").is_some(), "stop_sequence is missing: {message}");
    match reason.as_str() {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" => Finish::Length,
        "tool_use" => Finish::Calls,
        _ => Finish::Other,
    }
}

fn tokens(usage: &Value) -> Tokens {
    let cached = usage["cache_read_input_tokens"].as_u64().unwrap_or_default();
    let written = usage["cache_creation_input_tokens"].as_u64().unwrap_or_default();
    let input = number(&usage["input_tokens"]) + cached + written;
    Tokens { input, cached, output: number(&usage["output_tokens"]) }
}

fn say(reply: &mut Reply, blocks: &[Value]) {
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "text" => reply.text.push_str(&text(&block["text"])),
            "thinking" => reply.reasoning.push_str(&text(&block["thinking"])),
            "tool_use" => reply.calls.push(Call {
                id: named(block, "id"),
                name: named(block, "name"),
                arguments: block["input"].to_string(),
            }),
            _ => {}
        }
    }
}

fn close(reply: &mut Reply, blocks: &[Value]) {
    assert_eq!(reply.finish == Some(Finish::Calls), !reply.calls.is_empty(), "{reply:?}");
    reply.turn = vec![json!({ "role": "assistant", "content": blocks })];
}
