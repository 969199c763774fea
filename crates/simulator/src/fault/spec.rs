//! Faults as text and as JSON.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::fault::{Fault, FaultAction, PrefillFault, documented, kinds};
use crate::provider::{Api, Provider};

/// A fault's description that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(String);

fn fault_error<T>(text: impl Into<String>) -> Result<T, FaultError> {
    Err(FaultError(text.into()))
}

/// The parts of a description, before they are checked.
#[derive(Default)]
struct FaultSpec {
    provider: Option<String>,
    model: Option<String>,
    kind: String,
    value: Option<u64>,
    api: Option<String>,
    times: Option<u32>,
    retry_after: Option<u64>,
}

impl FromStr for Fault {
    type Err = FaultError;

    /// Reads `[PROVIDER[/MODEL]:]KIND[(=|:)VALUE][,key=value…]`, for example `kimi:rate_limit,retry_after=2,times=1`.
    fn from_str(spec: &str) -> Result<Self, FaultError> {
        let mut fields = spec.split(',').map(str::trim);
        let head = fields.next().unwrap_or_default();
        let mut parts = parse_head(head)?;
        for field in fields {
            let Some((key, value)) = field.split_once('=') else {
                return fault_error(format!("`{field}` in fault `{spec}` is not key=value"));
            };
            match key {
                "times" => parts.times = Some(parse_number(key, value)?),
                "retry_after" => parts.retry_after = Some(parse_number(key, value)?),
                "value" | "after" | "ms" | "bytes" | "status" => {
                    parts.value = Some(parse_number(key, value)?)
                }
                "model" => parts.model = Some(value.to_owned()),
                "face" => parts.api = Some(value.to_owned()),
                _ => {
                    return fault_error(format!(
                        "unknown key `{key}` in fault `{spec}`; there are times, retry_after, model, face and value"
                    ));
                }
            }
        }
        parts.into_fault()
    }
}

/// The text before the first colon is the provider, if it names one. A model id may contain colons.
fn parse_head(head: &str) -> Result<FaultSpec, FaultError> {
    let mut parts = FaultSpec::default();
    let mut rest = head;
    if let Some((before, after)) = head.split_once([':', '/']) {
        if before == "*" || Provider::from_name(before).is_some() {
            parts.provider = Some(before.to_owned());
            rest = after;
            if head.as_bytes().get(before.len()) == Some(&b'/') {
                let split = split_model(after);
                let Some((model, kind)) = split else {
                    return fault_error(format!("fault `{head}` names a model and no kind"));
                };
                parts.model = Some(model.to_owned());
                rest = kind;
            }
        } else if kinds::find_name(before).is_none() {
            return fault_error(format!(
                "`{before}` in fault `{head}` is neither moonshot, kimi, openrouter or * nor a kind of fault"
            ));
        }
    }
    let (kind, value) = rest.split_once(['=', ':']).map_or((rest, None), |(kind, value)| (kind, Some(value)));
    parts.kind = kind.to_owned();
    parts.value = value.map(|value| parse_number(kind, value)).transpose()?;
    Ok(parts)
}

/// Splits at the first colon that a known kind follows.
fn split_model(text: &str) -> Option<(&str, &str)> {
    text.match_indices(':').find_map(|(at, _)| {
        let kind = text.get(at + 1..)?;
        let word = kind.split(['=', ':']).next()?;
        kinds::find_name(word).map(|_| (text.get(..at).unwrap_or_default(), kind))
    })
}

fn parse_number<T: FromStr>(key: &str, value: &str) -> Result<T, FaultError> {
    value.parse().map_err(|_| FaultError(format!("`{value}` for `{key}` is not a whole number that fits")))
}

impl FaultSpec {
    fn into_fault(self) -> Result<Fault, FaultError> {
        let provider = match self.provider.as_deref() {
            None | Some("*") => None,
            Some(word) => match Provider::from_name(word) {
                Some(provider) => Some(provider),
                None => return fault_error(format!("`{word}` is not moonshot, kimi, openrouter or *")),
            },
        };
        let api = match self.api.as_deref() {
            None | Some("*") => None,
            Some(word) => match Api::from_name(word) {
                Some(api) => Some(api),
                None => return fault_error(format!("`{word}` is not chat, messages, responses or *")),
            },
        };
        let mut retry_after = self.retry_after;
        if self.kind == "retry_after" {
            retry_after = retry_after.or(self.value);
        }
        let kind = parse_action(&self.kind, self.value)?;
        if let (Some(provider), FaultAction::Documented(name)) = (provider, &kind)
            && !documented::is_documented(provider, name)
        {
            let others: Vec<_> = Provider::ALL
                .into_iter()
                .filter(|other| documented::is_documented(*other, name))
                .map(Provider::as_str)
                .collect();
            return fault_error(format!(
                "{provider} has no error `{name}`; it is one of {}",
                others.join(", ")
            ));
        }
        let model = self.model.filter(|model| !model.is_empty() && model != "*");
        Ok(Fault { provider, model, api, times: self.times, retry_after, action: kind })
    }
}

