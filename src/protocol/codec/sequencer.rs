//! Orders events as Messages and Responses require: one block after the other, each closed before the next
//! opens. Pieces of parallel calls may be interleaved: those of a later call wait until the earlier one is
//! complete, as do all later events. Nothing else waits.

use crate::protocol::model::answer::ResponseEvent;

pub(crate) trait BlockWriter {
    fn open(&mut self, block: &NewBlock<'_>, out: &mut Vec<u8>);
    fn write_delta(&mut self, text: &str, out: &mut Vec<u8>);
    /// Closes the open block; reasoning may have a signature.
    fn close(&mut self, signature: Option<&str>, out: &mut Vec<u8>);
    /// A block of reasoning that only the provider can read.
    fn write_redacted(&mut self, data: &str, out: &mut Vec<u8>);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewBlock<'e> {
    Reasoning,
    Text,
    Refusal,
    Call { id: &'e str, name: &'e str },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenBlock {
    Reasoning,
    Text,
    Refusal,
    /// The call with this number in the whole response.
    Call(usize, JsonProgress),
    /// A block that no event extends.
    Other,
}

/// The events of one response that wait for a block to close.
#[derive(Debug, Default)]
pub(crate) struct BlockSequencer {
    open_block: Option<OpenBlock>,
    queue: Vec<ResponseEvent>,
    /// Their size in bytes.
    queued_bytes: usize,
    /// The number of calls so far, pending ones included.
    call_count: usize,
    /// The number in the whole response of the first call of the current part: after an interruption another
    /// provider counts from 0 again.
    first_call: usize,
}

impl BlockSequencer {
    pub(crate) fn push(&mut self, event: &ResponseEvent, blocks: &mut impl BlockWriter, out: &mut Vec<u8>) {
        match event {
            ResponseEvent::Start { .. } => {
                if matches!(self.open_block, Some(OpenBlock::Call(..))) || !self.queue.is_empty() {
                    self.close_all(blocks, out);
                }
                self.first_call = self.call_count;
                return;
            }
            ResponseEvent::ToolCallStart { call, .. } => {
                self.call_count = self.call_count.max(self.call_number(*call).saturating_add(1))
            }
            _ => {}
        }
        if self.can_write(event) {
            self.write_event(event, blocks, out);
            self.flush_ready(blocks, out);
        } else {
            self.enqueue(event.clone());
        }
    }

    /// Closes the open block and writes the pending events.
    pub(crate) fn close_all(&mut self, blocks: &mut impl BlockWriter, out: &mut Vec<u8>) {
        loop {
            self.close_block(None, blocks, out);
            if self.queue.is_empty() {
                return;
            }
            self.flush_ready(blocks, out);
        }
    }

    pub(crate) const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    fn enqueue(&mut self, event: ResponseEvent) {
        self.queued_bytes += event_bytes(&event);
        self.queue.push(event);
    }

    /// Records a block that another writer opened or closed.
    pub(crate) fn observe_block(&mut self, open: Option<OpenBlock>) {
        if let Some(OpenBlock::Call(number, _)) = open {
            self.call_count = self.call_count.max(number.saturating_add(1));
        }
        self.open_block = open;
    }

    pub(crate) const fn call_count(&self) -> usize {
        self.call_count
    }

    /// Records a piece of the open call's arguments from another writer.
    pub(crate) fn observe_arguments(&mut self, piece: &str) {
        if let Some(OpenBlock::Call(_, progress)) = &mut self.open_block {
            progress.push(piece);
        }
    }

    /// A call's number in the whole response.
    const fn call_number(&self, call: usize) -> usize {
        self.first_call.saturating_add(call)
    }

    fn can_write(&self, event: &ResponseEvent) -> bool {
        let Some(OpenBlock::Call(open, progress)) = self.open_block else { return self.queue.is_empty() };
        match event {
            ResponseEvent::ToolCallArguments { call, .. } if self.call_number(*call) == open => true,
            _ => self.queue.is_empty() && progress.is_complete(),
        }
    }

    /// Writes the pending events that are now allowed, in order.
    fn flush_ready(&mut self, blocks: &mut impl BlockWriter, out: &mut Vec<u8>) {
        while !self.queue.is_empty() && !self.is_blocked() {
            let waiting = std::mem::take(&mut self.queue);
            self.queued_bytes = 0;
            for event in waiting {
                if self.can_write(&event) {
                    self.write_event(&event, blocks, out);
                } else {
                    self.enqueue(event);
                }
            }
        }
    }

    fn is_blocked(&self) -> bool {
        matches!(self.open_block, Some(OpenBlock::Call(_, progress)) if !progress.is_complete())
    }

    fn write_event(&mut self, event: &ResponseEvent, blocks: &mut impl BlockWriter, out: &mut Vec<u8>) {
        match event {
            ResponseEvent::Reasoning(text) => {
                self.write_text(OpenBlock::Reasoning, &NewBlock::Reasoning, text, blocks, out)
            }
            ResponseEvent::Text(text) => self.write_text(OpenBlock::Text, &NewBlock::Text, text, blocks, out),
            ResponseEvent::Refusal(text) => {
                self.write_text(OpenBlock::Refusal, &NewBlock::Refusal, text, blocks, out)
            }
            ResponseEvent::ReasoningSignature(signature) => {
                if self.open_block != Some(OpenBlock::Reasoning) {
                    self.begin_block(OpenBlock::Reasoning, &NewBlock::Reasoning, blocks, out);
                }
                self.close_block(Some(signature), blocks, out);
            }
            ResponseEvent::RedactedReasoning(data) => {
                self.close_block(None, blocks, out);
                blocks.write_redacted(data, out);
            }
            ResponseEvent::ToolCallStart { call, id, name } => {
                let open = OpenBlock::Call(self.call_number(*call), JsonProgress::default());
                self.begin_block(open, &NewBlock::Call { id, name }, blocks, out);
            }
            ResponseEvent::ToolCallArguments { call, delta: piece } => {
                let number = self.call_number(*call);
                if let Some(OpenBlock::Call(open, progress)) = &mut self.open_block
                    && *open == number
                    && !piece.is_empty()
                {
                    progress.push(piece);
                    blocks.write_delta(piece, out);
                }
            }
            ResponseEvent::Start { .. } | ResponseEvent::Usage(_) | ResponseEvent::Finish(_) => {}
        }
    }

    fn write_text(
        &mut self,
        open: OpenBlock,
        block: &NewBlock<'_>,
        text: &str,
        blocks: &mut impl BlockWriter,
        out: &mut Vec<u8>,
    ) {
        if text.is_empty() {
            return;
        }
        if self.open_block != Some(open) {
            self.begin_block(open, block, blocks, out);
        }
        blocks.write_delta(text, out);
    }

    fn begin_block(
        &mut self,
        open: OpenBlock,
        block: &NewBlock<'_>,
        blocks: &mut impl BlockWriter,
        out: &mut Vec<u8>,
    ) {
        self.close_block(None, blocks, out);
        self.open_block = Some(open);
        blocks.open(block, out);
    }

    fn close_block(&mut self, signature: Option<&str>, blocks: &mut impl BlockWriter, out: &mut Vec<u8>) {
        if self.open_block.take().is_some() {
            blocks.close(signature, out);
        }
    }
}

/// The size of a pending event, in bytes.
fn event_bytes(event: &ResponseEvent) -> usize {
    let text = match event {
        ResponseEvent::Reasoning(text)
        | ResponseEvent::ReasoningSignature(text)
        | ResponseEvent::RedactedReasoning(text)
        | ResponseEvent::Text(text)
        | ResponseEvent::Refusal(text)
        | ResponseEvent::ToolCallArguments { delta: text, .. } => text.len(),
        ResponseEvent::ToolCallStart { id, name, .. } => id.len() + name.len(),
        ResponseEvent::Start { .. } | ResponseEvent::Usage(_) | ResponseEvent::Finish(_) => 0,
    };
    size_of::<ResponseEvent>() + text
}

/// Tracks where a JSON value ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JsonProgress {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    is_complete: bool,
}

impl JsonProgress {
    pub(crate) fn push(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.is_complete {
                return;
            }
            self.push_byte(byte);
        }
    }

