//! Faults as text and as JSON.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::{Fault, Kind, Prefill, documented, kinds};
use crate::simulator::face::Face;
use crate::simulator::provider::Provider;

/// A fault's description that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(String);

fn refuse<T>(text: impl Into<String>) -> Result<T, FaultError> {
    Err(FaultError(text.into()))
}

/// The parts of a description, before they are checked.
#[derive(Default)]
struct Parts {
    provider: Option<String>,
    model: Option<String>,
    kind: String,
    value: Option<u64>,
    face: Option<String>,
    times: Option<u32>,
    retry_after: Option<u64>,
}

impl FromStr for Fault {
    type Err = FaultError;

    /// Reads `[PROVIDER[/MODEL]:]KIND[(=|:)VALUE][,key=value…]`, for example `kimi:rate_limit,retry_after=2,times=1`.
    fn from_str(spec: &str) -> Result<Self, FaultError> {
        let mut fields = spec.split(',').map(str::trim);
        let head = fields.next().unwrap_or_default();
        let mut parts = head_parts(head)?;
        for field in fields {
            let Some((key, value)) = field.split_once('=') else {
                return refuse(format!("`{field}` in fault `{spec}` is not key=value"));
            };
            match key {
                "times" => parts.times = Some(number(key, value)?),
                "retry_after" => parts.retry_after = Some(number(key, value)?),
                "value" | "after" | "ms" | "bytes" | "status" => parts.value = Some(number(key, value)?),
                "model" => parts.model = Some(value.to_owned()),
                "face" => parts.face = Some(value.to_owned()),
                _ => {
                    return refuse(format!(
                        "unknown key `{key}` in fault `{spec}`; there are times, retry_after, model, face and value"
                    ));
                }
            }
        }
        parts.check()
    }
}

/// The provider stands before the first colon, if what stands there is one; a model id may have colons of its own.
fn head_parts(head: &str) -> Result<Parts, FaultError> {
    let mut parts = Parts::default();
    let mut rest = head;
    if let Some((before, after)) = head.split_once([':', '/']) {
        if before == "*" || Provider::named(before).is_some() {
            parts.provider = Some(before.to_owned());
            rest = after;
            if head.as_bytes().get(before.len()) == Some(&b'/') {
                let split = model_end(after);
                let Some((model, kind)) = split else {
                    return refuse(format!("fault `{head}` names a model and no kind"));
                };
                parts.model = Some(model.to_owned());
                rest = kind;
            }
        } else if kinds::find(before).is_none() {
            return refuse(format!(
                "`{before}` in fault `{head}` is neither moonshot, kimi, openrouter or * nor a kind of fault"
            ));
        }
    }
    let (kind, value) = rest.split_once(['=', ':']).map_or((rest, None), |(kind, value)| (kind, Some(value)));
    parts.kind = kind.to_owned();
    parts.value = value.map(|value| number(kind, value)).transpose()?;
    Ok(parts)
}

