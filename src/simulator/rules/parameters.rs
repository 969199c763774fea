//! Sampling values that are pinned, thinking, effort and stop sequences.

use serde_json::Value;

use crate::simulator::engine::request::{Request, list};
use crate::simulator::face::Face;
use crate::simulator::provider::Provider;
use crate::simulator::refusal::Refusal;
use crate::simulator::roster::{Model, Thinking};

/// Effort names of Kimi Code's models page, with those that it maps.
const EFFORTS: [&str; 8] = ["ultra", "max", "xhigh", "high", "medium", "low", "minimum", "light"];

/// At most so many stop strings, of so many bytes each (Moonshot's OpenAPI).
const STOPS: usize = 5;
const STOP_BYTES: usize = 32;

/// # Errors
/// The first rule that the parameters break.
pub(super) fn check(provider: Provider, model: &Model, request: &Request) -> Result<(), Refusal> {
    thinking(provider, model, request)?;
    sampling(provider, model, request)?;
    stop(provider, request)?;
    tool_choice(model, request)?;
    limits(provider, request)
}

fn thinking(provider: Provider, model: &Model, request: &Request) -> Result<(), Refusal> {
    let kind = request.thinking_type();
    if request.given("thinking").is_some() && !matches!(kind, Some("enabled" | "disabled")) {
        return Err(Refusal::invalid(provider, "invalid thinking: type must be enabled or disabled"));
    }
    if kind == Some("disabled") && model.thinking == Thinking::Always {
        return Err(Refusal::bad("invalid thinking: only type=enabled is allowed for this model"));
    }
    // Moonshot ignores an effort that it does not know; Kimi Code does not.
    match request.given("reasoning_effort") {
        Some(effort) if provider == Provider::Kimi => kimi_effort(effort),
        _ => Ok(()),
    }
}

fn kimi_effort(effort: &Value) -> Result<(), Refusal> {
    if effort.as_str().is_some_and(|effort| EFFORTS.contains(&effort)) {
        return Ok(());
    }
    let effort = effort.as_str().map_or_else(|| effort.to_string(), str::to_owned);
    Err(Refusal::bad(format!(
        "Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. Supported values are: \
         'low', 'high', and 'max'."
    )))
}

fn sampling(provider: Provider, model: &Model, request: &Request) -> Result<(), Refusal> {
    let cool = model.thinking == Thinking::Switch && request.thinking_type() == Some("disabled");
    let heat = if cool { 0.6 } else { 1.0 };
    if provider == Provider::Kimi
        && request.given("temperature").and_then(Value::as_f64).is_some_and(|value| value > 1.0)
    {
        return Err(Refusal::bad("temperature must not be greater than 1.000000"));
    }
    let pinned = [
        ("temperature", heat),
        ("top_p", 0.95),
        ("n", 1.0),
        ("presence_penalty", 0.0),
        ("frequency_penalty", 0.0),
    ];
    for (field, only) in pinned {
        let Some(value) = request.given(field) else { continue };
        if value.as_f64().is_none_or(|value| (value - only).abs() > 1e-9) {
            return Err(Refusal::bad(format!("invalid {field}: only {only} is allowed for this model")));
        }
    }
    Ok(())
}

fn stop(provider: Provider, request: &Request) -> Result<(), Refusal> {
    let Some(stop) = request.given("stop") else { return Ok(()) };
    let stops = list(Some(stop));
    if stops.len() > STOPS {
        return Err(Refusal::bad(format!(
            "stop array too long. Expected an array with maximum length {STOPS}, but got {}",
            stops.len()
        )));
    }
    let too_long = |value: &Value| value.as_str().is_none_or(|text| text.len() > STOP_BYTES);
    if stops.iter().any(too_long) || (!stop.is_array() && too_long(stop)) {
        return Err(Refusal::invalid(
            provider,
            format!("each stop must be a string of at most {STOP_BYTES} bytes"),
        ));
    }
    Ok(())
}

fn tool_choice(model: &Model, request: &Request) -> Result<(), Refusal> {
    if !super::thinks(model, request) {
        return Ok(());
    }
    let clash = match request.given("tool_choice") {
        // Anthropic's `any` passes, its `tool` does not (live answers of Moonshot's Messages face, written up).
        Some(Value::String(choice)) if choice == "required" && request.face != Face::Messages => "required",
        Some(Value::Object(_)) => "specified",
        _ => return Ok(()),
    };
    Err(Refusal::bad(format!("tool_choice '{clash}' is incompatible with thinking enabled")))
}

fn limits(provider: Provider, request: &Request) -> Result<(), Refusal> {
    for field in ["max_completion_tokens", "max_tokens"] {
        if request.given(field).is_some_and(|value| value.as_u64().is_none_or(|tokens| tokens == 0)) {
            return Err(Refusal::invalid(provider, format!("{field} must be a positive integer")));
        }
    }
    Ok(())
}
