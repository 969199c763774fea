//! Events of one stream that differ from one before in a piece of text, or of reasoning, and in nothing else.

use super::chunk::Chunk;
use super::json::Span;
use super::object::Object;
use super::pattern::Pattern;
use super::sse::Frame;

/// Where each event looks different, a copy of each is not worth it.
const TRIES: u8 = 16;

/// What such events look like, as far as it is known: whatever else the one held that was learned from is the same in
/// each that has its pattern.
#[derive(Debug, Default)]
pub struct Alike {
    pattern: Option<Pattern>,
    reasons: bool,
    /// Patterns in a row that were of no use.
    tries: u8,
}

impl Alike {
    /// What they look like.
    #[must_use]
    pub const fn pattern(&self) -> Option<&Pattern> {
        self.pattern.as_ref()
    }

    /// Whether their text is reasoning.
    #[must_use]
    pub const fn reasons(&self) -> bool {
        self.reasons
    }

    /// An event looked so.
    pub const fn has_hit(&mut self) {
        self.tries = 0;
    }

    /// Whether there may be something to learn from an event.
    #[must_use]
    pub fn may_learn(&self, frame: &Frame) -> bool {
        self.tries < TRIES && !self.pattern.as_ref().is_some_and(|pattern| pattern.is_of(&frame.raw))
    }

    /// Looks at an event, where it brings one piece of text and nothing else.
    pub fn learn(&mut self, frame: &Frame, lone: Option<&Lone>) {
        let Some(lone) = lone.filter(|_| self.may_learn(frame)) else { return };
        let Some(data) = frame.data_place() else { return };
        let place = data.start + lone.text.start..data.start + lone.text.end;
        if let Some(pattern) = Pattern::of(&frame.raw, &place) {
            self.pattern = Some(pattern);
            self.reasons = lone.reasons;
            self.tries += 1;
        }
    }
}

/// The one piece of text that an event brings, where it brings nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lone {
    /// The place of the string in the payload, quotes included.
    text: Span,
    /// It is reasoning.
    reasons: bool,
}

impl Lone {
    /// Of a chat chunk.
    #[must_use]
    pub fn of_chunk(payload: &[u8], chunk: &Chunk) -> Option<Self> {
        let [choice] = chunk.choice.as_slice() else { return None };
        let brings_more = chunk.usage.is_some()
            || chunk.error.is_some()
            || choice.usage.is_some()
            || choice.error.is_some()
            || choice.finish.is_some()
            || choice.tool_calls.is_some()
            || choice.reasoning_details.is_some()
            || choice.speaks
            || choice.index.as_ref().is_some_and(|index| payload.get(index.clone()) != Some(b"0"));
        let text = match (&choice.content, &choice.reasoning) {
            (Some(content), None) if choice.says_something => content,
            (_, Some(reasoning)) if choice.reasons && !choice.says_something => reasoning,
            _ => return None,
        };
        (!brings_more).then(|| Self { text: text.clone(), reasons: choice.reasoning.is_some() })
    }

    /// Of an event of the Messages face.
    #[must_use]
    pub fn of_event(event: &Object<'_>) -> Option<Self> {
        if event.word("type") != "content_block_delta" {
            return None;
        }
        Self::of_delta(&event.object("delta")?)
    }

    /// Of the `delta` of a `content_block_delta`.
    #[must_use]
    pub fn of_delta(delta: &Object<'_>) -> Option<Self> {
        let (key, reasons) = match &*delta.word("type") {
            "text_delta" => ("text", false),
            "thinking_delta" => ("thinking", true),
            _ => return None,
        };
        let text = delta.span(key).filter(|_| delta.says(key))?;
        Some(Self { text, reasons })
    }
}
