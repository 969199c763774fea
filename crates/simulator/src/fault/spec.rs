//! Faults as text and as JSON.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fault::kind::{FaultKind, Parameter};
use crate::provider::{Api, Provider};

/// A fault's description that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(String);

fn ensure(holds: bool, text: impl fmt::Display) -> Result<(), FaultError> {
    if holds { Ok(()) } else { Err(FaultError(text.to_string())) }
}

/// A fault, as described by `[PROVIDER[/MODEL]]:KIND[=VALUE][,key=value…]` or in JSON.
///
/// It applies only to requests with a prompt, on all APIs or on one. The first matching fault in the list
/// decides what happens. `drip`, `split`, `crlf` and `no_role` change only the shape of an answer and are
/// combined with that fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The provider; none means all three.
    pub provider: Option<Provider>,
    /// The requested model; none means all.
    pub model: Option<String>,
    /// The API; none means all.
    pub api: Option<Api>,
    /// The number of requests that it applies to; none means all.
    pub times: Option<u32>,
    /// Seconds for the Retry-After headers of an error.
    pub retry_after: Option<u64>,
    /// What happens.
    pub(crate) kind: FaultKind,
    /// Its number, if the kind takes one.
    pub(crate) value: Option<u64>,
}

/// A fault in JSON. `"*"` for the provider, the model or the API means all, and is left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FaultMembers {
    provider: Option<Provider>,
    model: Option<String>,
    #[serde(rename = "face")]
    api: Option<Api>,
    kind: String,
    value: Option<u64>,
    times: Option<u32>,
    retry_after: Option<u64>,
}

impl FromStr for Fault {
    type Err = FaultError;

    /// Reads `[PROVIDER[/MODEL]:]KIND[(=|:)VALUE][,key=value…]`, for example `kimi:rate_limit,retry_after=2,times=1`.
    fn from_str(spec: &str) -> Result<Self, FaultError> {
        let mut fields = spec.split(',').map(str::trim);
        let mut members = parse_head(fields.next().unwrap_or_default())?;
        for field in fields {
            let Some((key, value)) = field.split_once('=') else {
                return Err(FaultError(format!("`{field}` in fault `{spec}` is not key=value")));
            };
            let key = match key {
                "retry_after" => "retryAfter",
                "after" | "ms" | "bytes" | "status" => "value",
                key => key,
            };
            let value = if matches!(key, "model" | "face") { value.into() } else { number_or_text(value) };
            members.insert(key.to_owned(), value);
        }
        Self::from_members(members).map_err(|error| FaultError(format!("fault `{spec}`: {error}")))
    }
}

/// The text before the first colon is the provider, if it names one. A model id may contain colons.
fn parse_head(head: &str) -> Result<Map<String, Value>, FaultError> {
    let mut members = Map::new();
    let mut rest = head;
    if let Some((before, after)) = head.split_once([':', '/']) {
        if before == "*" || Provider::from_name(before).is_some() {
            members.insert("provider".into(), before.into());
            rest = after;
            if head.as_bytes().get(before.len()) == Some(&b'/') {
                let Some((model, kind)) = split_model(after) else {
                    return Err(FaultError(format!("fault `{head}` names a model and no kind")));
                };
                members.insert("model".into(), model.into());
                rest = kind;
            }
        } else {
            ensure(
                FaultKind::from_name(before).is_some(),
                format_args!(
                    "`{before}` in fault `{head}` is not a kind of fault, nor moonshot, kimi, openrouter or *"
                ),
            )?;
        }
    }
    if let Some((kind, value)) = rest.split_once(['=', ':']) {
        members.insert("value".into(), number_or_text(value));
        rest = kind;
    }
    members.insert("kind".into(), rest.into());
    Ok(members)
}

/// Splits at the first colon that a known kind follows.
fn split_model(text: &str) -> Option<(&str, &str)> {
    text.match_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..])).find(|(_, kind)| {
        kind.split(['=', ':']).next().is_some_and(|name| FaultKind::from_name(name).is_some())
    })
}

fn number_or_text(value: &str) -> Value {
    value.parse::<u64>().map_or_else(|_| value.into(), Value::from)
}

impl Fault {
    /// The kind's name, as `GET /_faults/kinds` lists it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// Reads `{"provider", "model", "face", "kind", "value", "times", "retryAfter"}` or `{"spec"}`; the key "face" is
    /// the API.
    ///
    /// # Errors
    /// A sentence with the first mistake.
    pub fn from_json(value: &Value) -> Result<Self, FaultError> {
        match value {
            Value::String(spec) => spec.parse(),
            Value::Object(members) => match members.get("spec").and_then(Value::as_str) {
                Some(spec) => spec.parse(),
                None => Self::from_members(members.clone()),
            },
            _ => Err(FaultError("a fault is an object or a spec".into())),
        }
    }

    fn from_members(mut members: Map<String, Value>) -> Result<Self, FaultError> {
        members.retain(|_, value| value != "*");
        let members: FaultMembers =
            serde_json::from_value(members.into()).map_err(|error| FaultError(error.to_string()))?;
        let FaultMembers { provider, model, api, kind: name, value, times, mut retry_after } = members;
        let Some((kind, parameter)) = FaultKind::from_name(&name) else {
            return Err(FaultError(format!("unknown fault `{name}`; GET /_faults/kinds lists them")));
        };
        let mut value = match parameter {
            Parameter::None => None,
            Parameter::Required(_) => value,
            Parameter::Optional(_, default) => value.or(Some(default)),
        };
        ensure(
            value.is_some() || !matches!(parameter, Parameter::Required(_)),
            format_args!("fault `{name}` needs a number, as in `{name}=1`"),
        )?;
        ensure(
            !kind.takes_status() || value.is_some_and(|status| (200..=599).contains(&status)),
            format_args!("fault `{name}` takes a status from 200 to 599"),
        )?;
        if name == "retry_after" {
            retry_after = retry_after.or(value.take());
        }
        if let Some(provider) = provider.filter(|provider| !kind.applies_to(*provider)) {
            let others = Provider::ALL.into_iter().filter(|other| kind.applies_to(*other));
            let others: Vec<_> = others.map(Provider::as_str).collect();
            let others = others.join(", ");
            return Err(FaultError(format!("{provider} has no error `{name}`; it is one of {others}")));
        }
        let model = model.filter(|model| !model.is_empty());
        Ok(Self { provider, model, api, times, retry_after, kind, value })
    }

    /// The fault as JSON, with the spec that means the same.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "spec": self.to_string(),
            "provider": self.provider.map_or("*", Provider::as_str),
            "model": self.model,
            "face": self.api.map_or("*", Api::as_str),
            "kind": self.kind(),
            "value": self.value,
            "times": self.times,
            "retryAfter": self.retry_after,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.provider.map_or("*", Provider::as_str))?;
        if let Some(model) = &self.model {
            write!(f, "/{model}")?;
        }
        write!(f, ":{}", self.kind())?;
        if let Some(value) = self.value {
            write!(f, "={value}")?;
        }
        if let Some(api) = self.api {
            write!(f, ",face={api}")?;
        }
        if let Some(seconds) = self.retry_after {
            write!(f, ",retry_after={seconds}")?;
        }
        if let Some(times) = self.times {
            write!(f, ",times={times}")?;
        }
        Ok(())
    }
}
