//! Whole chat answers.

use super::{reason, write_call, write_head, write_sealed, write_veiled};
use crate::protocol::face::Face;
use crate::protocol::translate::echo::Echo;
use crate::protocol::translate::encoder::frame::{number, put, string};
use crate::protocol::translate::event::Event;

/// What a message says, put together.
#[derive(Default)]
struct Message<'e> {
    text: String,
    refusal: String,
    reasoning: String,
    /// Where in `reasoning` the part begins that has no seal yet.
    unsealed: usize,
    details: Vec<Detail<'e>>,
    calls: Vec<Call<'e>>,
}

enum Detail<'e> {
    Sealed { text: String, seal: Option<&'e str> },
    Veiled(&'e str),
}

struct Call<'e> {
    id: &'e str,
    name: &'e str,
    arguments: String,
}

/// A whole answer.
pub(in crate::protocol::translate) fn whole(events: &[Event], echo: &Echo) -> Vec<u8> {
    let message = Message::of(events);
    let (id, model) = events.iter().find_map(Event::names).unwrap_or_default();
    let mut out = Vec::with_capacity(512 + message.text.len() + message.reasoning.len());
    write_head(echo, id, model, "chat.completion", &mut out);
    put(&mut out, "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    message.write(&mut out);
    put(&mut out, "},\"logprobs\":null,\"finish_reason\":");
    let finish = events.iter().rev().find_map(Event::finish);
    string(&mut out, reason(finish, !message.calls.is_empty()));
    put(&mut out, "}]");
    if let Some(usage) = events.iter().rev().find_map(Event::usage) {
        put(&mut out, ",\"usage\":");
        put(&mut out, &usage.to_json(Face::Chat));
    }
    out.push(b'}');
    out
}

impl<'e> Message<'e> {
    fn of(events: &'e [Event]) -> Self {
        let mut message = Self::default();
        for event in events {
            message.take(event);
        }
        // Details tell all of the reasoning or none of it.
        if !message.details.is_empty() && message.unsealed < message.reasoning.len() {
            message.seal(None);
        }
        message
    }

    fn take(&mut self, event: &'e Event) {
        match event {
            Event::Text(text) => self.text.push_str(text),
            Event::Refusal(text) => self.refusal.push_str(text),
            Event::Reasoning(text) => self.reasoning.push_str(text),
            Event::Seal(seal) => self.seal(Some(seal)),
            Event::Veiled(data) => {
                if self.unsealed < self.reasoning.len() {
                    self.seal(None);
                }
                self.details.push(Detail::Veiled(data));
            }
            Event::CallStart { id, name, .. } => {
                self.calls.push(Call { id, name, arguments: String::new() });
            }
            Event::CallArguments { call, piece } => {
                if let Some(call) = self.calls.get_mut(*call) {
                    call.arguments.push_str(piece);
                }
            }
            Event::Start { .. } | Event::Usage(_) | Event::Finish(_) => {}
        }
    }

    fn seal(&mut self, seal: Option<&'e str>) {
        let text = self.reasoning.get(self.unsealed..).unwrap_or_default().to_owned();
        self.unsealed = self.reasoning.len();
        self.details.push(Detail::Sealed { text, seal });
    }

    /// From the value of `content` on.
    fn write(&self, out: &mut Vec<u8>) {
        if self.text.is_empty() && !(self.calls.is_empty() && self.refusal.is_empty()) {
            put(out, "null");
        } else {
            string(out, &self.text);
        }
        put(out, ",\"refusal\":");
        if self.refusal.is_empty() {
            put(out, "null");
        } else {
            string(out, &self.refusal);
        }
        if !self.reasoning.is_empty() {
            put(out, ",\"reasoning_content\":");
            string(out, &self.reasoning);
        }
        array(out, "reasoning_details", &self.details, |out, index, detail| match detail {
            Detail::Sealed { text, seal } => write_sealed(text, *seal, index, out),
            Detail::Veiled(data) => write_veiled(data, index, out),
        });
        array(out, "tool_calls", &self.calls, |out, index, call| {
            put(out, "{\"index\":");
            number(out, index as u64);
            out.push(b',');
            write_call(call.id, call.name, out);
            string(out, &call.arguments);
            put(out, "}}");
        });
    }
}

/// A member that is an array, left out where it is empty.
fn array<T>(out: &mut Vec<u8>, key: &str, each: &[T], write: impl Fn(&mut Vec<u8>, usize, &T)) {
    if each.is_empty() {
        return;
    }
    out.push(b',');
    string(out, key);
    put(out, ":[");
    for (index, element) in each.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, index, element);
    }
    out.push(b']');
}
