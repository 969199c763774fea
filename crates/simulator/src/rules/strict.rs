//! How the strict rules of Anthropic and `OpenAI` are stated and checked.
//!
//! A service is a schema of its requests and a list of rules, each with a source. A test has for each rule a request
//! that only this rule refuses, and one like it that the service accepts.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::error_response::ErrorResponse;
use crate::models::{SimulatedModel, find_model};
use crate::provider::{Api, Provider};
use crate::rules::shape::{self, ShapeError, ShapeProblem};
use crate::rules::{anthropic, openai_chat, openai_responses};

/// A request to a strict service.
#[derive(Clone, Copy)]
pub(super) struct StrictRequest<'a> {
    pub(super) model: &'a SimulatedModel,
    pub(super) body: &'a Value,
    pub(super) headers: &'a HeaderMap,
}

/// A documented or reported rule.
pub(super) struct StrictRule {
    /// Unique within its service.
    pub(super) name: &'static str,
    /// Where the rule comes from; `None` if no source confirms it.
    pub(super) source: Option<&'static str>,
    pub(super) check: fn(&StrictRequest<'_>) -> Result<(), Refusal>,
}

/// A rule of a strict service, for documentation.
#[derive(Clone, Copy, Debug)]
pub struct RuleDescription {
    /// The service.
    pub provider: Provider,
    /// Its API.
    pub api: Api,
    /// The rule.
    pub name: &'static str,
    /// Where the rule comes from; `None` if no source confirms it.
    pub source: Option<&'static str>,
}

/// The rules of all strict services, without those of the shape of requests, which are schemas.
pub fn list_rules() -> impl Iterator<Item = RuleDescription> {
    let services = [
        (Provider::Anthropic, Api::Messages),
        (Provider::OpenAi, Api::ChatCompletions),
        (Provider::OpenAi, Api::Responses),
    ];
    services.into_iter().flat_map(|(provider, api)| {
        let describe =
            move |rule: &StrictRule| RuleDescription { provider, api, name: rule.name, source: rule.source };
        rules_of(provider, api).iter().map(describe)
    })
}

/// Why a request is refused, in the service's words.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    /// `OpenAI`'s `error.param`.
    pub(super) parameter: Option<String>,
    /// `OpenAI`'s `error.code`.
    pub(super) code: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into(), parameter: None, code: None }
    }

    pub(super) fn of_parameter(self, parameter: &str, code: &'static str) -> Self {
        Self { parameter: Some(parameter.to_owned()), code: Some(code), ..self }
    }
}

/// Fails with this text unless the condition holds.
pub(super) fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::new(message())) }
}

/// The name of the check of the schema, which comes before the rules.
pub(super) const SHAPE: &str = "shape";

/// The rules of a service; empty for the other providers.
pub(super) const fn rules_of(provider: Provider, api: Api) -> &'static [StrictRule] {
    match (provider, api) {
        (Provider::Anthropic, Api::Messages) => anthropic::RULES,
        (Provider::OpenAi, Api::ChatCompletions) => openai_chat::RULES,
        (Provider::OpenAi, Api::Responses) => openai_responses::RULES,
        _ => &[],
    }
}

/// The first rule that refuses the request, and the refusal. `without` is a rule that is switched off.
pub(super) fn find_refusal(
    provider: Provider,
    api: Api,
    request: &StrictRequest<'_>,
    without: Option<&str>,
) -> Option<(&'static str, Refusal)> {
    if without != Some(SHAPE)
        && let Err(error) = shape::check_request(provider, api, request.body)
    {
        return Some((SHAPE, describe(provider, &error)));
    }
    let rules = rules_of(provider, api).iter().filter(|rule| without != Some(rule.name));
    rules.filter_map(|rule| Some((rule.name, (rule.check)(request).err()?))).next()
}

