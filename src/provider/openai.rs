//! `OpenAI`'s models over Chat Completions and Responses, at `OpenAI` or at a server that forwards to it.
//!
//! Sources: `OpenAI`'s API reference and its guides on reasoning and function calling (2026-11), and answers that users
//! report. The simulator's `openai` has the same rules, written independently.

use super::rule::draft::RequestDraft;
use super::rule::thinking::{ThinkingFields, ThinkingRequest};
use super::rule::thinking_settings::set_effort;
use super::rule::{history, parameters, tools};
use super::rules;
use crate::catalog::MaxTokensField;
use crate::failure::Failure;
use crate::protocol::api::Api;

/// Parameters that reasoning models refuse, and the values that they accept.
const SAMPLING: [(&str, &[&str]); 7] = [
    ("temperature", &["1", "1.0"]),
    ("top_p", &["1", "1.0"]),
    ("presence_penalty", &["0", "0.0"]),
    ("frequency_penalty", &["0", "0.0"]),
    ("logprobs", &["false"]),
    ("top_logprobs", &["0"]),
    ("logit_bias", &["{}"]),
];

/// The smallest output limit of the Responses API, in tokens (its error, as quoted in
/// <https://github.com/vectorize-io/hindsight/issues/58>).
const MIN_OUTPUT_TOKENS: u64 = 16;

/// Fields of other providers in assistant messages.
const FOREIGN_FIELDS: [&str; 4] = ["reasoning_content", "reasoning", "reasoning_details", "images"];

/// Requests for other models stay as they are.
///
/// # Errors
/// When it has more tools than the model accepts.
pub(super) fn rewrite(draft: &mut RequestDraft<'_>) -> Result<(), Failure> {
    let Some(reasons) = is_reasoning_model(draft.request.wire_model) else { return Ok(()) };
    tools::check_count(draft, "OpenAI")?;
    if reasons {
        remove_sampling(draft);
    } else {
        set_effort(draft, rules::OPENAI_REASONING, None);
    }
    draft.remove(rules::OPENAI_SAMPLING, "top_k");
    if draft.body().api == Api::Responses {
        draft.remove(rules::CLIENT_METADATA, "client_metadata");
        history::remove_unsealed_items(draft);
        return Ok(());
    }
    let keeps_limit = draft.request.model.compat.max_tokens_field.is_some();
    if reasons && !keeps_limit {
        parameters::rename_limit(draft, MaxTokensField::MaxCompletionTokens);
    }
    history::remove_fields(draft, rules::OPENAI_REASONING, &FOREIGN_FIELDS);
    Ok(())
}

/// Raises the output limit to the smallest that the Responses API takes.
pub(super) fn raise_output_limit(draft: &mut RequestDraft<'_>) {
    let is_openai =
        draft.body().api == Api::Responses && is_reasoning_model(draft.request.wire_model).is_some();
    let limit = draft.parsed_value::<u64>("max_output_tokens");
    if is_openai && limit.is_some_and(|limit| limit < MIN_OUTPUT_TOKENS) {
        draft.set(rules::OPENAI_MIN_OUTPUT, "max_output_tokens", MIN_OUTPUT_TOKENS.to_string());
    }
}

/// Whether a model of `OpenAI` reasons; `None` if it is no model of `OpenAI`. The name decides: reasoning began with the o
/// series and GPT-5. `gpt-oss` has open weights, and other servers.
pub(super) fn is_reasoning_model(wire_model: &str) -> Option<bool> {
    let name = wire_model.rsplit('/').next().unwrap_or(wire_model);
    let starts_with = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if starts_with(&["gpt-oss"]) || !starts_with(&["gpt-", "chatgpt-", "o1", "o3", "o4", "codex-"]) {
        return None;
    }
    Some(!starts_with(&["gpt-3", "gpt-4", "chatgpt-", "gpt-5-chat"]))
}

/// Whether a model takes tools with free text: those from GPT-5 on (`OpenAI`'s guide: function calling, 2026-11).
pub(super) fn takes_free_text(wire_model: &str) -> bool {
    let name = wire_model.rsplit('/').next().unwrap_or(wire_model);
    is_reasoning_model(wire_model) == Some(true)
        && !["o1", "o3", "o4"].iter().any(|old| name.starts_with(old))
}

/// With the effort `none`, models from GPT-5.1 on take sampling parameters (`OpenAI`'s guide on GPT-5.2).
fn remove_sampling(draft: &mut RequestDraft<'_>) {
    if ThinkingFields::read(draft).resolve() == ThinkingRequest::Off {
        return;
    }
    for (key, accepted) in SAMPLING {
        let value = draft.non_null_value(key);
        if value.is_some_and(|value| !accepted.iter().any(|accepted| accepted.as_bytes() == value)) {
            draft.remove(rules::OPENAI_SAMPLING, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_reasoning_model;

    #[test]
    fn reasoning_models_are_known_by_name() {
        let is = is_reasoning_model;
        assert!(["gpt-5.4", "o3-mini", "openai/gpt-5", "gpt-6"].iter().all(|name| is(name) == Some(true)));
        assert!(
            ["gpt-4.1", "chatgpt-4o-latest", "gpt-5-chat-latest"].iter().all(|name| is(name) == Some(false))
        );
        assert!(["gpt-oss-120b", "kimi-k3", "olmo", "openai/other"].iter().all(|name| is(name).is_none()));
    }
}
