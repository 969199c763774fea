//! Whole chat responses.

use super::{
    finish_reason_name, write_call_start, write_head, write_redacted_reasoning, write_signed_reasoning,
};
use crate::protocol::api::Api;
use crate::protocol::translate::echo::RequestEcho;
use crate::protocol::translate::encoder::primitives::{write_number, write_raw, write_string};
use crate::protocol::translate::event::ResponseEvent;

/// The assembled content of a message.
#[derive(Default)]
struct MessageBuilder<'e> {
    text: String,
    refusal: String,
    reasoning: String,
    /// The offset in `reasoning` of the part without a signature yet.
    unsigned_start: usize,
    reasoning_details: Vec<ReasoningDetail<'e>>,
    calls: Vec<MessageCall<'e>>,
}

enum ReasoningDetail<'e> {
    Signed { text: String, signature: Option<&'e str> },
    Redacted(&'e str),
}

struct MessageCall<'e> {
    id: &'e str,
    name: &'e str,
    arguments: String,
}

/// A whole response.
pub(in crate::protocol::translate) fn encode_response(
    events: &[ResponseEvent],
    echo: &RequestEcho,
) -> Vec<u8> {
    let message = MessageBuilder::from_events(events);
    let (id, model) = events.iter().find_map(ResponseEvent::id_and_model).unwrap_or_default();
    let mut out = Vec::with_capacity(512 + message.text.len() + message.reasoning.len());
    write_head(echo, id, model, "chat.completion", &mut out);
    write_raw(&mut out, "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    message.write_content(&mut out);
    write_raw(&mut out, "},\"logprobs\":null,\"finish_reason\":");
    let finish = events.iter().rev().find_map(ResponseEvent::finish_reason);
    write_string(&mut out, finish_reason_name(finish, !message.calls.is_empty()));
    write_raw(&mut out, "}]");
    if let Some(usage) = events.iter().rev().find_map(ResponseEvent::usage) {
        write_raw(&mut out, ",\"usage\":");
        write_raw(&mut out, &usage.to_json(Api::ChatCompletions));
    }
    out.push(b'}');
    out
}

impl<'e> MessageBuilder<'e> {
    fn from_events(events: &'e [ResponseEvent]) -> Self {
        let mut message = Self::default();
        for event in events {
            message.push(event);
        }
        // Details contain either all of the reasoning or none of it.
        if !message.reasoning_details.is_empty() && message.unsigned_start < message.reasoning.len() {
            message.push_signed_reasoning(None);
        }
        message
    }

    fn push(&mut self, event: &'e ResponseEvent) {
        match event {
            ResponseEvent::Text(text) => self.text.push_str(text),
            ResponseEvent::Refusal(text) => self.refusal.push_str(text),
            ResponseEvent::Reasoning(text) => self.reasoning.push_str(text),
            ResponseEvent::ReasoningSignature(seal) => self.push_signed_reasoning(Some(seal)),
            ResponseEvent::RedactedReasoning(data) => {
                if self.unsigned_start < self.reasoning.len() {
                    self.push_signed_reasoning(None);
                }
                self.reasoning_details.push(ReasoningDetail::Redacted(data));
            }
            ResponseEvent::ToolCallStart { id, name, .. } => {
                self.calls.push(MessageCall { id, name, arguments: String::new() });
            }
            ResponseEvent::ToolCallArguments { call, delta: piece } => {
                if let Some(call) = self.calls.get_mut(*call) {
                    call.arguments.push_str(piece);
                }
            }
            ResponseEvent::Start { .. } | ResponseEvent::Usage(_) | ResponseEvent::Finish(_) => {}
        }
    }

    fn push_signed_reasoning(&mut self, seal: Option<&'e str>) {
        let text = self.reasoning.get(self.unsigned_start..).unwrap_or_default().to_owned();
        self.unsigned_start = self.reasoning.len();
        self.reasoning_details.push(ReasoningDetail::Signed { text, signature: seal });
    }

    /// From the value of `content` on.
    fn write_content(&self, out: &mut Vec<u8>) {
        if self.text.is_empty() && !(self.calls.is_empty() && self.refusal.is_empty()) {
            write_raw(out, "null");
        } else {
            write_string(out, &self.text);
        }
        write_raw(out, ",\"refusal\":");
        if self.refusal.is_empty() {
            write_raw(out, "null");
        } else {
            write_string(out, &self.refusal);
        }
        if !self.reasoning.is_empty() {
            write_raw(out, ",\"reasoning_content\":");
            write_string(out, &self.reasoning);
        }
        write_array_member(out, "reasoning_details", &self.reasoning_details, |out, index, detail| {
            match detail {
                ReasoningDetail::Signed { text, signature: seal } => {
                    write_signed_reasoning(text, *seal, index, out)
                }
                ReasoningDetail::Redacted(data) => write_redacted_reasoning(data, index, out),
            }
        });
        write_array_member(out, "tool_calls", &self.calls, |out, index, call| {
            write_raw(out, "{\"index\":");
            write_number(out, index as u64);
            out.push(b',');
            write_call_start(call.id, call.name, out);
            write_string(out, &call.arguments);
            write_raw(out, "}}");
        });
    }
}

/// An array member, omitted when it is empty.
fn write_array_member<T>(out: &mut Vec<u8>, key: &str, each: &[T], write: impl Fn(&mut Vec<u8>, usize, &T)) {
    if each.is_empty() {
        return;
    }
    out.push(b',');
    write_string(out, key);
    write_raw(out, ":[");
    for (index, element) in each.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, index, element);
    }
    out.push(b']');
}
