//! Owns the request's conditions for the continuation of a stream.

use serde_json::{Map, Value};

use crate::protocol::request::RequestBody;

/// Conditions under which a response can be continued.
#[derive(Clone, Debug, Default)]
pub(in crate::routing) struct ResumeConditions {
    /// The stop strings of the request.
    stop_strings: Vec<String>,
    /// The request already ends with the beginning of a response (a prefill).
    pub(super) is_prefilled: bool,
}

impl ResumeConditions {
    /// `None` if a continued response could violate the request: a format (`response_format`, a forced tool
    /// call), log probabilities, or several choices. `params` are those of the configuration. The names cover
    /// all APIs: none has another meaning in another API.
    pub(in crate::routing) fn from_request(body: &RequestBody, params: &Map<String, Value>) -> Option<Self> {
        let given = |key: &str| match body.value(key).filter(|value| *value != b"null") {
            // An unreadable request must be treated as if it set such a condition.
            Some(text) => Some(serde_json::from_slice(text).unwrap_or(Value::Bool(true))),
            None => params.get(key).filter(|value| !value.is_null()).cloned(),
        };
        let format_in = |key: &str| given(key).and_then(|value| value.get("format").cloned());
        let formats =
            [given("response_format"), given("output_format"), format_in("output_config"), format_in("text")];
        let joins = formats.iter().flatten().all(is_text_format)
            && given("tool_choice").is_none_or(|choice| is_unforced_choice(&choice))
            && given("function_call").is_none_or(|choice| is_unforced_choice(&choice))
            && given("n").is_none_or(|count| count == 1)
            && given("logprobs").is_none_or(|wanted| wanted == false)
            && given("top_logprobs").is_none_or(|count| count == 0);
        let mut stops = parse_stop_strings(given("stop"))?;
        stops.append(&mut self::parse_stop_strings(given("stop_sequences"))?);
        let is_prefilled = body.messages.last().is_some_and(|last| body.has_role(last, "assistant"));
        joins.then_some(Self { stop_strings: stops, is_prefilled })
    }

    /// Whether the text ends with the beginning of a stop string: the position of its end would be unknown.
    pub(super) fn ends_with_partial_stop(&self, text: &str) -> bool {
        self.stop_strings.iter().any(|stop| {
            stop.char_indices().skip(1).any(|(at, _)| stop.get(..at).is_some_and(|head| text.ends_with(head)))
        })
    }
}

fn is_text_format(format: &Value) -> bool {
    format.is_null() || format.get("type").and_then(Value::as_str) == Some("text")
}

/// Chat Completions and Responses use a string, Messages an object with a type.
fn is_unforced_choice(choice: &Value) -> bool {
    matches!(choice.get("type").unwrap_or(choice).as_str(), Some("auto" | "none"))
}

/// `None` if they are invalid.
fn parse_stop_strings(given: Option<Value>) -> Option<Vec<String>> {
    match given {
        None => Some(Vec::new()),
        Some(Value::String(stop)) => Some(vec![stop]),
        Some(Value::Array(stops)) => stops.into_iter().map(|stop| stop.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}