/// The rule of a strict service that refuses a request without headers, and the refusal; an unknown model is refused too. `None`
/// if the service accepts the request.
#[must_use]
pub fn find_objection(provider: Provider, api: Api, body: &Value) -> Option<String> {
    let id = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let Some(model) = find_model(provider, id) else { return Some(format!("no model: {id:?}")) };
    let request = StrictRequest { model, body, headers: &HeaderMap::new() };
    let (rule, refusal) = find_refusal(provider, api, &request, None)?;
    Some(format!("{rule}: {}", refusal.message))
}

/// # Errors
/// The answer of the service to a request that it refuses.
pub(super) fn check_request(
    provider: Provider,
    api: Api,
    request: &StrictRequest<'_>,
) -> Result<(), ErrorResponse> {
    let Some((_, refusal)) = find_refusal(provider, api, request, None) else { return Ok(()) };
    let error_type = if refusal.status == 413 { "request_too_large" } else { "invalid_request_error" };
    let details = json!({ "param": refusal.parameter, "code": refusal.code });
    Err(ErrorResponse::new(refusal.status, error_type, refusal.message).with_metadata(details))
}

/// The service's words for a part that its schema refuses.
fn describe(provider: Provider, error: &ShapeError) -> Refusal {
    if provider == Provider::Anthropic { describe_for_anthropic(error) } else { describe_for_openai(error) }
}

/// Anthropic's validation errors are pydantic's, with the place before the text
/// (<https://github.com/anthropics/claude-code/issues/10627> and others quote them).
fn describe_for_anthropic(error: &ShapeError) -> Refusal {
    let place = error.path.join(".");
    Refusal::new(match &error.problem {
        ShapeProblem::Missing => format!("{place}: Field required"),
        ShapeProblem::Unknown => format!("{place}: Extra inputs are not permitted"),
        ShapeProblem::WrongType(kind) => {
            let kind = match kind.as_str() {
                "object" => "dictionary",
                "array" => "list",
                kind => kind,
            };
            format!("{place}: Input should be a valid {kind}")
        }
        ShapeProblem::WrongValue(_, allowed) => format!("{place}: Input should be {}", join(allowed, " or ")),
        ShapeProblem::WrongTag(value, allowed) => {
            let (outer, tag) = place.rsplit_once('.').unwrap_or(("", &place));
            let (value, allowed) = (join(std::slice::from_ref(value), ""), join(allowed, ", "));
            format!(
                "{outer}: Input tag {value} found using '{tag}' does not match any of the expected tags: {allowed}"
            )
        }
    })
}

/// `OpenAI`'s texts, codes and places (quoted in <https://github.com/decolua/9router/issues/560> and
/// <https://github.com/vercel/ai/issues/7099>).
fn describe_for_openai(error: &ShapeError) -> Refusal {
    let place = error.path.iter().fold(String::new(), |mut place, part| {
        match (part.parse::<usize>(), place.is_empty()) {
            (Ok(index), _) => place.push_str(&format!("[{index}]")),
            (Err(_), true) => place.push_str(part),
            (Err(_), false) => place.push_str(&format!(".{part}")),
        }
        place
    });
    let (message, code) = match &error.problem {
        ShapeProblem::Missing => {
            (format!("Missing required parameter: '{place}'."), "missing_required_parameter")
        }
        ShapeProblem::Unknown => (format!("Unknown parameter: '{place}'."), "unknown_parameter"),
        ShapeProblem::WrongType(kind) => {
            (format!("Invalid type for '{place}': expected a value of type {kind}."), "invalid_type")
        }
        ShapeProblem::WrongValue(value, allowed) | ShapeProblem::WrongTag(value, allowed) => {
            let (value, allowed) = (join(std::slice::from_ref(value), ""), join(allowed, ", "));
            (format!("Invalid value: {value}. Supported values are: {allowed}."), "invalid_value")
        }
    };
    Refusal::new(message).of_parameter(&place, code)
}

fn join(values: &[Value], separator: &str) -> String {
    let texts = values
        .iter()
        .map(|value| value.as_str().map_or_else(|| value.to_string(), |text| format!("'{text}'")));
    texts.collect::<Vec<_>>().join(separator)
}
