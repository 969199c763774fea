//! The turn as one JSON object, whole or not.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::assistant::transcript::Spent;
use crate::assistant::turn::{TurnFailure, Turned};
use crate::cli::exit::Ending;

/// Prints it; one that failed ends with exit 1.
pub(super) fn print(session: &str, outcome: &Result<Turned, TurnFailure>) -> Result<(), Ending> {
    let value = match outcome {
        Ok(turned) => whole(session, turned),
        Err(failure) => failed(session, failure),
    };
    writeln!(std::io::stdout(), "{}", escaped(&value)).map_err(Ending::output)?;
    if outcome.is_ok() { Ok(()) } else { Err(Ending::silent()) }
}

/// JSON in which nothing is left that a terminal would obey: what stands below U+0020 is escaped anyway.
fn escaped(value: &Value) -> String {
    let text = format!("{value:#}");
    let is_control = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
    if !text.contains(is_control) {
        return text;
    }
    let escape = |c: char| if is_control(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escape).collect()
}

fn whole(session: &str, turned: &Turned) -> Value {
    let mut value = Map::new();
    value.insert("ok".to_owned(), true.into());
    value.insert("sessionId".to_owned(), session.into());
    add(&mut value, turned);
    value.into()
}

fn failed(session: &str, failure: &TurnFailure) -> Value {
    let mut value = Map::new();
    value.insert("ok".to_owned(), false.into());
    value.insert("error".to_owned(), json!({"type": failure.kind, "message": failure.message}));
    value.insert("sessionId".to_owned(), session.into());
    if let Some(turned) = &failure.turned {
        add(&mut value, turned);
    }
    value.into()
}

fn add(value: &mut Map<String, Value>, turned: &Turned) {
    let attempts: Vec<Value> = turned
        .attempts
        .iter()
        .map(|tried| {
            let mut attempt = json!({
                "provider": tried.target.provider,
                "model": tried.target.model,
                "result": tried.result,
                "ms": (tried.took.as_secs_f64() * 1e6).round() / 1e3,
            });
            if !tried.detail.is_empty() {
                attempt["detail"] = tried.detail.as_str().into();
            }
            attempt
        })
        .collect();
    let payloads = if turned.text.is_empty() { json!([]) } else { json!([{"text": turned.text}]) };
    let answered = turned.answered.as_ref();
    let members = [
        ("provider", json!(answered.map(|reference| &reference.provider))),
        ("model", json!(answered.map(|reference| &reference.model))),
        ("fallbackUsed", turned.fallback_used().into()),
        ("attempts", attempts.into()),
        ("payloads", payloads),
        ("usage", turned.spent.as_ref().map_or(Value::Null, usage)),
        ("currency", json!(turned.currency)),
        ("stopReason", json!(turned.stop)),
        ("tookMs", json!((turned.took.as_secs_f64() * 1e6).round() / 1e3)),
    ];
    value.extend(members.map(|(key, member)| (key.to_owned(), member)));
}

/// As the transcript has it, with `cost` also where none is known: `null`.
fn usage(spent: &Spent) -> Value {
    let mut value = json!(spent);
    if spent.cost.is_none() {
        value["cost"] = Value::Null;
    }
    value
}
