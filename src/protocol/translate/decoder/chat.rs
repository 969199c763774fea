//! Chat Completions.

use super::pieces::{Channel, Pieces};
use crate::protocol::chunk::{Choice, Chunk};
use crate::protocol::face::Face;
use crate::protocol::object::Object;
use crate::protocol::translate::event::{Event, Finish};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pieces: Pieces,
    calls: Vec<Call>,
}

/// A call as its fragments make it known.
#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: String,
    /// Its number, once its name is known.
    number: Option<usize>,
    /// Arguments that came before the name, as literals.
    early: Vec<Vec<u8>>,
}

impl Reader {
    pub(super) fn frame(&mut self, payload: &[u8], out: &mut Vec<Event>) {
        if self.pieces.has_ended() {
            return;
        }
        if payload.trim_ascii() == b"[DONE]" {
            self.end(out);
            return;
        }
        let Ok(chunk) = Chunk::parse(payload) else { return };
        if chunk.choices.is_none() && chunk.usage.is_none() {
            return;
        }
        let Some(top) = Object::read(payload) else { return };
        self.pieces.start(top.string("id"), top.string("model"), out);
        if let Some(choice) = chunk.choice.iter().find(|choice| is_first(payload, choice)) {
            self.choice(payload, choice, out);
        }
        // Moonshot tells it in the choice and then at the top: the later one replaces the earlier.
        let usage =
            chunk.usage.iter().chain(chunk.choice.iter().filter_map(|choice| choice.usage.as_ref())).next();
        self.pieces.usage(Face::Chat, usage.and_then(|span| payload.get(span.clone())), out);
    }

    pub(super) fn end(&mut self, out: &mut Vec<Event>) {
        if self.pieces.has_ended() {
            return;
        }
        for call in &mut self.calls {
            // A call that nobody named is told all the same, where it says something.
            if call.number.is_none() && !call.early.is_empty() {
                call.begin(String::new(), &mut self.pieces, out);
            }
        }
        self.pieces.end(out);
    }

    fn choice(&mut self, payload: &[u8], choice: &Choice, out: &mut Vec<Event>) {
        let delta = choice.delta.clone().and_then(|span| Object::read(payload.get(span)?));
        if let Some(delta) = delta {
            self.reasoning(&delta, out);
            self.content(&delta, out);
            if let Some(refusal) = delta.literal("refusal") {
                self.pieces.say(Channel::Refusal, refusal, out);
            }
            for fragment in delta.objects("tool_calls") {
                self.fragment(&fragment, out);
            }
        }
        let finish =
            choice.finish.clone().and_then(|span| crate::protocol::json::unescape(payload.get(span)?));
        if let Some(finish) = finish {
            self.pieces.finish(finish_of(&finish));
        }
    }

