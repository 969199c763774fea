//! Chat Completions responses, whole (`chat.completion`) or in chunks (`chat.completion.chunk`), as spans.
//!
//! Nothing is parsed into a tree. Some back ends split a surrogate pair over two deltas, which `serde_json`
//! rejects; here lone surrogates pass unchanged.

use std::borrow::Cow;

use crate::protocol::api::Api;
use crate::protocol::json::{self, MalformedJson, Span};
use crate::protocol::object::ObjectView;
use crate::protocol::usage::TokenUsage;

/// A whole response or one chunk, and the spans of its parts. The last of duplicate keys counts. `null` counts
/// as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatChunk {
    /// Offset of the opening brace.
    pub open_brace: usize,
    /// `model`.
    pub model: Option<Span>,
    /// OpenRouter's `provider`.
    pub provider: Option<Span>,
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
    /// There is a non-empty `refusal`, `function_call`, `audio` or `images`, or a member that is not known.
    pub has_other_output: bool,
}

impl ChunkChoice {
    /// Whether a person would notice it: content, reasoning, a tool call, a refusal. A finish is not looked at.
    #[must_use]
    pub const fn has_output(&self) -> bool {
        self.has_reasoning || self.has_other_output || self.tool_calls.is_some() || self.has_content
    }

    /// Whether it has reasoning and nothing else.
    #[must_use]
    pub const fn has_only_reasoning(&self) -> bool {
        self.has_reasoning && !self.has_other_output && self.tool_calls.is_none() && !self.has_content
    }

    /// The members of `delta` (or `message`).
    pub(crate) fn delta_object<'t>(&self, text: &'t [u8]) -> Option<ObjectView<'t>> {
        ObjectView::parse(text.get(self.delta.clone()?)?)
    }

    /// Reads the choice at an offset; returns also the offset after it.
    fn parse(text: &[u8], at: usize) -> Result<(Self, usize), MalformedJson> {
        let mut choice = Self::default();
        let end = json::walk_keys(text, at, |key, at| {
            let is_object = text.get(at) == Some(&b'{');
            if is_object && (key == b"delta" || key == b"message" && choice.delta.is_none()) {
                return choice.read_delta(text, at);
            }
            let (value, end) = json::read_value(text, at)?;
            match key {
                b"index" => choice.index = value,
                b"finish_reason" => {
                    choice.finish_reason = value.filter(|value| text.get(value.clone()) != Some(b"\"\""));
                }
                b"usage" => choice.usage = value,
                b"error" => choice.error = value,
                _ => {}
            }
            Ok(end)
        })?;
        choice.span = at..end;
        Ok((choice, end))
    }

    /// Reads the object at an offset; returns the offset after it.
    fn read_delta(&mut self, text: &[u8], at: usize) -> Result<usize, MalformedJson> {
        let is_filled = |value: &Span| text.get(value.clone()).is_some_and(|value| !is_empty(value));
        let (mut reasoning_content, mut reasoning) = (None, None);
        let mut has_other_output = false;
        let mut delta = Self::default();
        let end = json::walk_keys(text, at, |key, at| {
            let (value, end) = json::read_value(text, at)?;
            match key {
                b"role" => delta.role = value,
                b"content" => delta.content = value,
                b"tool_calls" => {
                    let is_array = |value: &Span| text.get(value.start) == Some(&b'[');
                    delta.tool_calls = value.filter(|value| is_array(value) && is_filled(value));
                }
                b"reasoning_content" => reasoning_content = value.filter(is_filled),
                b"reasoning" => reasoning = value.filter(is_filled),
                b"reasoning_details" => delta.reasoning_details = value,
                _ => {
                    let is_text_or_list =
                        |value: &Span| matches!(text.get(value.start), Some(b'"' | b'[' | b'{'));
                    has_other_output |=
                        value.is_some_and(|value| is_text_or_list(&value) && is_filled(&value));
                }
            }
            Ok(end)
        })?;
        let has_details = delta.reasoning_details.as_ref().is_some_and(is_filled);
        *self = Self {
            index: self.index.take(),
            finish_reason: self.finish_reason.take(),
            usage: self.usage.take(),
            error: self.error.take(),
            delta: Some(at..end),
            has_content: delta.content.as_ref().is_some_and(is_filled),
            has_reasoning: reasoning_content.is_some() || reasoning.is_some() || has_details,
            reasoning: reasoning_content.or(reasoning),
            has_other_output,
            ..delta
        };
        Ok(end)
    }
}

