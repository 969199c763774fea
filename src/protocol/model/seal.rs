//! Sealed reasoning: signatures and encrypted content, which only the provider that issued them accepts.
//!
//! In a client's history such a value has its origin before it: `moonrelay:PROVIDER:API:ID:FORMAT:VALUE`. `ID` and
//! `FORMAT` are members that belong to the value where the API has them. The gateway writes the origin into the answer, so
//! it needs no memory, and sends the value back there alone.

use bytes::Bytes;
use memchr::memmem;

use super::answer::ResponseEvent;
use super::node::StringLiteral;
use crate::protocol::api::Api;
use crate::protocol::edit::Edits;
use crate::protocol::json;
use crate::protocol::object::ObjectView;

/// Begins every sealed value that has an origin.
const MARK: &str = "moonrelay:";

/// A provider and its API: the text that begins the values that it sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealOrigin(String);

/// The content of an assistant turn with sealed reasoning, up to its calls: for clients that do not return the reasoning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedTurn {
    /// Text and reasoning, in order. Sealed values have their origin.
    pub(crate) blocks: Vec<SealedBlock>,
    /// The ids of its calls.
    pub call_ids: Vec<String>,
    /// Their size, approximately.
    bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SealedBlock {
    Text(String),
    Reasoning { text: String, seal: Option<String> },
    Redacted(String),
}

impl SealedTurn {
    /// Adds an event of the answer.
    pub fn push(&mut self, event: &ResponseEvent) {
        let (ResponseEvent::Text(text)
        | ResponseEvent::Reasoning(text)
        | ResponseEvent::ReasoningSignature(text)
        | ResponseEvent::RedactedReasoning(text)
        | ResponseEvent::ToolCallStart { id: text, .. }) = event
        else {
            return;
        };
        self.bytes += text.len() + size_of::<SealedBlock>();
        match event {
            ResponseEvent::Text(piece) => match self.blocks.last_mut() {
                Some(SealedBlock::Text(text)) => text.push_str(piece),
                _ => self.blocks.push(SealedBlock::Text(piece.clone())),
            },
            ResponseEvent::Reasoning(piece) => match self.blocks.last_mut() {
                Some(SealedBlock::Reasoning { text, seal: None }) => text.push_str(piece),
                _ => self.blocks.push(SealedBlock::Reasoning { text: piece.clone(), seal: None }),
            },
            ResponseEvent::ReasoningSignature(value) => match self.blocks.last_mut() {
                Some(SealedBlock::Reasoning { seal: seal @ None, .. }) => *seal = Some(value.clone()),
                _ => self
                    .blocks
                    .push(SealedBlock::Reasoning { text: String::new(), seal: Some(value.clone()) }),
            },
            ResponseEvent::RedactedReasoning(data) => self.blocks.push(SealedBlock::Redacted(data.clone())),
            ResponseEvent::ToolCallStart { id, .. } => self.call_ids.push(id.clone()),
            _ => {}
        }
    }

    /// Whether a later request needs it: it has calls, whose results follow, and sealed reasoning.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        !self.call_ids.is_empty() && self.seals().next().is_some()
    }

    /// Whether all of its sealed values are of this origin.
    #[must_use]
    pub fn is_from(&self, origin: &SealOrigin) -> bool {
        self.seals().all(|seal| seal.starts_with(&*origin.0))
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.bytes
    }

    fn seals(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter_map(|block| match block {
            SealedBlock::Reasoning { seal, .. } => seal.as_deref(),
            SealedBlock::Redacted(data) => Some(&**data),
            SealedBlock::Text(_) => None,
        })
    }
}

/// A sealed value, without its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal<'t> {
    pub(crate) value: StringLiteral<'t>,
    /// `id` of the item or detail.
    pub(crate) id: Option<String>,
    /// `format` of OpenRouter's detail.
    pub(crate) format: Option<String>,
}