    /// The details hold the same text as `reasoning` or `reasoning_content`, and more: so where they hold text, it is
    /// theirs that counts.
    fn reasoning(&mut self, delta: &Object<'_>, out: &mut Vec<Event>) {
        let details: Vec<Object<'_>> = delta.objects("reasoning_details");
        let text_of = |detail: &Object<'_>| match detail.string("type").as_deref() {
            Some("reasoning.text") => "text",
            Some("reasoning.summary") => "summary",
            _ => "",
        };
        let detailed = details
            .iter()
            .any(|detail| detail.literal(text_of(detail)).is_some_and(|literal| literal.len() > 2));
        if !detailed {
            let plain = ["reasoning_content", "reasoning"].into_iter().filter_map(|key| delta.literal(key));
            if let Some(literal) = plain.into_iter().find(|literal| literal.len() > 2) {
                self.pieces.say(Channel::Reasoning, literal, out);
            }
        }
        for detail in &details {
            if let Some(literal) = detail.literal(text_of(detail)) {
                self.pieces.say(Channel::Reasoning, literal, out);
            }
            let opaque = |key| detail.string(key).filter(|text| !text.is_empty());
            if let Some(signature) = opaque("signature") {
                self.pieces.opaque(Event::Seal(signature.into_owned()), out);
            }
            if let Some(data) = opaque("data") {
                self.pieces.opaque(Event::Veiled(data.into_owned()), out);
            }
        }
    }

    fn content(&mut self, delta: &Object<'_>, out: &mut Vec<Event>) {
        if let Some(text) = delta.literal("content") {
            self.pieces.say(Channel::Text, text, out);
        }
        for part in delta.objects("content") {
            match part.string("type").as_deref() {
                Some("refusal") => {
                    if let Some(refusal) = part.literal("refusal") {
                        self.pieces.say(Channel::Refusal, refusal, out);
                    }
                }
                Some("text" | "output_text") | None => {
                    if let Some(text) = part.literal("text") {
                        self.pieces.say(Channel::Text, text, out);
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn fragment(&mut self, fragment: &Object<'_>, out: &mut Vec<Event>) {
        let function = fragment.object("function");
        let function = function.as_ref();
        let id = fragment.string("id").filter(|id| !id.is_empty()).unwrap_or_default();
        let name = function.and_then(|function| function.string("name")).filter(|name| !name.is_empty());
        let at = self.find(fragment.count("index"), &id, name.is_some());
        let Some(call) = self.calls.get_mut(at) else { return };
        if call.id.is_empty() {
            call.id = id.into_owned();
        }
        if let Some(name) = name.filter(|_| call.number.is_none()) {
            call.begin(name.into_owned(), &mut self.pieces, out);
        }
        let Some(arguments) = function.and_then(|function| function.value("arguments")) else { return };
        match (call.number, arguments.first()) {
            (Some(number), Some(b'"')) => self.pieces.say(Channel::Arguments(number), arguments, out),
            // Some servers forget to make a string of the object.
            (Some(number), Some(b'{')) => {
                let text = String::from_utf8_lossy(arguments).into_owned();
                self.pieces.put(Channel::Arguments(number), text, out);
            }
            (None, Some(b'"')) if arguments.len() > 2 => call.early.push(arguments.to_vec()),
            _ => {}
        }
    }

    /// The call that a fragment belongs to, a new one where it belongs to none: by `index`; without one by id, and
    /// without that to the last. Under one index with another id and a name a new call begins: some servers give every
    /// call the index 0.
    fn find(&mut self, index: Option<u64>, id: &str, named: bool) -> usize {
        let found = match index {
            Some(_) => self
                .calls
                .iter()
                .rposition(|call| call.index == index)
                .filter(|at| !self.calls.get(*at).is_some_and(|call| named && call.is_other_than(id))),
            None if id.is_empty() => self.calls.len().checked_sub(1),
            None => self.calls.iter().rposition(|call| call.id == id),
        };
        found.unwrap_or_else(|| {
            self.calls.push(Call { index, ..Call::default() });
            self.calls.len() - 1
        })
    }
}

impl Call {
    fn is_other_than(&self, id: &str) -> bool {
        self.number.is_some() && !id.is_empty() && !self.id.is_empty() && self.id != id
    }

    fn begin(&mut self, name: String, pieces: &mut Pieces, out: &mut Vec<Event>) {
        let number = pieces.call(self.id.clone(), name, out);
        self.number = Some(number);
        for literal in std::mem::take(&mut self.early) {
            pieces.say(Channel::Arguments(number), &literal, out);
        }
    }
}

/// Without an index it is the first.
fn is_first(payload: &[u8], choice: &Choice) -> bool {
    choice.index.as_ref().is_none_or(|span| payload.get(span.clone()) == Some(b"0"))
}

/// OpenAI's words, and those that providers let through from models behind them.
fn finish_of(word: &str) -> Finish {
    match word {
        "length" | "max_tokens" | "max_output_tokens" => Finish::Length,
        "tool_calls" | "function_call" | "tool_use" => Finish::Calls,
        "content_filter" | "refusal" => Finish::Filtered,
        "stop_sequence" => Finish::StopSequence(None),
        "model_context_window_exceeded" => Finish::Window,
        _ => Finish::Stop,
    }
}
