//! What the decoders have in common: pieces of text, calls by number, one start and one finish.

use std::borrow::Cow;

use crate::protocol::face::Face;
use crate::protocol::json;
use crate::protocol::translate::event::{Event, Finish};
use crate::protocol::usage::Usage;

/// The length of `\ud83d`.
const ESCAPE: usize = 6;

/// Where a piece belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Reasoning,
    Text,
    Refusal,
    /// The arguments of the call with this number.
    Arguments(usize),
}

impl Channel {
    const fn event(self, piece: String) -> Event {
        match self {
            Self::Reasoning => Event::Reasoning(piece),
            Self::Text => Event::Text(piece),
            Self::Refusal => Event::Refusal(piece),
            Self::Arguments(call) => Event::CallArguments { call, piece },
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    started: bool,
    finished: bool,
    /// The answer's id.
    id: String,
    /// Of each call, whether it has arguments.
    calls: Vec<bool>,
    finish: Option<Finish>,
    usage: Usage,
    /// The first half of a character whose other half may come with the channel's next piece, as its escape.
    halves: Vec<(Channel, [u8; ESCAPE])>,
}

impl Pieces {
    /// The answer begins, unless it has.
    pub(super) fn start(
        &mut self,
        id: Option<Cow<'_, str>>,
        model: Option<Cow<'_, str>>,
        out: &mut Vec<Event>,
    ) {
        if !std::mem::replace(&mut self.started, true) {
            let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned).unwrap_or_default();
            self.id = text(id);
            out.push(Event::Start { id: self.id.clone(), model: text(model) });
        }
    }

    /// A piece, as a string literal; what is no string says nothing.
    pub(super) fn say(&mut self, channel: Channel, literal: &[u8], out: &mut Vec<Event>) {
        let Some(inner) = literal.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
            return;
        };
        if inner.is_empty() {
            return;
        }
        let half = self.take_half(channel);
        let open = json::ends_with_high_surrogate(inner);
        if half.is_none() && !open {
            if let Some(text) = json::unescape(literal) {
                self.put(channel, text.into_owned(), out);
            }
            return;
        }
        let whole = inner.len() - if open { ESCAPE } else { 0 };
        let (now, later) = inner.split_at_checked(whole).unwrap_or_default();
        if let Some((escape, _)) = later.split_first_chunk() {
            self.halves.push((channel, *escape));
        }
        let half = half.as_ref().map_or(&b""[..], |half| half.as_slice());
        let joined = [&b"\""[..], half, now, b"\""].concat();
        if let Some(text) = json::unescape(&joined).filter(|text| !text.is_empty()) {
            self.put(channel, text.into_owned(), out);
        }
    }

    /// A piece as plain text.
    pub(super) fn put(&mut self, channel: Channel, text: String, out: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        self.start(None, None, out);
        if let Channel::Arguments(call) = channel {
            if let Some(has) = self.calls.get_mut(call) {
                *has = true;
            }
        } else {
            self.turn_from(Some(channel), out);
        }
        out.push(channel.event(text));
    }

    /// Something opaque: a seal or veiled reasoning.
    pub(super) fn opaque(&mut self, event: Event, out: &mut Vec<Event>) {
        self.start(None, None, out);
        self.turn_from(None, out);
        out.push(event);
    }

    /// A call begins; its number. One without an id gets one, as its result must name it.
    pub(super) fn call(&mut self, id: String, name: String, out: &mut Vec<Event>) -> usize {
        self.start(None, None, out);
        self.turn_from(None, out);
        let call = self.calls.len();
        self.calls.push(false);
        let id = if id.is_empty() { format!("call_{}_{call}", self.id) } else { id };
        out.push(Event::CallStart { call, id, name });
        call
    }

    /// A call has ended: one without arguments has none, which in JSON is `{}`.
    pub(super) fn end_call(&mut self, call: usize, out: &mut Vec<Event>) {
        self.lone(|channel| channel == Channel::Arguments(call), out);
        if self.calls.get(call) == Some(&false) {
            self.put(Channel::Arguments(call), "{}".to_owned(), out);
        }
    }

    /// Whether there was a call.
    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Figures, which replace those before.
    pub(super) fn usage(&mut self, face: Face, text: Option<&[u8]>, out: &mut Vec<Event>) {
        if text.is_some_and(|text| self.usage.update(face, text)) {
            self.start(None, None, out);
            out.push(Event::Usage(self.usage));
        }
    }

    /// Why the answer is finished; told at the end.
    pub(super) fn finish(&mut self, finish: Finish) {
        self.finish = Some(finish);
    }

    /// The end, once.
    pub(super) fn end(&mut self, out: &mut Vec<Event>) {
        if !self.started || std::mem::replace(&mut self.finished, true) {
            return;
        }
        for call in 0..self.calls.len() {
            self.end_call(call, out);
        }
        self.lone(|_| true, out);
        if let Some(finish) = self.finish.take() {
            out.push(Event::Finish(self.settled(finish)));
        }
    }

    /// Whether the end was told.
    pub(super) const fn has_ended(&self) -> bool {
        self.finished
    }

    /// Some servers say `stop` of an answer that made calls.
    fn settled(&self, finish: Finish) -> Finish {
        if finish == Finish::Stop && self.has_calls() { Finish::Calls } else { finish }
    }

    fn take_half(&mut self, channel: Channel) -> Option<[u8; ESCAPE]> {
        let at = self.halves.iter().position(|(of, _)| *of == channel)?;
        Some(self.halves.swap_remove(at).1)
    }

    /// Something else is said than text of this channel, so no other half comes for the others. Arguments of several
    /// calls may come by turns.
    fn turn_from(&mut self, to: Option<Channel>, out: &mut Vec<Event>) {
        if !self.halves.is_empty() {
            self.lone(|channel| Some(channel) != to && !matches!(channel, Channel::Arguments(_)), out);
        }
    }

    /// Halves that stay alone.
    fn lone(&mut self, which: impl Fn(Channel) -> bool, out: &mut Vec<Event>) {
        for (channel, _) in self.halves.extract_if(.., |(channel, _)| which(*channel)) {
            if let Channel::Arguments(call) = channel
                && let Some(has) = self.calls.get_mut(call)
            {
                *has = true;
            }
            out.push(channel.event(char::REPLACEMENT_CHARACTER.to_string()));
        }
    }
}
