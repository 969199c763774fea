//! Events of one stream that differ from an earlier one only in a piece of text or of reasoning.

use super::chunk::ChatChunk;
use super::event_template::EventTemplate;
use super::json::Span;
use super::object::ObjectView;
use super::sse::Frame;

/// Where each event looks different, a copy of each is not worth it.
const MAX_UNUSED_TEMPLATES: u8 = 16;

/// The learned template. All events that match it have the same content as the original, except for the text.
#[derive(Debug, Default)]
pub struct TemplateLearner {
    template: Option<EventTemplate>,
    is_reasoning: bool,
    /// Patterns in a row that were of no use.
    unused_templates: u8,
}

impl TemplateLearner {
    /// The template.
    #[must_use]
    pub const fn template(&self) -> Option<&EventTemplate> {
        self.template.as_ref()
    }

    /// Whether their text is reasoning.
    #[must_use]
    pub const fn is_reasoning(&self) -> bool {
        self.is_reasoning
    }

    /// An event looked so.
    pub const fn record_hit(&mut self) {
        self.unused_templates = 0;
    }

    /// Whether an event may be worth learning from.
    #[must_use]
    pub fn can_learn(&self, frame: &Frame) -> bool {
        self.unused_templates < MAX_UNUSED_TEMPLATES
            && !self.template.as_ref().is_some_and(|pattern| pattern.matches(&frame.raw))
    }

    /// Learns from an event that contains one piece of text and nothing else.
    pub fn learn(&mut self, frame: &Frame, lone: Option<&SingleDelta>) {
        let Some(lone) = lone.filter(|_| self.can_learn(frame)) else { return };
        let Some(data) = frame.data_span() else { return };
        let place = data.start + lone.text.start..data.start + lone.text.end;
        if let Some(pattern) = EventTemplate::from_event(&frame.raw, &place) {
            self.template = Some(pattern);
            self.is_reasoning = lone.is_reasoning;
            self.unused_templates += 1;
        }
    }
}

/// The one piece of text of an event that contains nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleDelta {
    /// The span of the string in the payload, quotes included.
    text: Span,
    /// It is reasoning.
    is_reasoning: bool,
}

impl SingleDelta {
    /// Of a chat chunk.
    #[must_use]
    pub fn from_chat_chunk(payload: &[u8], chunk: &ChatChunk) -> Option<Self> {
        let [choice] = chunk.parsed_choices.as_slice() else { return None };
        let brings_more = chunk.usage.is_some()
            || chunk.error.is_some()
            || choice.usage.is_some()
            || choice.error.is_some()
            || choice.finish_reason.is_some()
            || choice.tool_calls.is_some()
            || choice.reasoning_details.is_some()
            || choice.has_other_output
            || choice.index.as_ref().is_some_and(|index| payload.get(index.clone()) != Some(b"0"));
        let text = match (&choice.content, &choice.reasoning) {
            (Some(content), None) if choice.has_content => content,
            (_, Some(reasoning)) if choice.has_reasoning && !choice.has_content => reasoning,
            _ => return None,
        };
        (!brings_more).then(|| Self { text: text.clone(), is_reasoning: choice.reasoning.is_some() })
    }

    /// For an event of the Messages API.
    #[must_use]
    pub fn from_messages_event(event: &ObjectView<'_>) -> Option<Self> {
        if event.string_or_empty("type") != "content_block_delta" {
            return None;
        }
        Self::from_messages_delta(&event.object("delta")?)
    }

    /// Of the `delta` of a `content_block_delta`.
    #[must_use]
    pub fn from_messages_delta(delta: &ObjectView<'_>) -> Option<Self> {
        let (key, reasons) = match &*delta.string_or_empty("type") {
            "text_delta" => ("text", false),
            "thinking_delta" => ("thinking", true),
            _ => return None,
        };
        let text = delta.span(key).filter(|_| delta.has_text(key))?;
        Some(Self { text, is_reasoning: reasons })
    }
}
