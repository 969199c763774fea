//! An answer while it comes: its events as blocks, and as what is seen.

use bytes::Bytes;
use serde_json::Value;

use super::transcript::{Block, Stop};
use super::turn::Seen;
use crate::protocol::face::Face;
use crate::protocol::object::Object;
use crate::protocol::sse::{FrameReader, FrameTooLong};
use crate::protocol::translate::decoder::Decoder;
use crate::protocol::translate::event::{Event, Finish};
use crate::protocol::usage::Usage;

/// See the module.
pub(super) struct Answer {
    frames: FrameReader,
    decoder: Decoder,
    blocks: Vec<Block>,
    /// Where in `blocks` each call stands, and its arguments so far.
    calls: Vec<(usize, String)>,
    /// The provider's id of it.
    pub(super) id: Option<String>,
    /// As the stream tells it.
    pub(super) usage: Option<Usage>,
    finish: Option<Finish>,
    /// The message of an error event.
    pub(super) error: Option<String>,
}

impl Answer {
    pub(super) fn new() -> Self {
        Self {
            frames: FrameReader::new(),
            decoder: Decoder::new(Face::Messages),
            blocks: Vec::new(),
            calls: Vec::new(),
            id: None,
            usage: None,
            finish: None,
            error: None,
        }
    }

    /// Takes bytes as they came, and shows what they say.
    pub(super) fn feed(
        &mut self,
        chunk: Bytes,
        seen: &mut (dyn FnMut(Seen) + Send),
    ) -> Result<(), FrameTooLong> {
        self.frames.feed(chunk);
        while let Some(frame) = self.frames.next_frame()? {
            let Some(payload) = frame.data() else { continue };
            if let Some(message) = error(&payload) {
                self.error = Some(message);
                continue;
            }
            let mut events = Vec::new();
            self.decoder.frame(&payload, &mut events);
            for event in events {
                self.take(event, seen);
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event, seen: &mut (dyn FnMut(Seen) + Send)) {
        match event {
            Event::Start { id, .. } => self.id = Some(id).filter(|id| !id.is_empty()),
            Event::Text(piece) | Event::Refusal(piece) => {
                match self.blocks.last_mut() {
                    Some(Block::Text { text }) => text.push_str(&piece),
                    _ => self.blocks.push(Block::Text { text: piece.clone() }),
                }
                seen(Seen::Text(piece));
            }
            Event::Reasoning(piece) => {
                match self.blocks.last_mut() {
                    Some(Block::Thinking { thinking, thinking_signature: None }) => thinking.push_str(&piece),
                    _ => {
                        let block = Block::Thinking { thinking: piece.clone(), thinking_signature: None };
                        self.blocks.push(block);
                    }
                }
                seen(Seen::Thinking(piece));
            }
            Event::Seal(signature) => {
                let is_thinking = |block: &&mut Block| matches!(block, Block::Thinking { .. });
                if let Some(Block::Thinking { thinking_signature, .. }) =
                    self.blocks.iter_mut().rev().find(is_thinking)
                {
                    *thinking_signature = Some(signature);
                }
            }
            Event::CallStart { id, name, .. } => {
                self.calls.push((self.blocks.len(), String::new()));
                self.blocks.push(Block::ToolCall { id, name, arguments: Value::Null });
            }
            Event::CallArguments { call, piece } => {
                if let Some((_, arguments)) = self.calls.get_mut(call) {
                    arguments.push_str(&piece);
                }
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish(finish) => self.finish = Some(finish),
            // Only its provider can read it, and only in the face in which it came.
            Event::Veiled(_) => {}
        }
    }

    /// Why it is over; `None` where it broke off.
    pub(super) fn stop(&self) -> Option<Stop> {
        Some(match self.finish.as_ref().filter(|_| self.error.is_none())? {
            Finish::Stop | Finish::StopSequence(_) | Finish::Filtered | Finish::Pause => Stop::Stop,
            Finish::Length | Finish::Window => Stop::Length,
            Finish::Calls => Stop::ToolUse,
        })
    }

    /// What it said, with the arguments of its calls as JSON where they are that, else as text.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = self.blocks.clone();
        for (place, written) in &self.calls {
            if let Some(Block::ToolCall { arguments, .. }) = blocks.get_mut(*place) {
                let text = if written.trim().is_empty() { "{}" } else { written };
                *arguments = serde_json::from_str(text).unwrap_or_else(|_| Value::String(written.clone()));
            }
        }
        blocks
    }

    /// Its text, without thinking and calls.
    pub(super) fn text(&self) -> String {
        let texts = self.blocks.iter().filter_map(|block| match block {
            Block::Text { text } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

/// The message of an error event.
fn error(payload: &[u8]) -> Option<String> {
    let top = Object::read(payload).filter(|top| top.word("type") == "error")?;
    let message = top.object("error").and_then(|error| error.string("message").map(|text| text.into_owned()));
    Some(message.unwrap_or_else(|| "the answer broke off".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (Answer, Vec<Seen>) {
        let (mut answer, mut all) = (Answer::new(), Vec::new());
        // Byte by byte: cuts fall everywhere.
        for byte in text.as_bytes() {
            answer.feed(Bytes::copy_from_slice(&[*byte]), &mut |seen| all.push(seen)).unwrap();
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
    fn blocks_come_in_their_order_with_signature_and_arguments() {
        let (answer, seen) = read(&format!("{HEAD}{CALL}"));
        let blocks = answer.blocks();
        assert_eq!(
            blocks,
            [
                Block::Thinking { thinking: "hm".to_owned(), thinking_signature: Some("sig".to_owned()) },
                Block::Text { text: "Lü".to_owned() },
                Block::ToolCall {
                    id: "t:0".to_owned(),
                    name: "web_search".to_owned(),
                    arguments: json!({"query": 1})
                },
            ]
        );
        assert_eq!((answer.stop(), answer.text().as_str()), (Some(Stop::ToolUse), "Lü"));
        assert_eq!(seen, [Seen::Thinking("hm".to_owned()), Seen::Text("Lü".to_owned())]);
        assert_eq!((answer.id.as_deref(), answer.usage.unwrap().output), (Some("msg_1"), 5));
    }

    #[test]
    fn an_answer_without_its_end_is_none() {
        let (answer, _) = read(HEAD);
        assert_eq!((answer.stop(), answer.text().as_str()), (None, "Lü"));
        let (answer, _) = read(&format!(
            "{HEAD}event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"api_error\",\"message\":\"it broke\"}}}}\n\n\
             data: {{\"type\":\"message_stop\"}}\n\n"
        ));
        assert_eq!((answer.stop(), answer.error.as_deref()), (None, Some("it broke")));
    }
}
