//! Compacts the conversation of a Responses client (`POST /v1/responses/compact`): by the provider's own endpoint where the
//! first target has one, otherwise by a request for a summary.
//!
//! The answer has the shape of OpenAI's: `output` replaces the conversation (its API reference: compact a response, 2026-11).
//! A summary is text, so every target can read it later; OpenAI's own compaction is encrypted.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::engine::Engine;
use super::request::{Answer, ClientRequest, RequestError};
use super::target::Target;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::object::ObjectView;
use crate::protocol::request::RequestBody;
use crate::record::RequestId;

/// The provider that has the endpoint.
const OPENAI: &str = "openai";

const SUMMARY_REQUEST: &str = "Write a summary of this conversation that replaces it: another model continues the work from \
your text alone. Keep the user's goals and constraints, decisions and their reasons, what was done and what is left, files, \
commands, errors and exact values that are still needed. Do not call tools, and answer with the summary only.";

/// How the summary begins in the compacted conversation.
const SUMMARY_HEADING: &str = "Summary of the conversation so far:\n\n";

/// The most bytes of the user's own messages that stay beside the summary, the last ones first: about 20,000 tokens, as Codex
/// keeps them.
const MAX_KEPT_BYTES: usize = 80_000;

impl Engine {
    /// Compacts a conversation.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn compact(&self, request: ClientRequest) -> Result<Answer, RequestError> {
        let Ok((body, plan)) = self.plan_request(&self.settings(), &request, None) else {
            // It fails in the same way, unless the settings change meanwhile, and is recorded.
            return self.answer(request).await;
        };
        let mut id = request.id;
        let first = plan.targets.first().filter(|planned| planned.skip_reason.is_none());
        if first.is_some_and(|planned| has_endpoint(&planned.target)) {
            let native = ClientRequest { is_compaction: true, is_fallback_disabled: true, ..request.clone() };
            match self.answer(native).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::warn!(request_id = %request.id, "compaction by a summary, because {error}");
                    // A record of its own.
                    id = RequestId::now();
                }
            }
        }
        let kept = kept_messages(&body);
        let summary = ClientRequest { id, body: summary_request(&body).to_bytes(), ..request };
        let answer = self.answer(summary).await?;
        Ok(match answer {
            Answer::Complete { body, model, attempts, losses, headers } => {
                let Some(body) = compacted_response(&body, kept) else {
                    let failure = Failure::new(
                        Reason::Truncated,
                        "the summary of the conversation is incomplete or empty",
                    );
                    return Err(RequestError::AttemptsFailed { failure, reference: model, attempts });
                };
                Answer::Complete { body, model, attempts, losses, headers }
            }
            stream @ Answer::Stream { .. } => stream,
        })
    }
}

fn has_endpoint(target: &Target) -> bool {
    target.provider.id == OPENAI && target.api == Api::Responses
}

/// The client's request with the request for a summary at its end.
fn summary_request(body: &RequestBody) -> Segments {
    let message = json!({ "type": "message", "role": "user", "content": SUMMARY_REQUEST }).to_string();
    let input = body.value("input").unwrap_or(b"[]").trim_ascii();
    let input = match input.strip_prefix(b"[").map(<[u8]>::trim_ascii_start) {
        Some(rest) if rest.starts_with(b"]") => [b"[", message.as_bytes(), b"]"].concat(),
        Some(_) => {
            let items = input.strip_suffix(b"]").unwrap_or(input);
            [items, b",", message.as_bytes(), b"]"].concat()
        }
        // A text stands for one message of the user.
        None => [
            &b"[{\"type\":\"message\",\"role\":\"user\",\"content\":"[..],
            input,
            b"},",
            message.as_bytes(),
            b"]",
        ]
        .concat(),
    };
    let mut patch = ObjectPatch::new(&body.text, body.open_brace, &body.members);
    patch.set("input", input);
    if body.value_span("tools").is_some() {
        patch.set("tool_choice", &b"\"none\""[..]);
    }
    // A summary has its own form and length.
    for key in ["stream", "text", "max_output_tokens"] {
        patch.remove(key);
    }
    patch.set("store", &b"false"[..]);
    let mut edits = Edits::new();
    patch.write_edits(&mut edits);
    edits.apply(&body.text)
}

