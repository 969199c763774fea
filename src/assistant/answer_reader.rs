//! Parses a streamed answer into blocks and display events.

use bytes::Bytes;
use serde_json::Value;

use super::outcome::TurnEvent;
use super::transcript::{ContentBlock, StopReason};
use crate::protocol::api::Api;
use crate::protocol::model::answer::{FinishReason, ResponseEvent};
use crate::protocol::object::ObjectView;
use crate::protocol::sse::{FrameReader, FrameTooLong};
use crate::protocol::translate::Decoder;

/// The answer, as far as it was read.
pub(super) struct AnswerReader {
    frames: FrameReader,
    decoder: Decoder,
    blocks: Vec<ContentBlock>,
    /// The index of each tool call in `blocks`, where its arguments are text until the end.
    calls: Vec<usize>,
    /// The provider's id of the answer.
    pub(super) response_id: Option<String>,
    stop_reason: Option<StopReason>,
    /// The message of an error event.
    pub(super) error_message: Option<String>,
}

impl AnswerReader {
    pub(super) fn new() -> Self {
        Self {
            frames: FrameReader::new(),
            decoder: Decoder::new(Api::Messages),
            blocks: Vec::new(),
            calls: Vec::new(),
            response_id: None,
            stop_reason: None,
            error_message: None,
        }
    }

    /// Parses received bytes and emits display events.
    pub(super) fn push(
        &mut self,
        chunk: Bytes,
        on_event: &mut (dyn FnMut(TurnEvent) + Send),
    ) -> Result<(), FrameTooLong> {
        self.frames.feed(chunk);
        while let Some(frame) = self.frames.next_frame()? {
            let Some(payload) = frame.data() else { continue };
            if let Some(message) = parse_error_message(&payload) {
                self.error_message = Some(message);
                continue;
            }
            let mut events = Vec::new();
            self.decoder.read_payload(&payload, &mut events);
            for event in events {
                self.apply_event(event, on_event);
            }
        }
        Ok(())
    }

    fn apply_event(&mut self, event: ResponseEvent, on_event: &mut (dyn FnMut(TurnEvent) + Send)) {
        match event {
            ResponseEvent::Start { id, .. } => self.response_id = Some(id).filter(|id| !id.is_empty()),
            ResponseEvent::Text(delta) | ResponseEvent::Refusal(delta) => {
                match self.blocks.last_mut() {
                    Some(ContentBlock::Text { text }) => text.push_str(&delta),
                    _ => self.blocks.push(ContentBlock::Text { text: delta.clone() }),
                }
                on_event(TurnEvent::Text(delta));
            }
            ResponseEvent::Reasoning(delta) => {
                let (thinking, thinking_signature) = (delta.clone(), None);
                match self.blocks.last_mut() {
                    Some(ContentBlock::Thinking { thinking, thinking_signature: None }) => {
                        thinking.push_str(&delta);
                    }
                    _ => self.blocks.push(ContentBlock::Thinking { thinking, thinking_signature }),
                }
                on_event(TurnEvent::Thinking(delta));
            }
            ResponseEvent::ReasoningSignature(signature) => {
                let is_thinking = |block: &&mut ContentBlock| matches!(block, ContentBlock::Thinking { .. });
                let last = self.blocks.iter_mut().rev().find(is_thinking);
                if let Some(ContentBlock::Thinking { thinking_signature, .. }) = last {
                    *thinking_signature = Some(signature);
                }
            }
            ResponseEvent::ToolCallStart { id, name, .. } => {
                self.calls.push(self.blocks.len());
                self.blocks.push(ContentBlock::ToolCall { id, name, arguments: String::new().into() });
            }
            ResponseEvent::ToolCallArguments { call, delta } => {
                let block = self.calls.get(call).and_then(|index| self.blocks.get_mut(*index));
                if let Some(ContentBlock::ToolCall { arguments: Value::String(text), .. }) = block {
                    text.push_str(&delta);
                }
            }
            ResponseEvent::Finish(reason) => {
                self.stop_reason = Some(match reason {
                    FinishReason::MaxTokens | FinishReason::ContextWindow => StopReason::Length,
                    FinishReason::ToolCalls => StopReason::ToolUse,
                    FinishReason::Stop
                    | FinishReason::StopSequence(_)
                    | FinishReason::ContentFilter
                    | FinishReason::Pause => StopReason::Stop,
                });
            }
            // The record has the usage. Only its provider can read redacted reasoning, in the same API format.
            ResponseEvent::Usage(_) | ResponseEvent::RedactedReasoning(_) => {}
        }
    }