/// The first colon behind which a known kind stands.
fn model_end(text: &str) -> Option<(&str, &str)> {
    text.match_indices(':').find_map(|(at, _)| {
        let kind = text.get(at + 1..)?;
        let word = kind.split(['=', ':']).next()?;
        kinds::find(word).map(|_| (text.get(..at).unwrap_or_default(), kind))
    })
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, FaultError> {
    value.parse().map_err(|_| FaultError(format!("`{value}` for `{key}` is not a whole number that fits")))
}

impl Parts {
    fn check(self) -> Result<Fault, FaultError> {
        let provider = match self.provider.as_deref() {
            None | Some("*") => None,
            Some(word) => match Provider::named(word) {
                Some(provider) => Some(provider),
                None => return refuse(format!("`{word}` is not moonshot, kimi, openrouter or *")),
            },
        };
        let face = match self.face.as_deref() {
            None | Some("*") => None,
            Some(word) => match Face::named(word) {
                Some(face) => Some(face),
                None => return refuse(format!("`{word}` is not chat, messages, responses or *")),
            },
        };
        let mut retry_after = self.retry_after;
        if self.kind == "retry_after" {
            retry_after = retry_after.or(self.value);
        }
        let kind = kind(&self.kind, self.value)?;
        if let (Some(provider), Kind::Documented(name)) = (provider, &kind)
            && !documented::known(provider, name)
        {
            let others: Vec<_> = Provider::ALL
                .into_iter()
                .filter(|other| documented::known(*other, name))
                .map(Provider::as_str)
                .collect();
            return refuse(format!("{provider} has no error `{name}`; it is one of {}", others.join(", ")));
        }
        let model = self.model.filter(|model| !model.is_empty() && model != "*");
        Ok(Fault { provider, model, face, times: self.times, retry_after, kind })
    }
}

fn documented_kind(word: &str) -> Result<Kind, FaultError> {
    match documented::name(word) {
        Some(name) => Ok(Kind::Documented(name)),
        None => refuse(format!("unknown fault `{word}`; GET /_faults/kinds lists them")),
    }
}

fn kind(word: &str, value: Option<u64>) -> Result<Kind, FaultError> {
    let count = |default: u64| usize::try_from(value.unwrap_or(default)).unwrap_or(usize::MAX);
    let needed = || match value {
        Some(value) => Ok(usize::try_from(value).unwrap_or(usize::MAX)),
        None => refuse(format!("fault `{word}` needs a number, as in `{word}=1`")),
    };
    let status = |default: u64| match u16::try_from(value.unwrap_or(default)) {
        Ok(status @ 200..=599) => Ok(status),
        _ => refuse(format!("fault `{word}` takes a status from 200 to 599")),
    };
    Ok(match word {
        "status" => {
            needed()?;
            Kind::Status(status(0)?)
        }
        "refuse" => Kind::Refuse,
        "reset_before" => Kind::ResetBefore,
        "reset_after" => Kind::ResetAfter(needed()?),
        "no_head" => Kind::NoHead,
        "no_first_byte" => Kind::NoFirstByte,
        "role_then_stall" => Kind::RoleThenStall,
        "end_after" => Kind::EndAfter(needed()?),
        "stall" => Kind::Stall(needed()?),
        "truncate" => Kind::Truncate(needed()?),
        "truncate_no_done" => Kind::TruncateNoDone,
        "malformed_json" => Kind::MalformedJson(count(0)),
        "malformed_sse" => Kind::MalformedSse(count(0)),
        "error_chunk_first" => Kind::ErrorChunk(None),
        "error_chunk_after" => Kind::ErrorChunk(Some(needed()?)),
        "error_in_200" => Kind::ErrorIn200,
        "empty" => Kind::Empty,
        "html_200" => Kind::Html200,
        "html_504" => Kind::Html504,
        "gzip_error" => Kind::GzipError(status(500)?),
        "invalid_gzip" => Kind::InvalidGzip(status(500)?),
        "leak_markup" => Kind::LeakMarkup,
        "drip" => Kind::Drip(needed()? as u64),
        "split" => Kind::Split(needed()?.max(1)),
        "crlf" => Kind::Crlf,
        "no_role" => Kind::NoRole,
        "retry_after" => {
            needed()?;
            Kind::Documented("rate_limit")
        }
        _ => match prefill(word) {
            Some(prefill) => Kind::Prefill(prefill),
            None => return documented_kind(word),
        },
    })
}

fn prefill(word: &str) -> Option<Prefill> {
    Some(match word {
        "prefill_restart" => Prefill::Restart,
        "prefill_preamble" => Prefill::Preamble,
        "prefill_thinks" => Prefill::Thinks,
        "prefill_refused" => Prefill::Refused,
        _ => return None,
    })
}

impl Fault {
    /// Reads `{"provider", "model", "face", "kind", "value", "times", "retryAfter"}` or `{"spec"}`.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn from_json(value: &Value) -> Result<Self, FaultError> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Some(spec) = value.as_str().map(str::to_owned).or_else(|| text("spec")) {
            return spec.parse();
        }
        let Some(members) = value.as_object() else { return refuse("a fault is an object or a spec") };
        let known = ["provider", "model", "face", "kind", "value", "times", "retryAfter"];
        if let Some(key) = members.keys().find(|key| !known.contains(&key.as_str())) {
            return refuse(format!("unknown key `{key}` in a fault; there are {}", known.join(", ")));
        }
        let whole = |key: &str| match value.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(number) => match number.as_u64() {
                Some(number) => Ok(Some(number)),
                None => refuse(format!("`{key}` of a fault is not a whole number")),
            },
        };
        let Some(kind) = text("kind") else { return refuse("a fault needs a `kind`") };
        let parts = Parts {
            provider: text("provider"),
            model: text("model"),
            face: text("face"),
            kind,
            value: whole("value")?,
            times: whole("times")?.map(|times| u32::try_from(times).unwrap_or(u32::MAX)),
            retry_after: whole("retryAfter")?,
        };
        parts.check()
    }

    /// The fault as JSON, with the spec that means the same.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("spec".into(), self.to_string().into());
        members.insert("provider".into(), self.provider.map_or("*", Provider::as_str).into());
        members.insert("model".into(), json!(self.model));
        members.insert("face".into(), self.face.map_or("*", Face::as_str).into());
        members.insert("kind".into(), self.kind().into());
        members.insert("value".into(), json!(self.kind.value()));
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
        if let Some(value) = self.kind.value() {
            write!(f, "={value}")?;
        }
        if let Some(face) = self.face {
            write!(f, ",face={face}")?;
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