/// The user's own messages, the last ones up to [`MAX_KEPT_BYTES`].
fn kept_messages(body: &RequestBody) -> Vec<Value> {
    if let Some(text) =
        body.value("input").filter(|input| input.starts_with(b"\"") && input.len() <= MAX_KEPT_BYTES)
    {
        let content = serde_json::from_slice::<Value>(text).ok();
        let message = |content| json!({ "type": "message", "role": "user", "content": content });
        return content.map(message).into_iter().collect();
    }
    let mut kept = Vec::new();
    let mut bytes = 0;
    for message in body.messages.iter().rev() {
        let text = body.text.get(message.span.clone()).unwrap_or_default();
        if !body.has_role(message, "user") {
            continue;
        }
        bytes += text.len();
        if bytes > MAX_KEPT_BYTES {
            break;
        }
        kept.extend(serde_json::from_slice::<Value>(text).ok());
    }
    kept.reverse();
    kept
}

/// The answer with the summary as a compaction; `None` if the summary is not complete.
fn compacted_response(answer: &Segments, mut output: Vec<Value>) -> Option<Segments> {
    let answer = answer.to_bytes();
    let response = ObjectView::parse(&answer)?;
    let items = response.objects("output");
    let parts = items.iter().flat_map(|item| item.objects("content"));
    let texts = parts.filter(|part| part.string_or_empty("type") == "output_text");
    let summary: String = texts.map(|part| part.string_or_empty("text").into_owned()).collect();
    let is_complete = matches!(&*response.string_or_empty("status"), "" | "completed");
    if !is_complete || summary.trim().is_empty() {
        return None;
    }
    let id = response.string_or_empty("id").into_owned();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    output.push(json!({
        "type": "message",
        "id": format!("msg_{}", id.trim_start_matches("resp_").replace('-', "_")),
        "role": "assistant",
        "status": "completed",
        "content": [{ "type": "output_text", "text": format!("{SUMMARY_HEADING}{summary}"), "annotations": [] }],
    }));
    let usage: Value =
        response.value("usage").and_then(|usage| serde_json::from_slice(usage).ok()).unwrap_or_default();
    let compacted = json!({
        "id": id,
        "object": "response.compaction",
        "created_at": since.as_secs(),
        "output": output,
        "usage": usage,
    });
    Some(Segments::from_bytes(compacted.to_string().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(value: &Value) -> RequestBody {
        RequestBody::parse(Api::Responses, value.to_string().into()).unwrap()
    }

    #[test]
    fn summary_is_requested_at_the_end_of_any_input() {
        for (input, before) in
            [(json!([]), 0), (json!("hi"), 1), (json!([{"role": "user", "content": "hi"}]), 1)]
        {
            let request = body(
                &json!({"model": "m", "input": input, "tools": [{"type": "function"}], "stream": true, "max_output_tokens": 16}),
            );
            let sent: Value = serde_json::from_slice(&summary_request(&request).to_bytes()).unwrap();
            let items = sent["input"].as_array().unwrap();
            assert_eq!(items.len(), before + 1, "{sent}");
            assert_eq!(items.last().unwrap()["content"], SUMMARY_REQUEST);
            assert_eq!((&sent["tool_choice"], sent.get("stream")), (&json!("none"), None));
            assert_eq!(sent.get("max_output_tokens"), None);
        }
    }

    #[test]
    fn last_messages_of_the_user_stay_beside_the_summary() {
        let long = "x".repeat(MAX_KEPT_BYTES * 2 / 3);
        let user = |text: &str| json!({"type": "message", "role": "user", "content": text});
        let request = body(&json!({"input": [
            user("first"), user(&long), user(&long[1000..]), {"type": "function_call_output", "call_id": "c", "output": "y"}, user("last"),
        ]}));
        assert_eq!(kept_messages(&request), [user(&long[1000..]), user("last")]);
        assert_eq!(kept_messages(&body(&json!({"input": "hi"}))), [user("hi")]);
    }
}
