//! The turn as one JSON object, whole or not.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::assistant::transcript::AnswerUsage;
use crate::assistant::turn::{TurnFailure, TurnResult};
use crate::cli::exit::CommandError;

/// Prints it; one that failed ends with exit 1.
pub(super) fn print_turn(
    session: &str,
    outcome: &Result<TurnResult, TurnFailure>,
) -> Result<(), CommandError> {
    let value = match outcome {
        Ok(turned) => success_json(session, turned),
        Err(failure) => failure_json(session, failure),
    };
    writeln!(std::io::stdout(), "{}", escape_controls(&value)).map_err(CommandError::from_output_error)?;
    if outcome.is_ok() { Ok(()) } else { Err(CommandError::silent()) }
}

/// JSON in which nothing is left that a terminal would obey: what stands below U+0020 is escaped anyway.
fn escape_controls(value: &Value) -> String {
    let text = format!("{value:#}");
    let is_control = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
    if !text.contains(is_control) {
        return text;
    }
    let escape = |c: char| if is_control(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escape).collect()
}

fn success_json(session: &str, turned: &TurnResult) -> Value {
    let mut value = Map::new();
    value.insert("ok".to_owned(), true.into());
    value.insert("sessionId".to_owned(), session.into());
    insert_turn(&mut value, turned);
    value.into()
}

fn failure_json(session: &str, failure: &TurnFailure) -> Value {
    let mut value = Map::new();
    value.insert("ok".to_owned(), false.into());
    value.insert("error".to_owned(), json!({"type": failure.kind, "message": failure.message}));
    value.insert("sessionId".to_owned(), session.into());
    if let Some(turned) = &failure.result {
        insert_turn(&mut value, turned);
    }
    value.into()
}

fn insert_turn(value: &mut Map<String, Value>, turned: &TurnResult) {
    let attempts: Vec<Value> = turned
        .attempts
        .iter()
        .map(|tried| {
            let mut attempt = json!({
                "provider": tried.target.provider,
                "model": tried.target.model,
                "result": tried.result,
                "ms": (tried.duration.as_secs_f64() * 1e6).round() / 1e3,
            });
            if !tried.detail.is_empty() {
                attempt["detail"] = tried.detail.as_str().into();
            }
            attempt
        })
        .collect();
    let payloads = if turned.text.is_empty() { json!([]) } else { json!([{"text": turned.text}]) };
    let answered = turned.answered_by.as_ref();
    let members = [
        ("provider", json!(answered.map(|reference| &reference.provider))),
        ("model", json!(answered.map(|reference| &reference.model))),
        ("fallbackUsed", turned.is_fallback_used().into()),
        ("attempts", attempts.into()),
        ("payloads", payloads),
        ("usage", turned.usage.as_ref().map_or(Value::Null, usage_json)),
        ("currency", json!(turned.currency)),
        ("stopReason", json!(turned.stop_reason)),
        ("tookMs", json!((turned.duration.as_secs_f64() * 1e6).round() / 1e3)),
    ];
    value.extend(members.map(|(key, member)| (key.to_owned(), member)));
}

/// As the transcript has it, with `cost` also where none is known: `null`.
fn usage_json(spent: &AnswerUsage) -> Value {
    let mut value = json!(spent);
    if spent.cost.is_none() {
        value["cost"] = Value::Null;
    }
    value
}
