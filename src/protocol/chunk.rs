//! Chat Completions responses, whole (`chat.completion`) or in chunks (`chat.completion.chunk`), as spans.
//!
//! Nothing is parsed into a tree. Some back ends split a surrogate pair over two deltas, which `serde_json`
//! rejects; here lone surrogates pass unchanged.

use std::borrow::Cow;

use super::api::Api;
use super::json::{self, MalformedJson, ScanMode, Span};
use super::usage::TokenUsage;

/// A whole response or one chunk, and the spans of its parts. The last of duplicate keys counts. `null` counts
/// as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatChunk {
    /// Offset of the opening brace.
    pub open_brace: usize,
    /// `model`.
    pub model: Option<Span>,
    /// `error`.
    pub error: Option<Span>,
    /// `usage`.
    pub usage: Option<Span>,
    /// `choices`, when it is an array.
    pub choices_span: Option<Span>,
    /// Its elements that are objects.
    pub parsed_choices: Vec<ChunkChoice>,
}

/// One element of `choices`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkChoice {
    /// The object, braces included.
    pub span: Span,
    /// `index`.
    pub index: Option<Span>,
    /// `delta`, or `message` of a whole response, when it is an object.
    pub delta: Option<Span>,
    /// `finish_reason`; an empty string counts as absent.
    pub finish_reason: Option<Span>,
    /// `usage`, where Moonshot puts it in the last chunk.
    pub usage: Option<Span>,
    /// `error`, where older OpenRouter responses put it.
    pub error: Option<Span>,
    /// `delta.role`.
    pub role: Option<Span>,
    /// `delta.content`: a string, or an array of parts.
    pub content: Option<Span>,
    /// The content is not empty.
    pub has_content: bool,
    /// `delta.tool_calls`, when it is an array with elements.
    pub tool_calls: Option<Span>,
    /// There is a non-empty `reasoning_content`, `reasoning` or `reasoning_details`.
    pub has_reasoning: bool,
    /// `delta.reasoning_content` or `delta.reasoning`; providers that send both repeat themselves.
    pub reasoning: Option<Span>,
    /// `delta.reasoning_details`.
    pub reasoning_details: Option<Span>,
    /// There is a non-empty `refusal`, or a `function_call` or `audio` object.
    pub has_other_output: bool,
}

impl ChunkChoice {
    /// Whether a person would notice it: content, reasoning, a tool call, a refusal. A finish is not looked at.
    #[must_use]
    pub const fn has_output(&self) -> bool {
        self.has_reasoning || self.has_other_output || self.tool_calls.is_some() || self.has_content
    }
}

impl ChatChunk {
    /// Indexes a response or a chunk.
    ///
    /// # Errors
    /// When the scan finds invalid JSON, or the text is not one object.
    pub fn parse(text: &[u8]) -> Result<Self, MalformedJson> {
        Self::parse_with(text, ScanMode::Lenient)
    }

    /// The same of a text that is to be JSON all through.
    ///
    /// # Errors
    /// Also when it is not.
    pub fn parse_strict(text: &[u8]) -> Result<Self, MalformedJson> {
        Self::parse_with(text, ScanMode::Strict)
    }

    fn parse_with(text: &[u8], scan: ScanMode) -> Result<Self, MalformedJson> {
        let mut chunk = Self { open_brace: json::skip_whitespace(text, 0), ..Self::default() };
        let end = scan.walk_object(text, chunk.open_brace, |key, value| {
            let key = unescape_key(text, &key);
            if &*key == b"choices" && text.get(value) == Some(&b'[') {
                chunk.parsed_choices.clear();
                // There is one as good as always.
                chunk.parsed_choices.reserve_exact(1);
                let end = json::walk_array(text, value, |at| {
                    if text.get(at) != Some(&b'{') {
                        return scan.skip_value(text, at);
                    }
                    let mut choice = ChunkChoice::default();
                    let end = parse_choice(text, at, &mut choice, scan)?;
                    chunk.parsed_choices.push(choice);
                    Ok(end)
                })?;
                chunk.choices_span = Some(value..end);
                return Ok(end);
            }
            let end = scan.skip_value(text, value)?;
            let slot = match &*key {
                b"model" => &mut chunk.model,
                b"error" => &mut chunk.error,
                b"usage" => &mut chunk.usage,
                _ => return Ok(end),
            };
            *slot = non_null(text, value..end);
            Ok(end)
        })?;
        let end = json::skip_whitespace(text, end);
        if end != text.len() {
            return Err(MalformedJson { offset: end, expected: "nothing after the object" });
        }
        Ok(chunk)
    }

