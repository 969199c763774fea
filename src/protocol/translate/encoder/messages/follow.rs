//! Messages frames that went to the client without the writer.

use super::blocks::Kind;
use super::{Stage, Writer};
use crate::protocol::face::Face;
use crate::protocol::object::Object;
use crate::protocol::translate::encoder::arguments::Progress;
use crate::protocol::translate::encoder::sequence::Open;
use crate::protocol::usage::Usage;

impl Writer {
    pub(in crate::protocol::translate::encoder) fn follow(&mut self, payload: &[u8]) {
        let Some(top) = Object::read(payload) else { return };
        match top.string("type").as_deref() {
            Some("message_start") => {
                self.stage = self.stage.max(Stage::Message);
                if let Some(message) = top.object("message") {
                    self.learn_usage(message.value("usage"));
                }
            }
            Some("content_block_start") => self.follow_start(&top),
            Some("content_block_delta") => self.follow_delta(&top),
            Some("content_block_stop") => {
                self.sequence.follow(None);
                self.frames.index = top.count("index").unwrap_or(self.frames.index).saturating_add(1);
            }
            Some("message_delta") => {
                self.learn_usage(top.value("usage"));
                let stopped = top.object("delta").is_some_and(|delta| delta.value("stop_reason").is_some());
                if stopped {
                    self.stage = self.stage.max(Stage::Finished);
                }
            }
            Some("message_stop" | "error") => self.stage = Stage::Ended,
            _ => {}
        }
    }

    fn follow_start(&mut self, top: &Object<'_>) {
        self.frames.index = top.count("index").unwrap_or(self.frames.index);
        self.frames.signed = false;
        let Some(block) = top.object("content_block") else { return };
        let (kind, open) = match block.string("type").as_deref() {
            Some("text") => (Kind::Text, Open::Text),
            Some("thinking") => (Kind::Thinking, Open::Reasoning),
            Some("tool_use") => (Kind::Call, Open::Call(self.sequence.calls(), Progress::default())),
            _ => (Kind::Text, Open::Other),
        };
        self.frames.kind = kind;
        self.sequence.follow(Some(open));
    }

    fn follow_delta(&mut self, top: &Object<'_>) {
        let Some(delta) = top.object("delta") else { return };
        match delta.string("type").as_deref() {
            // Nothing is added to reasoning behind its signature.
            Some("signature_delta") => {
                self.frames.signed = true;
                self.sequence.follow(Some(Open::Other));
            }
            Some("input_json_delta") => {
                self.sequence.follow_piece(&delta.string("partial_json").unwrap_or_default());
            }
            _ => {}
        }
    }

    fn learn_usage(&mut self, text: Option<&[u8]>) {
        let mut usage = self.usage.unwrap_or_default();
        if text.is_some_and(|text| Usage::update(&mut usage, Face::Messages, text)) {
            self.usage = Some(usage);
        }
    }
}