    /// Whether the object (or array, or string) is closed; the end of a bare number or literal is unknown.
    pub(crate) const fn is_complete(self) -> bool {
        self.is_complete
    }

    /// Whether an object or array is open.
    pub(crate) const fn is_open(self) -> bool {
        self.depth > 0
    }

    const fn push_byte(&mut self, byte: u8) {
        if self.in_string {
            let ends = byte == b'"' && !self.is_escaped;
            self.is_escaped = byte == b'\\' && !self.is_escaped;
            self.in_string = !ends;
            self.is_complete = ends && self.depth == 0;
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.is_complete = self.depth == 0;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::JsonProgress;

    #[test]
    fn value_is_complete_at_its_last_bracket() {
        let complete = |text: &str| {
            let mut progress = JsonProgress::default();
            for at in 0..text.len() {
                assert!(!progress.is_complete(), "{text} at {at}");
                progress.push(&text[at..=at]);
            }
            progress.is_complete()
        };
        for text in [r#"{"a":"}\"\\"}"#, "[1,[2],{}]", r#""x\"""#, "{}", " {\"a\":{}}"] {
            assert!(complete(text), "{text}");
        }
        for text in ["", "{", r#"{"a":"}"#, "12", r#""x\""#] {
            assert!(!complete(text), "{text}");
        }
    }
}
