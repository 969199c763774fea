//! Thinking as OpenRouter takes it: `reasoning`, or `reasoning_effort`; `thinking` it does not know (SDK 1.3.19).

use serde_json::Value;

use crate::catalog::{ThinkingControl, ThinkingLevel};
use crate::provider::rewrite::draft::RequestDraft;
use crate::provider::rewrite::rules;
use crate::provider::rewrite::thinking::{ThinkingFields, ThinkingRequest};

const REASONING_OFF: &str = r#"{"enabled":false}"#;
const REASONING_ON: &str = r#"{"enabled":true}"#;

/// Says it as OpenRouter understands it; its own spellings stay as the client wrote them.
pub(super) fn apply_thinking(draft: &mut RequestDraft<'_>) {
    let spelled = ThinkingFields::read(draft);
    let wish = spelled.resolve();
    if wish == ThinkingRequest::Unspecified {
        apply_default(draft);
    }
    let is_its_own =
        draft.non_null_value("reasoning").is_some() || draft.non_null_value("reasoning_effort").is_some();
    let Some(thinking) = &spelled.thinking else { return };
    draft.remove("thinking");
    draft.record_rule(rules::THINKING);
    match wish {
        ThinkingRequest::Off => {
            draft.remove("reasoning_effort");
            // A model that always thinks could only refuse.
            if draft.request().model.thinking_control == ThinkingControl::Always {
                draft.remove("reasoning");
            } else {
                draft.set("reasoning", REASONING_OFF);
            }
        }
        ThinkingRequest::On | ThinkingRequest::Level(_) if !is_its_own => {
            draft.set("reasoning", render_reasoning(thinking, wish));
        }
        _ => {}
    }
}

fn render_reasoning(thinking: &Value, wish: ThinkingRequest) -> String {
    match (wish, thinking.get("budget_tokens").and_then(Value::as_u64)) {
        (ThinkingRequest::Level(level), _) => render_effort(level),
        (_, Some(budget)) => format!(r#"{{"max_tokens":{budget}}}"#),
        _ => REASONING_ON.to_owned(),
    }
}

fn render_effort(level: ThinkingLevel) -> String {
    format!(r#"{{"effort":"{}"}}"#, level.as_str())
}

/// `thinkingDefault`, for models that think or of which nothing is known.
fn apply_default(draft: &mut RequestDraft<'_>) {
    let request = draft.request();
    let reasoning = match (request.default_thinking, request.model.thinking_control) {
        (None | Some(ThinkingLevel::Adaptive), _) | (_, ThinkingControl::None) => return,
        // It could only be refused.
        (Some(ThinkingLevel::Off), ThinkingControl::Always) => return,
        (Some(ThinkingLevel::Off), _) => REASONING_OFF.to_owned(),
        (Some(level), _) => render_effort(level),
    };
    draft.remove("reasoning_effort");
    if draft.set("reasoning", reasoning) {
        draft.record_rule(rules::THINKING_DEFAULT);
    }
}
