//! `message_start`; blocks, one after the other, from 0 on; `message_delta`; `message_stop`. An error may end it anywhere.

use serde_json::{Value, json};

use super::{Received, escaped, events, unescaped};

pub(super) fn read(stream: &str) -> Received {
    let mut received = Received::default();
    let events = events(stream, &mut received);
    let mut reading = Reading { received, text: String::new(), open: None, next: 0, stage: Stage::Before };
    for (kind, event) in events {
        assert_ne!(reading.stage, Stage::Ended, "{kind} behind the end: {stream}");
        reading.take(&kind, &event).unwrap_or_else(|| panic!("{kind} out of its order: {event}\n{stream}"));
    }
    assert_eq!(reading.stage, Stage::Ended, "no end: {stream}");
    Received { text: unescaped(&reading.text), ..reading.received }
}

#[derive(Debug, PartialEq)]
enum Stage {
    Before,
    Blocks,
    Finished,
    Ended,
}

struct Reading {
    received: Received,
    text: String,
    /// The open block: its kind, and the length of its content.
    open: Option<(String, usize)>,
    next: u64,
    stage: Stage,
}

impl Reading {
    fn take(&mut self, kind: &str, event: &Value) -> Option<()> {
        match (kind, &self.stage) {
            ("ping", _) => return Some(()),
            ("error", _) => {
                self.received.errors.push(event["error"]["message"].as_str()?.to_owned());
                self.received.done += 1;
                self.stage = Stage::Ended;
            }
            ("message_start", Stage::Before) => {
                let message = &event["message"];
                assert_eq!((&message["role"], &message["content"]), (&json!("assistant"), &json!([])));
                assert!(message["usage"]["input_tokens"].is_u64(), "{event}");
                self.received.roles += 1;
                self.received
                    .ids
                    .push(message["id"].as_str().filter(|id| id.starts_with("msg_"))?.to_owned());
                self.received.models.push(message["model"].as_str()?.to_owned());
                self.stage = Stage::Blocks;
            }
            ("content_block_start" | "content_block_delta" | "content_block_stop", Stage::Blocks) => {
                assert_eq!(event["index"].as_u64(), Some(self.next), "{event}");
                match kind {
                    "content_block_start" => self.start(&event["content_block"])?,
                    "content_block_delta" => self.delta(&event["delta"])?,
                    _ => self.stop()?,
                }
            }
            ("message_delta", Stage::Blocks) if self.open.is_none() => {
                self.received.finishes.push(event["delta"]["stop_reason"].as_str()?.to_owned());
                assert!(event["usage"]["output_tokens"].is_u64(), "{event}");
                self.received.usages.push(event["usage"].clone());
                self.stage = Stage::Finished;
            }
            ("message_stop", Stage::Finished) => {
                self.received.done += 1;
                self.stage = Stage::Ended;
            }
            _ => return None,
        }
        Some(())
    }

    fn start(&mut self, block: &Value) -> Option<()> {
        let kind = block["type"].as_str()?;
        if kind == "tool_use" {
            assert_eq!(block["input"], json!({}), "{block}");
            self.received.calls.push((block["name"].as_str()?.to_owned(), String::new()));
        }
        self.open.replace((kind.to_owned(), 0)).is_none().then_some(())
    }

    fn delta(&mut self, delta: &Value) -> Option<()> {
        let (open, held) = self.open.as_mut()?;
        match (open.as_str(), delta["type"].as_str()?) {
            ("text", "text_delta") => {
                let piece = delta["text"].as_str()?;
                self.text.push_str(&escaped(piece));
                *held += piece.len();
            }
            ("thinking", "thinking_delta") => {
                self.received.reasoning.push_str(delta["thinking"].as_str()?);
                *held += 1;
            }
            ("thinking", "signature_delta") => {}
            ("tool_use", "input_json_delta") => {
                self.received.calls.last_mut()?.1.push_str(delta["partial_json"].as_str()?);
                *held += 1;
            }
            _ => return None,
        }
        Some(())
    }

    fn stop(&mut self) -> Option<()> {
        let (kind, held) = self.open.take()?;
        assert!(held > 0, "a block without a word is refused when it comes back: {kind}");
        if kind == "tool_use" {
            let arguments = &self.received.calls.last()?.1;
            assert!(serde_json::from_str::<Value>(arguments).is_ok(), "half a call: {arguments}");
        }
        self.next += 1;
        Some(())
    }
}
