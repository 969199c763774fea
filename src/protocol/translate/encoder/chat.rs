//! Chat Completions, streamed and whole. The shapes are those of the OpenAI SDKs' `ChatCompletionChunk` and
//! `ChatCompletion`, with `reasoning_content` as Moonshot has it and `reasoning_details` as OpenRouter has them.

mod whole;

pub(in crate::protocol::translate) use whole::whole;

use super::frame::{self, number, put, string};
use crate::protocol::chunk::Chunk;
use crate::protocol::error::ErrorBody;
use crate::protocol::face::Face;
use crate::protocol::object::Object;
use crate::protocol::sse::DONE;
use crate::protocol::translate::echo::Echo;
use crate::protocol::translate::event::{Event, Finish};
use crate::protocol::usage::Usage;

/// See the module.
#[derive(Debug)]
pub(super) struct Writer {
    echo: Echo,
    /// What every chunk begins with, up to `choices`; empty until the answer begins.
    head: Vec<u8>,
    /// Calls so far.
    calls: usize,
    /// The index of the first call of the part that is written now.
    base: usize,
    finish: Option<Finish>,
    usage: Option<Usage>,
    stage: Stage,
}

/// How far the answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Open,
    /// A `finish_reason` went out without us.
    Finished,
    /// And so did the usage.
    Told,
    /// `[DONE]`.
    Ended,
}

impl Writer {
    pub(super) const fn new(echo: Echo) -> Self {
        Self { echo, head: Vec::new(), calls: 0, base: 0, finish: None, usage: None, stage: Stage::Open }
    }

    pub(super) fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.stage != Stage::Open {
            if let Event::Usage(usage) = event {
                self.usage = Some(*usage);
            }
            return;
        }
        match event {
            Event::Start { id, model } => {
                self.start(id, model, out);
                self.base = self.calls;
            }
            Event::Reasoning(text) => self.text("reasoning_content", text, out),
            Event::Text(text) => self.text("content", text, out),
            Event::Refusal(text) => self.text("refusal", text, out),
            Event::Seal(seal) => self.delta(out, |out| {
                put(out, "\"reasoning_details\":[");
                write_sealed("", Some(seal), 0, out);
                out.push(b']');
            }),
            Event::Veiled(data) => self.delta(out, |out| {
                put(out, "\"reasoning_details\":[");
                write_veiled(data, 0, out);
                out.push(b']');
            }),
            Event::CallStart { call, id, name } => {
                let index = self.base.saturating_add(*call);
                self.calls = self.calls.max(index.saturating_add(1));
                self.delta(out, |out| {
                    put(out, "\"tool_calls\":[{\"index\":");
                    number(out, index as u64);
                    put(out, ",");
                    write_call(id, name, out);
                    put(out, "\"\"}}]");
                });
            }
            Event::CallArguments { call, piece } => {
                let index = self.base.saturating_add(*call);
                self.delta(out, |out| {
                    put(out, "\"tool_calls\":[{\"index\":");
                    number(out, index as u64);
                    put(out, ",\"function\":{\"arguments\":");
                    string(out, piece);
                    put(out, "}}]");
                });
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Finish(finish) => self.finish = Some(finish.clone()),
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.stage == Stage::Ended {
            return;
        }
        self.start("", "", out);
        if self.stage == Stage::Open {
            let reason = reason(self.finish.as_ref(), self.calls > 0);
            self.chunk(out, |out| put(out, "{}"), Some(reason));
        }
        if self.echo.usage
            && self.stage != Stage::Told
            && let Some(usage) = self.usage
        {
            put(out, "data: ");
            out.extend_from_slice(&self.head);
            put(out, "\"choices\":[],\"usage\":");
            put(out, &usage.to_json(Face::Chat));
            put(out, "}\n\n");
        }
        out.extend_from_slice(DONE);
        self.stage = Stage::Ended;
    }

    pub(super) fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        if self.stage != Stage::Ended {
            self.stage = Stage::Ended;
            out.extend_from_slice(&error.stream_end());
        }
    }

