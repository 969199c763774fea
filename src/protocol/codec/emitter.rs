//! Shared parts of the decoders: text pieces, numbered calls, one start and one finish.

use std::borrow::Cow;

use super::sequencer::JsonProgress;
use crate::protocol::api::Api;
use crate::protocol::json;
use crate::protocol::model::answer::{FinishReason, ResponseEvent};
use crate::protocol::model::losses::{self, Losses};
use crate::protocol::object::ObjectView;
use crate::protocol::usage::TokenUsage;

/// The length of `\ud83d`.
const ESCAPE_BYTES: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Reasoning,
    Text,
    Refusal,
    /// The arguments of the call with this number.
    Arguments(usize),
}

impl Channel {
    const fn into_event(self, piece: String) -> ResponseEvent {
        match self {
            Self::Reasoning => ResponseEvent::Reasoning(piece),
            Self::Text => ResponseEvent::Text(piece),
            Self::Refusal => ResponseEvent::Refusal(piece),
            Self::Arguments(call) => ResponseEvent::ToolCallArguments { call, delta: piece },
        }
    }
}

/// The arguments of a call, as far as they have arrived.
#[derive(Debug, Default)]
struct ArgumentsProgress {
    has_text: bool,
    json: JsonProgress,
}

/// Collects the events of one response.
#[derive(Debug, Default)]
pub(crate) struct EventEmitter {
    /// The caller's events while a payload is read.
    pub(crate) events: Vec<ResponseEvent>,
    /// What the events do not carry of the response.
    pub(crate) losses: Losses,
    is_started: bool,
    is_finished: bool,
    id: String,
    /// The arguments of each call so far.
    call_arguments: Vec<ArgumentsProgress>,
    finish_reason: Option<FinishReason>,
    usage: TokenUsage,
    /// The escape of a high surrogate whose low surrogate may arrive with the channel's next piece.
    pending_surrogates: Vec<(Channel, [u8; ESCAPE_BYTES])>,
}