    /// The stop reason; `None` if the stream was interrupted.
    pub(super) fn stop_reason(&self) -> Option<StopReason> {
        self.stop_reason.filter(|_| self.error_message.is_none())
    }

    /// The answer's blocks. Tool arguments are JSON if they parse, else text.
    pub(super) fn blocks(&self) -> Vec<ContentBlock> {
        let mut blocks = self.blocks.clone();
        for block in &mut blocks {
            let ContentBlock::ToolCall { arguments, .. } = block else { continue };
            let text = arguments.as_str().unwrap_or_default().trim();
            if let Ok(parsed) = serde_json::from_str(if text.is_empty() { "{}" } else { text }) {
                *arguments = parsed;
            }
        }
        blocks
    }

    /// Its text, without thinking and calls.
    pub(super) fn text(&self) -> String {
        self.blocks.iter().filter_map(ContentBlock::text).collect()
    }
}

/// The message of an error event.
fn parse_error_message(payload: &[u8]) -> Option<String> {
    let top = ObjectView::parse(payload).filter(|top| top.string_or_empty("type") == "error")?;
    let message = top.object("error").and_then(|error| error.string("message").map(|text| text.into_owned()));
    Some(message.unwrap_or_else(|| "the answer was interrupted".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (AnswerReader, Vec<TurnEvent>) {
        let (mut answer, mut all) = (AnswerReader::new(), Vec::new());
        // Byte by byte, because chunks can split anywhere.
        for byte in text.as_bytes() {
            answer.push(Bytes::copy_from_slice(&[*byte]), &mut |seen| all.push(seen)).unwrap();
        }
        (answer, all)
    }

    const HEAD: &str = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":9,\"output_tokens\":0}}}\n\n\
        data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"sig\"}}\n\n\
        data: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
        data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Lü\"}}\n\n";
    const CALL: &str = "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n\
        data: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t:0\",\"name\":\"web_search\",\"input\":{}}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"query\\\":\"}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1}\"}}\n\n\
        data: {\"type\":\"content_block_stop\",\"index\":2}\n\n\
        data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":5}}\n\n\
        data: {\"type\":\"message_stop\"}\n\n";

    #[test]
    fn blocks_are_in_order_with_signature_and_arguments() {
        let (answer, seen) = read(&format!("{HEAD}{CALL}"));
        let blocks = answer.blocks();
        assert_eq!(
            blocks,
            [
                ContentBlock::Thinking {
                    thinking: "hm".to_owned(),
                    thinking_signature: Some("sig".to_owned())
                },
                ContentBlock::Text { text: "Lü".to_owned() },
                ContentBlock::ToolCall {
                    id: "t:0".to_owned(),
                    name: "web_search".to_owned(),
                    arguments: json!({"query": 1})
                },
            ]
        );
        assert_eq!((answer.stop_reason(), answer.text().as_str()), (Some(StopReason::ToolUse), "Lü"));
        assert_eq!(seen, [TurnEvent::Thinking("hm".to_owned()), TurnEvent::Text("Lü".to_owned())]);
        assert_eq!(answer.response_id.as_deref(), Some("msg_1"));
    }

    #[test]
    fn interrupted_answer_has_no_stop_reason() {
        let (answer, _) = read(HEAD);
        assert_eq!((answer.stop_reason(), answer.text().as_str()), (None, "Lü"));
        let (answer, _) = read(&format!(
            "{HEAD}event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"api_error\",\"message\":\"it broke\"}}}}\n\n\
             data: {{\"type\":\"message_stop\"}}\n\n"
        ));
        assert_eq!((answer.stop_reason(), answer.error_message.as_deref()), (None, Some("it broke")));
    }
}