    pub(super) fn follow(&mut self, payload: &[u8]) {
        if payload.trim_ascii() == b"[DONE]" {
            self.stage = Stage::Ended;
            return;
        }
        let Ok(chunk) = Chunk::parse(payload) else { return };
        if self.head.is_empty()
            && let Some(top) = Object::read(payload)
        {
            self.echo.created = top.count("created").unwrap_or(self.echo.created);
            let text = |key| top.string(key).unwrap_or_default();
            self.head = self.head_of(&text("id"), &text("model"));
        }
        let usage = chunk.usage(payload);
        if usage.is_some() {
            self.usage = usage;
        }
        for choice in &chunk.choice {
            if choice.finish.is_some() {
                self.stage = self.stage.max(Stage::Finished);
            }
            let calls = choice.delta.clone().and_then(|span| Object::read(payload.get(span)?));
            for call in calls.iter().flat_map(|delta| delta.objects("tool_calls")) {
                let index = call.place("index").unwrap_or(0);
                self.calls = self.calls.max(index.saturating_add(1));
            }
        }
        if chunk.usage.is_some() && self.stage == Stage::Finished {
            self.stage = Stage::Told;
        }
    }

    /// The chunk that names the role, once.
    fn start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.head = self.head_of(id, model);
            self.chunk(out, |out| put(out, "{\"role\":\"assistant\",\"content\":\"\"}"), None);
        }
    }

    fn head_of(&self, id: &str, model: &str) -> Vec<u8> {
        let mut head = Vec::with_capacity(128);
        write_head(&self.echo, id, model, "chat.completion.chunk", &mut head);
        head
    }

    fn text(&mut self, key: &str, text: &str, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.delta(out, |out| {
                string(out, key);
                out.push(b':');
                string(out, text);
            });
        }
    }

    fn delta(&mut self, out: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
        self.start("", "", out);
        let delta = |out: &mut Vec<u8>| {
            out.push(b'{');
            members(out);
            out.push(b'}');
        };
        self.chunk(out, delta, None);
    }

    fn chunk(&self, out: &mut Vec<u8>, delta: impl FnOnce(&mut Vec<u8>), finish: Option<&str>) {
        put(out, "data: ");
        out.extend_from_slice(&self.head);
        put(out, "\"choices\":[{\"index\":0,\"delta\":");
        delta(out);
        put(out, ",\"finish_reason\":");
        match finish {
            Some(reason) => string(out, reason),
            None => put(out, "null"),
        }
        put(out, "}]}\n\n");
    }
}

/// Up to `choices`.
fn write_head(echo: &Echo, id: &str, model: &str, object: &str, out: &mut Vec<u8>) {
    put(out, "{\"id\":");
    // OpenRouter's ids are looked up by clients, so they stay.
    let made = if id.starts_with("gen-") { id.to_owned() } else { frame::id("chatcmpl-", id, &echo.id) };
    string(out, &made);
    put(out, ",\"object\":");
    string(out, object);
    put(out, ",\"created\":");
    number(out, echo.created);
    put(out, ",\"model\":");
    string(out, if model.is_empty() { &echo.model } else { model });
    out.push(b',');
}

/// Up to the value of `arguments`.
fn write_call(id: &str, name: &str, out: &mut Vec<u8>) {
    put(out, "\"id\":");
    string(out, id);
    put(out, ",\"type\":\"function\",\"function\":{\"name\":");
    string(out, name);
    put(out, ",\"arguments\":");
}

/// Reasoning with its seal, as OpenRouter has it.
fn write_sealed(text: &str, seal: Option<&str>, index: usize, out: &mut Vec<u8>) {
    put(out, "{\"type\":\"reasoning.text\",\"text\":");
    string(out, text);
    put(out, ",\"signature\":");
    match seal {
        Some(seal) => string(out, seal),
        None => put(out, "null"),
    }
    put(out, ",\"index\":");
    number(out, index as u64);
    out.push(b'}');
}

fn write_veiled(data: &str, index: usize, out: &mut Vec<u8>) {
    put(out, "{\"type\":\"reasoning.encrypted\",\"data\":");
    string(out, data);
    put(out, ",\"index\":");
    number(out, index as u64);
    out.push(b'}');
}

/// `finish_reason`.
const fn reason(finish: Option<&Finish>, has_calls: bool) -> &'static str {
    match finish {
        None | Some(Finish::Stop | Finish::StopSequence(_) | Finish::Pause) => {
            if has_calls {
                "tool_calls"
            } else {
                "stop"
            }
        }
        Some(Finish::Length | Finish::Window) => "length",
        Some(Finish::Calls) => "tool_calls",
        Some(Finish::Filtered) => "content_filter",
    }
}
