//! Thinking as OpenRouter takes it: `reasoning`, or `reasoning_effort`; `thinking` it does not know (SDK 1.3.19).

use serde_json::Value;

use crate::catalog::{Thinking, ThinkingLevel};
use crate::provider::rewrite::draft::Draft;
use crate::provider::rewrite::rules;
use crate::provider::rewrite::thinking::{Spellings, Wish};

const OFF: &str = r#"{"enabled":false}"#;
const ON: &str = r#"{"enabled":true}"#;

/// Says it as OpenRouter understands it; its own spellings stay as the client wrote them.
pub(super) fn settle(draft: &mut Draft<'_>) {
    let spelled = Spellings::of(draft);
    let wish = spelled.wish();
    if wish == Wish::Unsaid {
        by_default(draft);
    }
    let is_its_own = draft.given("reasoning").is_some() || draft.given("reasoning_effort").is_some();
    let Some(thinking) = &spelled.thinking else { return };
    draft.remove("thinking");
    draft.fire(rules::THINKING);
    match wish {
        Wish::Off => {
            draft.remove("reasoning_effort");
            // A model that always thinks could only refuse.
            if draft.request().model.thinking == Thinking::Always {
                draft.remove("reasoning");
            } else {
                draft.set("reasoning", OFF);
            }
        }
        Wish::On | Wish::Level(_) if !is_its_own => {
            draft.set("reasoning", as_reasoning(thinking, wish));
        }
        _ => {}
    }
}

fn as_reasoning(thinking: &Value, wish: Wish) -> String {
    match (wish, thinking.get("budget_tokens").and_then(Value::as_u64)) {
        (Wish::Level(level), _) => effort(level),
        (_, Some(budget)) => format!(r#"{{"max_tokens":{budget}}}"#),
        _ => ON.to_owned(),
    }
}

fn effort(level: ThinkingLevel) -> String {
    format!(r#"{{"effort":"{}"}}"#, level.as_str())
}

/// `thinkingDefault`, for models that think or of which nothing is known.
fn by_default(draft: &mut Draft<'_>) {
    let request = draft.request();
    let reasoning = match (request.thinking, request.model.thinking) {
        (None | Some(ThinkingLevel::Adaptive), _) | (_, Thinking::None) => return,
        // It could only be refused.
        (Some(ThinkingLevel::Off), Thinking::Always) => return,
        (Some(ThinkingLevel::Off), _) => OFF.to_owned(),
        (Some(level), _) => effort(level),
    };
    draft.remove("reasoning_effort");
    if draft.set("reasoning", reasoning) {
        draft.fire(rules::THINKING_DEFAULT);
    }
}
