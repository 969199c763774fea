//! Events put in the order that messages and responses ask for: one block after the other, each closed before the next
//! opens. Pieces of parallel calls may come by turns; those of a later call wait until the earlier is complete, and so
//! does all that follows. Nothing else waits.

use super::arguments::Progress;
use crate::protocol::translate::event::Event;

/// What is written for blocks.
pub(super) trait Blocks {
    fn open(&mut self, block: &Block<'_>, out: &mut Vec<u8>);
    fn piece(&mut self, text: &str, out: &mut Vec<u8>);
    /// Closes the open block; reasoning may bear a seal.
    fn close(&mut self, seal: Option<&str>, out: &mut Vec<u8>);
    /// A block of reasoning that only the provider can read.
    fn veiled(&mut self, data: &str, out: &mut Vec<u8>);
}

/// A block that opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block<'e> {
    Reasoning,
    Text,
    Refusal,
    Call { id: &'e str, name: &'e str },
}

/// The block that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    Reasoning,
    Text,
    Refusal,
    /// The call with this number in the whole answer.
    Call(usize, Progress),
    /// One that nobody adds to.
    Other,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    open: Option<Open>,
    held: Vec<Event>,
    /// What these take, in bytes.
    held_bytes: usize,
    /// Calls so far, held ones included.
    calls: usize,
    /// The number in the whole answer of the first call of the part that is written now: after a break another
    /// provider counts from 0 again.
    base: usize,
}

impl Sequence {
    /// Takes what follows.
    pub(super) fn take(&mut self, event: &Event, blocks: &mut impl Blocks, out: &mut Vec<u8>) {
        match event {
            Event::Start { .. } => {
                if matches!(self.open, Some(Open::Call(..))) || !self.held.is_empty() {
                    self.close_all(blocks, out);
                }
                self.base = self.calls;
                return;
            }
            Event::CallStart { call, .. } => {
                self.calls = self.calls.max(self.number(*call).saturating_add(1))
            }
            _ => {}
        }
        if self.passes(event) {
            self.apply(event, blocks, out);
            self.release(blocks, out);
        } else {
            self.hold(event.clone());
        }
    }

    /// Closes what is open, and writes what waits.
    pub(super) fn close_all(&mut self, blocks: &mut impl Blocks, out: &mut Vec<u8>) {
        loop {
            self.close(None, blocks, out);
            if self.held.is_empty() {
                return;
            }
            self.release(blocks, out);
        }
    }

    /// Bytes that wait.
    pub(super) const fn kept(&self) -> usize {
        self.held_bytes
    }

    fn hold(&mut self, event: Event) {
        self.held_bytes += size(&event);
        self.held.push(event);
    }

    /// Learns of a block that somebody else opened or closed.
    pub(super) fn follow(&mut self, open: Option<Open>) {
        if let Some(Open::Call(number, _)) = open {
            self.calls = self.calls.max(number.saturating_add(1));
        }
        self.open = open;
    }

    /// Calls so far.
    pub(super) const fn calls(&self) -> usize {
        self.calls
    }

    /// Learns of a piece of the open call's arguments that somebody else wrote.
    pub(super) fn follow_piece(&mut self, piece: &str) {
        if let Some(Open::Call(_, progress)) = &mut self.open {
            progress.push(piece);
        }
    }

    /// A call's number in the whole answer.
    const fn number(&self, call: usize) -> usize {
        self.base.saturating_add(call)
    }

    fn passes(&self, event: &Event) -> bool {
        let Some(Open::Call(open, progress)) = self.open else { return self.held.is_empty() };
        match event {
            Event::CallArguments { call, .. } if self.number(*call) == open => true,
            _ => self.held.is_empty() && progress.is_complete(),
        }
    }

    /// Writes of what waits all that may pass, in order.
    fn release(&mut self, blocks: &mut impl Blocks, out: &mut Vec<u8>) {
        while !self.held.is_empty() && !self.waits() {
            let waiting = std::mem::take(&mut self.held);
            self.held_bytes = 0;
            for event in waiting {
                if self.passes(&event) {
                    self.apply(&event, blocks, out);
                } else {
                    self.hold(event);
                }
            }
        }
    }

    fn waits(&self) -> bool {
        matches!(self.open, Some(Open::Call(_, progress)) if !progress.is_complete())
    }

    fn apply(&mut self, event: &Event, blocks: &mut impl Blocks, out: &mut Vec<u8>) {
        match event {
            Event::Reasoning(text) => self.say(Open::Reasoning, &Block::Reasoning, text, blocks, out),
            Event::Text(text) => self.say(Open::Text, &Block::Text, text, blocks, out),
            Event::Refusal(text) => self.say(Open::Refusal, &Block::Refusal, text, blocks, out),
            Event::Seal(seal) => {
                if self.open != Some(Open::Reasoning) {
                    self.begin(Open::Reasoning, &Block::Reasoning, blocks, out);
                }
                self.close(Some(seal), blocks, out);
            }
            Event::Veiled(data) => {
                self.close(None, blocks, out);
                blocks.veiled(data, out);
            }
            Event::CallStart { call, id, name } => {
                let open = Open::Call(self.number(*call), Progress::default());
                self.begin(open, &Block::Call { id, name }, blocks, out);
            }
            Event::CallArguments { call, piece } => {
                let number = self.number(*call);
                if let Some(Open::Call(open, progress)) = &mut self.open
                    && *open == number
                    && !piece.is_empty()
                {
                    progress.push(piece);
                    blocks.piece(piece, out);
                }
            }
            Event::Start { .. } | Event::Usage(_) | Event::Finish(_) => {}
        }
    }

    fn say(
        &mut self,
        open: Open,
        block: &Block<'_>,
        text: &str,
        blocks: &mut impl Blocks,
        out: &mut Vec<u8>,
    ) {
        if text.is_empty() {
            return;
        }
        if self.open != Some(open) {
            self.begin(open, block, blocks, out);
        }
        blocks.piece(text, out);
    }

    fn begin(&mut self, open: Open, block: &Block<'_>, blocks: &mut impl Blocks, out: &mut Vec<u8>) {
        self.close(None, blocks, out);
        self.open = Some(open);
        blocks.open(block, out);
    }

    fn close(&mut self, seal: Option<&str>, blocks: &mut impl Blocks, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            blocks.close(seal, out);
        }
    }
}

/// What an event takes while it waits, in bytes.
fn size(event: &Event) -> usize {
    let text = match event {
        Event::Reasoning(text)
        | Event::Seal(text)
        | Event::Veiled(text)
        | Event::Text(text)
        | Event::Refusal(text)
        | Event::CallArguments { piece: text, .. } => text.len(),
        Event::CallStart { id, name, .. } => id.len() + name.len(),
        Event::Start { .. } | Event::Usage(_) | Event::Finish(_) => 0,
    };
    size_of::<Event>() + text
}
