//! The answer as events of the Messages API.

use serde_json::{Value, json};

use super::{Sample, rest};

fn event(kind: &str, members: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{members}}}\n\n")
}

fn block(events: &mut Vec<String>, index: usize, start: &Value, deltas: impl Iterator<Item = String>) {
    events.push(event("content_block_start", &format!(",\"index\":{index},\"content_block\":{start}")));
    events.extend(
        deltas.map(|delta| event("content_block_delta", &format!(",\"index\":{index},\"delta\":{delta}"))),
    );
    events.push(event("content_block_stop", &format!(",\"index\":{index}")));
}

impl Sample {
    /// The events after `prefill`.
    pub(in super::super) fn messages(&self, id: &str, prefill: &str) -> Vec<String> {
        let message = json!({"id": format!("msg_{id}"), "type": "message", "role": "assistant", "model": format!("m-{id}"),
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 100, "output_tokens": 1}});
        let mut events = vec![event("message_start", &format!(",\"message\":{message}")), event("ping", "")];
        let mut index = 0;
        if !self.reasoning.is_empty() {
            let thinking = self
                .reasoning
                .iter()
                .map(|piece| format!(r#"{{"type":"thinking_delta","thinking":"{piece}"}}"#));
            let signed = r#"{"type":"signature_delta","signature":""}"#.to_owned();
            let start = json!({"type": "thinking", "thinking": "", "signature": ""});
            block(&mut events, index, &start, thinking.chain([signed]));
            index += 1;
        }
        let pieces = rest(self, prefill);
        if !pieces.is_empty() {
            let deltas = pieces.iter().map(|piece| format!(r#"{{"type":"text_delta","text":"{piece}"}}"#));
            block(&mut events, index, &json!({"type": "text", "text": ""}), deltas);
            index += 1;
        }
        for (number, (name, arguments)) in self.calls.iter().enumerate() {
            let start =
                json!({"type": "tool_use", "id": format!("{name}_{number}"), "name": name, "input": {}});
            let pieces = arguments
                .iter()
                .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}).to_string());
            block(&mut events, index + number, &start, pieces);
        }
        let reason = if self.calls.is_empty() { "end_turn" } else { "tool_use" };
        let delta = json!({"stop_reason": reason, "stop_sequence": null});
        let end = format!(",\"delta\":{delta},\"usage\":{{\"output_tokens\":40}}");
        events.push(event("message_delta", &end));
        events.push(event("message_stop", ""));
        events
    }
}
