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

    /// Looks at a chat chunk, where it brings one piece of text and nothing else.
    pub fn learn_chunk(&mut self, frame: &Frame, payload: &[u8], chunk: &Chunk) {
        let [choice] = chunk.choice.as_slice() else { return };
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
            _ => return,
        };
        if !brings_more {
            self.learn(frame, text, choice.reasoning.is_some());
        }
    }

    /// Looks at an event of the Messages face, where it is a piece of text or of thinking.
    pub fn learn_delta(&mut self, frame: &Frame, event: &Object<'_>) {
        if event.word("type") != "content_block_delta" {
            return;
        }
        let Some(delta) = event.object("delta") else { return };
        let (key, reasons) = match &*delta.word("type") {
            "text_delta" => ("text", false),
            "thinking_delta" => ("thinking", true),
            _ => return,
        };
        if let Some(text) = delta.span(key).filter(|_| delta.says(key)) {
            self.learn(frame, &text, reasons);
        }
    }

    /// `text` is the place of a string in the payload.
    fn learn(&mut self, frame: &Frame, text: &Span, reasons: bool) {
        let Some(data) = frame.data_place().filter(|_| self.may_learn(frame)) else { return };
        let place = data.start + text.start..data.start + text.end;
        if let Some(pattern) = Pattern::of(&frame.raw, &place) {
            self.pattern = Some(pattern);
            self.reasons = reasons;
            self.tries += 1;
        }
    }
}