impl EventEmitter {
    /// Emits the start, unless it was emitted.
    pub(crate) fn start(&mut self, id: Option<Cow<'_, str>>, model: Option<Cow<'_, str>>) {
        if !std::mem::replace(&mut self.is_started, true) {
            let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned).unwrap_or_default();
            self.id = text(id);
            self.events.push(ResponseEvent::Start { id: self.id.clone(), model: text(model) });
        }
    }

    /// Emits a piece, as a string literal; other values are ignored.
    pub(crate) fn push_literal(&mut self, channel: Channel, literal: &[u8]) {
        let Some(inner) = literal.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
            return;
        };
        if inner.is_empty() {
            return;
        }
        let half = self.take_pending_surrogate(channel);
        let open = json::ends_with_high_surrogate(inner);
        if half.is_none() && !open {
            if let Some(text) = json::unescape(literal) {
                self.push_text(channel, text.into_owned());
            }
            return;
        }
        let whole = inner.len() - if open { ESCAPE_BYTES } else { 0 };
        let (now, later) = inner.split_at_checked(whole).unwrap_or_default();
        if let Some((escape, _)) = later.split_first_chunk() {
            self.pending_surrogates.push((channel, *escape));
        }
        let half = half.as_ref().map_or(&b""[..], |half| half.as_slice());
        let joined = [&b"\""[..], half, now, b"\""].concat();
        if let Some(text) = json::unescape(&joined).filter(|text| !text.is_empty()) {
            self.push_text(channel, text.into_owned());
        }
    }

    pub(crate) fn push_text(&mut self, channel: Channel, text: String) {
        if text.is_empty() {
            return;
        }
        self.start(None, None);
        if let Channel::Arguments(call) = channel {
            self.push_arguments(call, &text);
        } else {
            self.flush_other_surrogates(Some(channel));
        }
        self.events.push(channel.into_event(text));
    }

    /// A string member of `object`.
    pub(crate) fn push_member(&mut self, channel: Channel, object: &ObjectView<'_>, key: &str) {
        if let Some(literal) = object.literal(key) {
            self.push_literal(channel, literal);
        }
    }

    /// An image, which no event carries.
    pub(crate) fn push_image_note(&mut self) {
        self.losses.record(losses::ANSWER_IMAGES);
        self.push_text(Channel::Text, "[image removed]".to_owned());
    }

    /// A signature or redacted reasoning.
    pub(crate) fn push_opaque(&mut self, event: ResponseEvent) {
        self.start(None, None);
        self.flush_other_surrogates(None);
        self.events.push(event);
    }

    /// Starts a call and returns its number. A call without an id gets one, because its result must refer to
    /// it.
    pub(crate) fn start_call(&mut self, id: String, name: String) -> usize {
        self.start(None, None);
        self.flush_other_surrogates(None);
        let call = self.call_arguments.len();
        self.call_arguments.push(ArgumentsProgress::default());
        let id = if id.is_empty() { format!("call_{}_{call}", self.id) } else { id };
        self.events.push(ResponseEvent::ToolCallStart { call, id, name });
        call
    }

    /// Ends a call: missing arguments become `{}`.
    pub(crate) fn end_call(&mut self, call: usize) {
        self.flush_surrogates(|channel| channel == Channel::Arguments(call));
        if self.call_arguments.get(call).is_some_and(|arguments| !arguments.has_text) {
            self.push_text(Channel::Arguments(call), "{}".to_owned());
        }
    }

    pub(crate) fn has_calls(&self) -> bool {
        !self.call_arguments.is_empty()
    }

    /// Token counts, which replace earlier ones.
    pub(crate) fn push_usage(&mut self, api: Api, text: Option<&[u8]>) {
        if text.is_some_and(|text| self.usage.update(api, text)) {
            self.losses.record_if(self.usage.cost.is_some(), losses::ANSWER_COST);
            self.start(None, None);
            self.events.push(ResponseEvent::Usage(self.usage));
        }
    }

    pub(crate) fn set_finish_reason(&mut self, finish: FinishReason) {
        self.finish_reason = Some(finish);
    }

    pub(crate) fn end(&mut self) {
        if !self.is_started || std::mem::replace(&mut self.is_finished, true) {
            return;
        }
        for call in 0..self.call_arguments.len() {
            self.end_call(call);
        }
        self.flush_surrogates(|_| true);
        if let Some(finish) = self.finish_reason.take() {
            self.events.push(ResponseEvent::Finish(self.resolve_finish_reason(finish)));
        }
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.is_finished
    }

    /// Some servers send `stop` for a response with calls. A call whose arguments are cut was not finished: the response
    /// ended at a limit, whatever its provider says.
    fn resolve_finish_reason(&self, finish: FinishReason) -> FinishReason {
        match finish {
            FinishReason::ContextWindow | FinishReason::ContentFilter => finish,
            _ if self.call_arguments.iter().any(|arguments| arguments.json.is_open()) => {
                FinishReason::MaxTokens
            }
            FinishReason::Stop if self.has_calls() => FinishReason::ToolCalls,
            finish => finish,
        }
    }

    fn push_arguments(&mut self, call: usize, text: &str) {
        if let Some(arguments) = self.call_arguments.get_mut(call) {
            arguments.has_text = true;
            arguments.json.push(text);
        }
    }

    fn take_pending_surrogate(&mut self, channel: Channel) -> Option<[u8; ESCAPE_BYTES]> {
        let at = self.pending_surrogates.iter().position(|(of, _)| *of == channel)?;
        Some(self.pending_surrogates.swap_remove(at).1)
    }

    /// Flushes the pending surrogates of other channels, because their low surrogates can no longer follow.
    /// Arguments of several calls may be interleaved.
    fn flush_other_surrogates(&mut self, to: Option<Channel>) {
        if !self.pending_surrogates.is_empty() {
            self.flush_surrogates(|channel| Some(channel) != to && !matches!(channel, Channel::Arguments(_)));
        }
    }

    /// Emits unpaired surrogates.
    fn flush_surrogates(&mut self, which: impl Fn(Channel) -> bool) {
        for (channel, _) in self.pending_surrogates.extract_if(.., |(channel, _)| which(*channel)) {
            if let Channel::Arguments(call) = channel
                && let Some(arguments) = self.call_arguments.get_mut(call)
            {
                arguments.has_text = true;
            }
            self.events.push(channel.into_event(char::REPLACEMENT_CHARACTER.to_string()));
        }
    }
}