impl SealOrigin {
    /// Of a provider's id, the model that it receives and the API of the call. A provider with models of several vendors
    /// names the vendor before a slash; each vendor reads its own seals.
    #[must_use]
    pub fn new(provider: &str, wire_model: &str, api: Api) -> Self {
        let vendor = wire_model.split_once('/').map(|(vendor, _)| format!(".{vendor}")).unwrap_or_default();
        let mut name = format!("{provider}{vendor}");
        name.retain(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        Self(format!("{MARK}{name}:{}:", api.as_str()))
    }

    /// Writes the origin into the value of this member of an answer, unless it is empty.
    pub(crate) fn write(&self, object: &ObjectView<'_>, key: &str, edits: &mut Edits) {
        if let Some(span) = object.span(key).filter(|_| object.has_text(key)) {
            let token = |key| object.string(key).filter(|text| is_token(text)).unwrap_or_default();
            let before = format!("{}{}:{}:", self.0, token("id"), token("format"));
            edits.replace(span.start + 1..span.start + 1, before);
        }
    }

    /// The sealed value of this origin; `None` if it is another provider's.
    pub(crate) fn open(&self, sealed: &StringLiteral<'_>) -> Option<Seal<'static>> {
        let text = sealed.text();
        let mut parts = text.strip_prefix(&*self.0)?.splitn(3, ':');
        let mut token = || parts.next().map(|token| (!token.is_empty()).then(|| token.to_owned()));
        let (id, format) = (token()?, token()?);
        Some(Seal { value: StringLiteral::from_text(parts.next()?), id, format })
    }

    /// Whether a body has sealed values with an origin.
    #[must_use]
    pub fn is_in(body: &[u8]) -> bool {
        find_seals(body).next().is_some()
    }

    /// A body with the values of this origin as the provider sealed them, and with empty ones instead of those of other
    /// origins. Whether there were others is the second.
    #[must_use]
    pub fn open_body(&self, body: &Bytes) -> (Bytes, bool) {
        let mut edits = Edits::new();
        let mut has_others = false;
        for quote in find_seals(body) {
            let Ok((Some(literal), _)) = json::read_value(body, quote) else { continue };
            let (start, end) = (literal.start + 1, literal.end - 1);
            let sealed = body.get(start..end).unwrap_or_default();
            let own = sealed.strip_prefix(self.0.as_bytes()).and_then(|rest| {
                let mut colons = memchr::memchr_iter(b':', rest);
                colons.next().and(colons.next()).map(|colon| start + self.0.len() + colon + 1)
            });
            has_others |= own.is_none();
            edits.replace(start..own.unwrap_or(end), Bytes::new());
        }
        (edits.apply(body).to_bytes(), has_others)
    }
}

impl<'t> Seal<'t> {
    /// A value of a request, with its origin.
    pub(crate) const fn unopened(value: StringLiteral<'t>) -> Self {
        Self { value, id: None, format: None }
    }
}

/// Whether a value has no separator in it.
fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The offsets of the sealed values with an origin.
fn find_seals(body: &[u8]) -> impl Iterator<Item = usize> {
    memmem::find_iter(body, b"\"moonrelay:")
        .filter(|quote| follows_sealed_key(body.get(..*quote).unwrap_or_default()))
}

/// Whether the text ends with the key of a sealed value and a colon.
fn follows_sealed_key(before: &[u8]) -> bool {
    let key = before.trim_ascii_end().strip_suffix(b":").map(<[u8]>::trim_ascii_end);
    key.is_some_and(|key| {
        ["\"signature\"", "\"data\"", "\"encrypted_content\""]
            .iter()
            .any(|sealed| key.ends_with(sealed.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn value_is_opened_at_its_origin_only() {
        let origin = SealOrigin::new("openrouter", "anthropic/claude-opus-5", Api::ChatCompletions);
        let detail = Bytes::from(json!({ "id": "rs_1", "format": "a-v1", "data": "x:\"y" }).to_string());
        let mut edits = Edits::new();
        origin.write(&ObjectView::parse(&detail).unwrap(), "data", &mut edits);
        let sealed: Value = serde_json::from_slice(&edits.apply(&detail).to_bytes()).unwrap();
        let data = sealed["data"].as_str().unwrap();
        assert_eq!(data, "moonrelay:openrouter.anthropic:openai-completions:rs_1:a-v1:x:\"y");
        let literal = StringLiteral::from_text(data);
        let seal = origin.open(&literal).unwrap();
        assert_eq!((seal.id.as_deref(), seal.format.as_deref()), (Some("rs_1"), Some("a-v1")));
        assert_eq!(seal.value.text(), "x:\"y");
        let others = [
            SealOrigin::new("openrouter", "openai/gpt-5.4", Api::ChatCompletions),
            SealOrigin::new("openrouter", "anthropic/claude-opus-5", Api::Messages),
            SealOrigin::new("anthropic", "claude-opus-5", Api::ChatCompletions),
        ];
        assert!(others.iter().all(|other| other.open(&literal).is_none()));
    }

    #[test]
    fn body_has_own_values_opened_and_others_emptied() {
        let origin = SealOrigin::new("a", "m", Api::Messages);
        let own = "moonrelay:a:anthropic-messages:::own==";
        let other = "moonrelay:b:anthropic-messages:::other==";
        let body = json!([
            { "type": "thinking", "signature": own },
            { "type": "redacted_thinking", "data": other },
            { "type": "text", "text": own },
            { "encrypted_content": "moonrelay:a:anthropic-messages:short" },
        ]);
        let (opened, has_others) = origin.open_body(&body.to_string().into());
        assert!(has_others);
        assert_eq!(
            serde_json::from_slice::<Value>(&opened).unwrap(),
            json!([
                { "type": "thinking", "signature": "own==" },
                { "type": "redacted_thinking", "data": "" },
                { "type": "text", "text": own },
                { "encrypted_content": "" },
            ])
        );
        let bare = json!({ "signature": "bare", "text": own }).to_string();
        assert!(!SealOrigin::is_in(bare.as_bytes()) && SealOrigin::is_in(body.to_string().as_bytes()));
    }
}