fn documented_action(word: &str) -> Result<FaultAction, FaultError> {
    match documented::find_name(word) {
        Some(name) => Ok(FaultAction::Documented(name)),
        None => fault_error(format!("unknown fault `{word}`; GET /_faults/kinds lists them")),
    }
}

fn parse_action(word: &str, value: Option<u64>) -> Result<FaultAction, FaultError> {
    let count = |default: u64| usize::try_from(value.unwrap_or(default)).unwrap_or(usize::MAX);
    let needed = || match value {
        Some(value) => Ok(usize::try_from(value).unwrap_or(usize::MAX)),
        None => fault_error(format!("fault `{word}` needs a number, as in `{word}=1`")),
    };
    let status = |default: u64| match u16::try_from(value.unwrap_or(default)) {
        Ok(status @ 200..=599) => Ok(status),
        _ => fault_error(format!("fault `{word}` takes a status from 200 to 599")),
    };
    Ok(match word {
        "status" => {
            needed()?;
            FaultAction::Status(status(0)?)
        }
        "refuse" => FaultAction::ResetAfterHead,
        "reset_before" => FaultAction::ResetBeforeResponse,
        "reset_after" => FaultAction::ResetAfter(needed()?),
        "no_head" => FaultAction::NoHead,
        "no_first_byte" => FaultAction::NoFirstByte,
        "role_then_stall" => FaultAction::RoleThenStall,
        "end_after" => FaultAction::EndAfter(needed()?),
        "stall" => FaultAction::Stall(needed()?),
        "truncate" => FaultAction::Truncate(needed()?),
        "truncate_no_done" => FaultAction::TruncateNoDone,
        "malformed_json" => FaultAction::MalformedJson(count(0)),
        "malformed_sse" => FaultAction::MalformedSse(count(0)),
        "error_chunk_first" => FaultAction::ErrorChunk(None),
        "error_chunk_after" => FaultAction::ErrorChunk(Some(needed()?)),
        "error_in_200" => FaultAction::ErrorIn200,
        "empty" => FaultAction::Empty,
        "html_200" => FaultAction::Html200,
        "html_504" => FaultAction::Html504,
        "gzip_error" => FaultAction::GzipError(status(500)?),
        "invalid_gzip" => FaultAction::InvalidGzip(status(500)?),
        "leak_markup" => FaultAction::LeakMarkup,
        "drip" => FaultAction::Drip(needed()? as u64),
        "split" => FaultAction::Split(needed()?.max(1)),
        "crlf" => FaultAction::Crlf,
        "no_role" => FaultAction::NoRole,
        "retry_after" => {
            needed()?;
            FaultAction::Documented("rate_limit")
        }
        _ => match parse_prefill(word) {
            Some(prefill) => FaultAction::Prefill(prefill),
            None => return documented_action(word),
        },
    })
}

fn parse_prefill(word: &str) -> Option<PrefillFault> {
    Some(match word {
        "prefill_restart" => PrefillFault::Restart,
        "prefill_preamble" => PrefillFault::Preamble,
        "prefill_thinks" => PrefillFault::Reasoning,
        "prefill_refused" => PrefillFault::Rejected,
        _ => return None,
    })
}

impl Fault {
    /// Reads `{"provider", "model", "api", "kind", "value", "times", "retryAfter"}` or `{"spec"}`; `api` is
    /// the API.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn from_json(value: &Value) -> Result<Self, FaultError> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Some(spec) = value.as_str().map(str::to_owned).or_else(|| text("spec")) {
            return spec.parse();
        }
        let Some(members) = value.as_object() else { return fault_error("a fault is an object or a spec") };
        let known = ["provider", "model", "face", "kind", "value", "times", "retryAfter"];
        if let Some(key) = members.keys().find(|key| !known.contains(&key.as_str())) {
            return fault_error(format!("unknown key `{key}` in a fault; there are {}", known.join(", ")));
        }
        let whole = |key: &str| match value.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(number) => match number.as_u64() {
                Some(number) => Ok(Some(number)),
                None => fault_error(format!("`{key}` of a fault is not a whole number")),
            },
        };
        let Some(kind) = text("kind") else { return fault_error("a fault needs a `kind`") };
        let parts = FaultSpec {
            provider: text("provider"),
            model: text("model"),
            api: text("face"),
            kind,
            value: whole("value")?,
            times: whole("times")?.map(|times| u32::try_from(times).unwrap_or(u32::MAX)),
            retry_after: whole("retryAfter")?,
        };
        parts.into_fault()
    }

    /// The fault as JSON, with the spec that means the same.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("spec".into(), self.to_string().into());
        members.insert("provider".into(), self.provider.map_or("*", Provider::as_str).into());
        members.insert("model".into(), json!(self.model));
        members.insert("face".into(), self.api.map_or("*", Api::as_str).into());
        members.insert("kind".into(), self.kind().into());
        members.insert("value".into(), json!(self.action.parameter()));
        members.insert("times".into(), json!(self.times));
        members.insert("retryAfter".into(), json!(self.retry_after));
        Value::Object(members)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.provider.map_or("*", Provider::as_str))?;
        if let Some(model) = &self.model {
            write!(f, "/{model}")?;
        }
        write!(f, ":{}", self.kind())?;
        if let Some(value) = self.action.parameter() {
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