impl ChatChunk {
    /// Indexes a response or a chunk.
    ///
    /// # Errors
    /// When the scan finds invalid JSON, or the text is not one object.
    pub fn parse(text: &[u8]) -> Result<Self, MalformedJson> {
        let mut chunk = Self { open_brace: json::skip_whitespace(text, 0), ..Self::default() };
        let end = json::walk_keys(text, chunk.open_brace, |key, at| {
            if key == b"choices" {
                return chunk.read_choices(text, at);
            }
            let (value, end) = json::read_value(text, at)?;
            match key {
                b"model" => chunk.model = value,
                b"provider" => chunk.provider = value,
                b"error" => chunk.error = value,
                b"usage" => chunk.usage = value,
                _ => {}
            }
            Ok(end)
        })?;
        match json::skip_whitespace(text, end) {
            end if end == text.len() => Ok(chunk),
            end => Err(MalformedJson { offset: end, expected: "nothing after the object" }),
        }
    }

    fn read_choices(&mut self, text: &[u8], at: usize) -> Result<usize, MalformedJson> {
        (self.choices_span, self.parsed_choices) = (None, Vec::new());
        if text.get(at) != Some(&b'[') {
            return json::skip_value(text, at);
        }
        let end = json::walk_array(text, at, |at| {
            if text.get(at) != Some(&b'{') {
                return json::skip_value(text, at);
            }
            let (choice, end) = ChunkChoice::parse(text, at)?;
            self.parsed_choices.push(choice);
            Ok(end)
        })?;
        self.choices_span = Some(at..end);
        Ok(end)
    }

    /// Like [`Self::parse`], for a text that must be valid JSON throughout.
    ///
    /// # Errors
    /// Also when it is not valid.
    pub fn parse_strict(text: &[u8]) -> Result<Self, MalformedJson> {
        json::require_valid(text)?;
        Self::parse(text)
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
        self.usage_spans()
            .find_map(|span| TokenUsage::from_json(Api::ChatCompletions, text.get(span.clone())?))
    }

    /// `usage` at the top level, then those of choices.
    pub(crate) fn usage_spans(&self) -> impl Iterator<Item = &Span> {
        self.usage.iter().chain(self.parsed_choices.iter().filter_map(|choice| choice.usage.as_ref()))
    }

    /// `model`, unescaped.
    #[must_use]
    pub fn model(&self, text: &[u8]) -> Option<String> {
        unescape_span(text, self.model.as_ref())
    }

    /// `provider`, unescaped.
    #[must_use]
    pub fn provider(&self, text: &[u8]) -> Option<String> {
        unescape_span(text, self.provider.as_ref())
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
#[must_use]
pub fn find_tool_names(text: &[u8], tool_calls: &Span) -> Vec<Span> {
    let calls = ObjectView::parse_array_at(text, tool_calls.start);
    calls.iter().filter_map(|call| call.object("function")?.span("name")).collect()
}

fn unescape_span(text: &[u8], span: Option<&Span>) -> Option<String> {
    json::unescape(text.get(span?.clone())?).map(Cow::into_owned)
}

/// Whether a value is `""`, `[]` or `{}`, white space inside the brackets included.
fn is_empty(value: &[u8]) -> bool {
    match value {
        b"\"\"" => true,
        [b'[' | b'{', inner @ .., _] => inner.trim_ascii().is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
