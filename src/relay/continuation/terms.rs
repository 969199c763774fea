//! What a request says about joining two answers to it.

use serde_json::{Map, Value};

use crate::wire::request::RequestBody;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in crate::relay) struct Terms {
    /// The strings at which the answer stops.
    stops: Vec<String>,
    /// The request ends with the beginning of an answer already.
    pub(super) is_prefilled: bool,
}

impl Terms {
    /// `None` where an answer of two halves could break what was asked for: a form (`response_format`, a forced tool
    /// call), figures for every token, or several answers. `params` are those of the configuration.
    pub(in crate::relay) fn of(body: &RequestBody, params: &Map<String, Value>) -> Option<Self> {
        let given = |key: &str| match body.value(key).filter(|value| *value != b"null") {
            // What cannot be read is no reason to think that it asks for nothing.
            Some(text) => Some(serde_json::from_slice(text).unwrap_or(Value::Bool(true))),
            None => params.get(key).filter(|value| !value.is_null()).cloned(),
        };
        let is_text = |format: &Value| format.get("type").and_then(Value::as_str) == Some("text");
        let is_free = |choice: &Value| matches!(choice.as_str(), Some("auto" | "none"));
        let joins = given("response_format").is_none_or(|format| is_text(&format))
            && given("tool_choice").is_none_or(|choice| is_free(&choice))
            && given("function_call").is_none_or(|choice| is_free(&choice))
            && given("n").is_none_or(|count| count == 1)
            && given("logprobs").is_none_or(|wanted| wanted == false)
            && given("top_logprobs").is_none_or(|count| count == 0);
        let stops = match given("stop") {
            None => Vec::new(),
            Some(Value::String(stop)) => vec![stop],
            Some(Value::Array(stops)) => {
                stops.into_iter().map(|stop| stop.as_str().map(str::to_owned)).collect::<Option<_>>()?
            }
            Some(_) => return None,
        };
        let is_prefilled = body.messages.last().is_some_and(|last| body.role_is(last, "assistant"));
        joins.then_some(Self { stops, is_prefilled })
    }

    /// Whether the text ends with the beginning of a stop string: nobody could tell where the rest of it would stand.
    pub(super) fn ends_inside_stop(&self, text: &str) -> bool {
        self.stops.iter().any(|stop| {
            stop.char_indices().skip(1).any(|(at, _)| stop.get(..at).is_some_and(|head| text.ends_with(head)))
        })
    }
}
