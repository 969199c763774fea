//! Anthropic's Claude models over the Messages API, at Anthropic or at a server that forwards to it.
//!
//! Sources: Anthropic's pages on extended and adaptive thinking and its API reference (2026-11), and answers that users
//! report. The simulator's `anthropic` has the same rules, written independently.

use super::rule::draft::RequestDraft;
use super::rule::history;
use super::rule::thinking::ThinkingFields;
use super::rule::thinking_settings::{ADAPTIVE, DISABLED, choose_budget, render_budget, set_effort};
use super::rule::tool_choice::{ForcedToolChoice, read_forced_choice};
use super::rules;
use crate::failure::Failure;
use crate::protocol::object::ObjectView;

/// What a Claude model accepts.
struct Accepted {
    /// Thinking with a budget in tokens.
    budget: bool,
    /// Adaptive thinking.
    adaptive: bool,
    effort: bool,
    /// A last message of the assistant, which it continues.
    prefill: bool,
}

/// The smallest `top_p` with a budget.
const MIN_TOP_P: f64 = 0.95;

/// Over the Messages API. Requests for other models stay as they are.
///
/// # Errors
/// When the model would have to continue a message, which the newer models refuse.
pub(super) fn rewrite(draft: &mut RequestDraft<'_>) -> Result<(), Failure> {
    let Some(accepted) = find_accepted(draft) else { return Ok(()) };
    let is_prefilled =
        draft.body().messages.last().is_some_and(|last| draft.body().has_role(last, "assistant"));
    if is_prefilled && !accepted.prefill {
        let model = draft.request.wire_model;
        return Err(Failure::of_provider_rule(format!(
            "messages: {model} does not continue an assistant message; end with a user message"
        )));
    }
    choose_form(draft, &accepted);
    let has_budget = ThinkingFields::read(draft).thinking_type() == Some("enabled");
    if has_budget && refuses_budget(draft) {
        draft.set(rules::CLAUDE_THINKING_OFF, "thinking", DISABLED);
    } else if has_budget {
        remove_sampling(draft, |top_p| top_p < MIN_TOP_P);
    }
    if !accepted.budget {
        remove_sampling(draft, |top_p| top_p != 1.0);
    }
    Ok(())
}

/// `None` if this is no Claude model. The version in the model's name decides, and `compat.supportsReasoningEffort`: efforts
/// came with Opus 4.5, adaptive thinking with 4.6, and budgets ended with Opus 4.7 and the fifth generation.
fn find_accepted(draft: &RequestDraft<'_>) -> Option<Accepted> {
    let name = draft.request.wire_model.replace('.', "-");
    let (_, version) = name.split_once("claude-")?;
    let starts_with = |prefixes: &[&str]| prefixes.iter().any(|prefix| version.starts_with(prefix));
    let takes_both = starts_with(&["opus-4-6", "sonnet-4-6"]);
    let takes_budget = takes_both
        || starts_with(&["2", "3", "instant", "sonnet-4", "haiku-4"])
        || (starts_with(&["opus-4"]) && !starts_with(&["opus-4-7", "opus-4-8"]));
    let takes_effort = takes_both || !takes_budget || starts_with(&["opus-4-5"]);
    Some(Accepted {
        budget: takes_budget,
        adaptive: takes_both || !takes_budget,
        // Refused from Opus 4.6 and Sonnet 4.6 on (Anthropic's migration guide).
        prefill: takes_budget && !takes_both,
        effort: draft.request.model.compat.supports_reasoning_effort.unwrap_or(takes_effort),
    })
}

/// Gives thinking the form that the model accepts. A translated request has both, and clients know the form of their model.
fn choose_form(draft: &mut RequestDraft<'_>, accepted: &Accepted) {
    let fields = ThinkingFields::read(draft);
    match fields.thinking_type() {
        Some("enabled") if !accepted.budget => draft.set(rules::CLAUDE_THINKING, "thinking", ADAPTIVE),
        Some("adaptive") if !accepted.adaptive => {
            let budget = choose_budget(draft, fields.resolve()).map(render_budget);
            draft.set(rules::CLAUDE_THINKING, "thinking", budget.unwrap_or_else(|| DISABLED.to_owned()));
        }
        _ => {}
    }
    if !accepted.effort {
        set_effort(draft, rules::CLAUDE_THINKING, None);
    }
}

/// Whether Claude would refuse this request because of its budget. Adaptive thinking has none of these limits.
fn refuses_budget(draft: &RequestDraft<'_>) -> bool {
    let last = draft.body().messages.last();
    read_forced_choice(draft) != ForcedToolChoice::NotForced
        || last.is_some_and(|last| draft.body().has_role(last, "assistant"))
        || continues_without_thinking(draft)
}

/// Whether the request continues a tool loop whose turn does not begin with signed thinking: the model did not think, or
/// another provider wrote the turn, or the client did not return the thinking.
fn continues_without_thinking(draft: &RequestDraft<'_>) -> bool {
    let body = draft.body();
    let objects: Vec<_> = body.messages.iter().filter_map(|message| body.message_object(message)).collect();
    let has_result = |message: &ObjectView<'_>| {
        message.objects("content").iter().any(|block| block.string_or_empty("type") == "tool_result")
    };
    if !objects.last().is_some_and(has_result) {
        return false;
    }
    let is_user = |message: &ObjectView<'_>| message.string_or_empty("role") == "user";
    let question = objects.iter().rposition(|message| is_user(message) && !has_result(message));
    let mut turn = objects.iter().skip(question.map_or(0, |at| at + 1));
    let Some(first) = turn.find(|message| message.string_or_empty("role") == "assistant") else {
        return false;
    };
    let blocks = first.objects("content");
    let first = blocks.iter().find(|block| !history::is_unsigned_thinking(block));
    first.is_none_or(|block| !matches!(&*block.string_or_empty("type"), "thinking" | "redacted_thinking"))
}

/// Removes the sampling parameters that are not at their default. `is_refused` decides about `top_p`.
fn remove_sampling(draft: &mut RequestDraft<'_>, is_refused: impl Fn(f64) -> bool) {
    let number = |key: &str| draft.parsed_value::<f64>(key);
    let refused = [
        ("temperature", number("temperature").is_some_and(|temperature| temperature != 1.0)),
        ("top_p", number("top_p").is_some_and(is_refused)),
        ("top_k", draft.non_null_value("top_k").is_some()),
    ];
    for (key, _) in refused.into_iter().filter(|(_, is_refused)| *is_refused) {
        draft.remove(rules::CLAUDE_SAMPLING, key);
    }
}
