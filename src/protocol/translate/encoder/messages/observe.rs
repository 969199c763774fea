//! Observes Messages frames that were forwarded to the client directly.

use super::blocks::DeltaKind;
use super::{MessagesEncoder, MessagesStage};
use crate::protocol::api::Api;
use crate::protocol::object::ObjectView;
use crate::protocol::translate::encoder::arguments::JsonProgress;
use crate::protocol::translate::encoder::sequencer::OpenBlock;
use crate::protocol::usage::TokenUsage;

impl MessagesEncoder {
    pub(in crate::protocol::translate::encoder) fn observe_payload(&mut self, payload: &[u8]) {
        let Some(top) = ObjectView::parse(payload) else { return };
        match top.string("type").as_deref() {
            Some("message_start") => {
                self.stage = self.stage.max(MessagesStage::Started);
                if let Some(message) = top.object("message") {
                    self.observe_usage(message.value("usage"));
                }
            }
            Some("content_block_start") => self.observe_block_start(&top),
            Some("content_block_delta") => self.observe_delta(&top),
            Some("content_block_stop") => {
                self.sequencer.observe_block(None);
                self.block_events.index =
                    top.count("index").unwrap_or(self.block_events.index).saturating_add(1);
            }
            Some("message_delta") => {
                self.observe_usage(top.value("usage"));
                let stopped = top.object("delta").is_some_and(|delta| delta.value("stop_reason").is_some());
                if stopped {
                    self.stage = self.stage.max(MessagesStage::StopSent);
                }
            }
            Some("message_stop" | "error") => self.stage = MessagesStage::Done,
            _ => {}
        }
    }

    fn observe_block_start(&mut self, top: &ObjectView<'_>) {
        self.block_events.index = top.count("index").unwrap_or(self.block_events.index);
        self.block_events.is_signed = false;
        let Some(block) = top.object("content_block") else { return };
        let (kind, open) = match block.string("type").as_deref() {
            Some("text") => (DeltaKind::Text, OpenBlock::Text),
            Some("thinking") => (DeltaKind::Thinking, OpenBlock::Reasoning),
            Some("tool_use") => {
                (DeltaKind::Call, OpenBlock::Call(self.sequencer.call_count(), JsonProgress::default()))
            }
            _ => (DeltaKind::Text, OpenBlock::Other),
        };
        self.block_events.delta_kind = kind;
        self.sequencer.observe_block(Some(open));
    }

    fn observe_delta(&mut self, top: &ObjectView<'_>) {
        let Some(delta) = top.object("delta") else { return };
        match delta.string("type").as_deref() {
            // Reasoning cannot be extended after its signature.
            Some("signature_delta") => {
                self.block_events.is_signed = true;
                self.sequencer.observe_block(Some(OpenBlock::Other));
            }
            Some("input_json_delta") => {
                self.sequencer.observe_arguments(&delta.string("partial_json").unwrap_or_default());
            }
            _ => {}
        }
    }

    fn observe_usage(&mut self, text: Option<&[u8]>) {
        let mut usage = self.usage.unwrap_or_default();
        if text.is_some_and(|text| TokenUsage::update(&mut usage, Api::Messages, text)) {
            self.usage = Some(usage);
        }
    }
}