    /// Whether a person would notice any of its choices (a finish is not looked at).
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.parsed_choices.iter().any(ChunkChoice::has_output)
    }

    /// Whether `choices` is present and empty, as in the chunk that contains only usage.
    #[must_use]
    pub const fn has_empty_choices(&self) -> bool {
        self.choices_span.is_some() && self.parsed_choices.is_empty()
    }

    /// The last `finish_reason`.
    #[must_use]
    pub fn finish_reason(&self, text: &[u8]) -> Option<String> {
        self.parsed_choices.iter().rev().find_map(|choice| unescape_span(text, choice.finish_reason.as_ref()))
    }

    /// The token counts: top-level `usage`, else that of a choice; never both.
    #[must_use]
    pub fn usage(&self, text: &[u8]) -> Option<TokenUsage> {
        self.usage
            .iter()
            .chain(self.parsed_choices.iter().filter_map(|choice| choice.usage.as_ref()))
            .find_map(|span| TokenUsage::from_json(Api::ChatCompletions, text.get(span.clone())?))
    }

    /// `model`, unescaped.
    #[must_use]
    pub fn model(&self, text: &[u8]) -> Option<String> {
        unescape_span(text, self.model.as_ref())
    }

    /// The error sent instead of content: `error`, or else that of a choice. An object or a non-empty string
    /// counts; `{}`, `false` and `0` do not.
    #[must_use]
    pub fn error(&self, text: &[u8]) -> Option<Span> {
        self.error
            .iter()
            .chain(self.parsed_choices.iter().filter_map(|choice| choice.error.as_ref()))
            .find(|span| matches!(text.get(span.start), Some(b'{' | b'"')) && span.end - span.start > 2)
            .cloned()
    }
}

/// The span of each tool call's name (`tool_calls[].function.name`, quotes included).
///
/// # Errors
/// When the scan finds invalid JSON.
pub fn find_tool_names(text: &[u8], tool_calls: &Span) -> Result<Vec<Span>, MalformedJson> {
    let mut names = Vec::new();
    json::walk_array(text, tool_calls.start, |call| {
        if text.get(call) != Some(&b'{') {
            return json::skip_value(text, call);
        }
        let mut name = None;
        let end = json::walk_object(text, call, |key, value| {
            if !key_equals(text, &key, b"function") || text.get(value) != Some(&b'{') {
                return json::skip_value(text, value);
            }
            json::walk_object(text, value, |key, value| {
                let end = json::skip_value(text, value)?;
                if key_equals(text, &key, b"name") {
                    name = Some(value..end);
                }
                Ok(end)
            })
        })?;
        names.extend(name);
        Ok(end)
    })?;
    Ok(names)
}

fn parse_choice(
    text: &[u8],
    at: usize,
    choice: &mut ChunkChoice,
    scan: ScanMode,
) -> Result<usize, MalformedJson> {
    let end = scan.walk_object(text, at, |key, value| {
        let key = unescape_key(text, &key);
        if matches!(&*key, b"delta" | b"message") && text.get(value) == Some(&b'{') {
            let end = parse_delta(text, value, choice, scan)?;
            choice.delta = Some(value..end);
            return Ok(end);
        }
        let end = scan.skip_value(text, value)?;
        let slot = match &*key {
            b"index" => &mut choice.index,
            b"finish_reason" => &mut choice.finish_reason,
            b"usage" => &mut choice.usage,
            b"error" => &mut choice.error,
            _ => return Ok(end),
        };
        *slot = non_null(text, value..end);
        Ok(end)
    })?;
    choice.finish_reason = choice.finish_reason.take().filter(|span| text.get(span.clone()) != Some(b"\"\""));
    choice.span = at..end;
    Ok(end)
}

fn parse_delta(
    text: &[u8],
    at: usize,
    choice: &mut ChunkChoice,
    scan: ScanMode,
) -> Result<usize, MalformedJson> {
    scan.walk_object(text, at, |key, value| {
        let end = scan.skip_value(text, value)?;
        let present = non_null(text, value..end);
        let holds_something = present.as_ref().is_some_and(|span| !is_empty(text, span));
        match &*unescape_key(text, &key) {
            b"role" => choice.role = present,
            b"content" => {
                choice.content = present;
                choice.has_content = holds_something;
            }
            b"tool_calls" => {
                choice.tool_calls = present.filter(|_| holds_something && text.get(value) == Some(&b'['));
            }
            b"reasoning_content" | b"reasoning" => {
                choice.has_reasoning |= holds_something;
                choice.reasoning = present.or_else(|| choice.reasoning.take());
            }
            b"reasoning_details" => {
                choice.has_reasoning |= holds_something;
                choice.reasoning_details = present;
            }
            b"refusal" | b"function_call" | b"audio" => choice.has_other_output |= holds_something,
            _ => {}
        }
        Ok(end)
    })
}

fn non_null(text: &[u8], span: Span) -> Option<Span> {
    (text.get(span.clone()) != Some(b"null")).then_some(span)
}

/// Whether a value is `""`, `[]` or `{}`, white space inside the brackets included.
fn is_empty(text: &[u8], span: &Span) -> bool {
    match text.get(span.start) {
        Some(b'"') => span.end - span.start == 2,
        Some(b'[' | b'{') => json::skip_whitespace(text, span.start + 1) + 1 == span.end,
        _ => false,
    }
}

/// A key without quotes, unescaped if it contains an escape.
fn unescape_key<'t>(text: &'t [u8], key: &Span) -> Cow<'t, [u8]> {
    let literal = text.get(key.clone()).unwrap_or_default();
    let inner = text.get(key.start + 1..key.end.saturating_sub(1)).unwrap_or_default();
    if !json::has_escape(inner) {
        return Cow::Borrowed(inner);
    }
    json::unescape(literal).map_or(Cow::Borrowed(inner), |key| Cow::Owned(key.into_owned().into_bytes()))
}

fn key_equals(text: &[u8], key: &Span, name: &[u8]) -> bool {
    &*unescape_key(text, key) == name
}

fn unescape_span(text: &[u8], span: Option<&Span>) -> Option<String> {
    json::unescape(text.get(span?.clone())?).map(Cow::into_owned)
}

#[cfg(test)]
mod tests;
