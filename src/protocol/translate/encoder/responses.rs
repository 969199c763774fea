//! OpenAI Responses. The order and the members of the events are those of the OpenAI SDKs' types (`ResponseStreamEvent`,
//! `Response`), 2026-11; Codex reads items as they are done, the SDKs the response at the end as well, so it has all of
//! them again.

mod follow;
mod item;
mod output;

use std::collections::BTreeMap;

use output::Output;

use super::frame::{self, number, put, string};
use super::sequence::Sequence;
use crate::protocol::error::ErrorBody;
use crate::protocol::face::Face;
use crate::protocol::translate::echo::Echo;
use crate::protocol::translate::event::{Event, Finish};
use crate::protocol::usage::Usage;

/// See the module.
#[derive(Debug)]
pub(super) struct Writer {
    echo: Echo,
    head: Head,
    sequence: Sequence,
    output: Output,
    stage: Stage,
    usage: Option<Usage>,
    finish: Option<Finish>,
}

/// How far the answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Before,
    Begun,
    Ended,
}

/// What stays the same in every copy of the response.
#[derive(Debug, Default)]
struct Head {
    id: String,
    model: String,
}

/// How a response ended, or that it has not.
enum State<'a> {
    InProgress,
    Completed,
    Incomplete(&'static str),
    Failed(&'a ErrorBody<'a>),
}

impl Writer {
    pub(super) fn new(mut echo: Echo) -> Self {
        let output = Output::new(&mut echo);
        Self {
            echo,
            head: Head::default(),
            sequence: Sequence::default(),
            output,
            stage: Stage::Before,
            usage: None,
            finish: None,
        }
    }

    pub(super) fn know(&mut self, namespaced: &BTreeMap<String, (String, String)>) {
        self.output.know(namespaced);
    }

    pub(super) fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.stage == Stage::Ended {
            return;
        }
        match event {
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Finish(finish) => self.finish = Some(finish.clone()),
            Event::Start { id, model } => {
                self.start(id, model, out);
                self.output.settle(out);
                self.sequence.take(event, &mut self.output, out);
            }
            _ => {
                self.start("", "", out);
                self.output.settle(out);
                self.sequence.take(event, &mut self.output, out);
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.stage == Stage::Ended {
            return;
        }
        self.start("", "", out);
        let state = self.state();
        self.output.incomplete = matches!(state, State::Incomplete(_));
        self.output.settle(out);
        self.sequence.close_all(&mut self.output, out);
        let name = if self.output.incomplete { "response.incomplete" } else { "response.completed" };
        self.response(name, &state, out);
        self.stage = Stage::Ended;
    }

    pub(super) fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        if self.stage == Stage::Ended {
            return;
        }
        self.start("", "", out);
        self.output.abandon();
        self.response("response.failed", &State::Failed(error), out);
        self.stage = Stage::Ended;
    }

    pub(super) fn kept(&self) -> usize {
        self.sequence.kept() + self.output.kept()
    }

    pub(super) fn forget(&mut self) {
        self.output.forget();
    }

    /// A response for a client that does not stream.
    fn whole(mut self, events: &[Event]) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.output.silent = true;
        for event in events {
            self.write(event, &mut out);
        }
        let state = self.state();
        self.output.incomplete = matches!(state, State::Incomplete(_));
        self.sequence.close_all(&mut self.output, &mut out);
        self.write_response(&state, &mut out);
        out
    }

    fn state(&self) -> State<'static> {
        match self.finish {
            Some(Finish::Length | Finish::Window) => State::Incomplete("max_output_tokens"),
            Some(Finish::Filtered) => State::Incomplete("content_filter"),
            _ => State::Completed,
        }
    }

    fn start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if self.stage != Stage::Before {
            return;
        }
        self.stage = Stage::Begun;
        self.head.id = frame::id("resp_", id, &self.echo.id);
        self.head.model = if model.is_empty() { self.echo.model.clone() } else { model.to_owned() };
        self.output.named(&self.head.id);
        self.response("response.created", &State::InProgress, out);
        self.response("response.in_progress", &State::InProgress, out);
    }

    /// An event that has the response.
    fn response(&mut self, name: &str, state: &State<'_>, out: &mut Vec<u8>) {
        if self.output.silent {
            return;
        }
        self.output.begin(name, out);
        put(out, "\"response\":");
        self.write_response(state, out);
        put(out, "}\n\n");
    }

    fn write_response(&self, state: &State<'_>, out: &mut Vec<u8>) {
        put(out, "{\"id\":");
        string(out, &self.head.id);
        put(out, ",\"object\":\"response\",\"created_at\":");
        number(out, self.echo.created);
        put(out, ",\"status\":\"");
        put(
            out,
            match state {
                State::InProgress => "in_progress",
                State::Completed => "completed",
                State::Incomplete(_) => "incomplete",
                State::Failed(_) => "failed",
            },
        );
        put(out, "\",\"error\":");
        match state {
            State::Failed(error) => error.write_response_error(out),
            _ => put(out, "null"),
        }
        put(out, ",\"incomplete_details\":");
        match state {
            State::Incomplete(reason) => {
                put(out, "{\"reason\":");
                string(out, reason);
                out.push(b'}');
            }
            _ => put(out, "null"),
        }
        put(out, ",\"model\":");
        string(out, &self.head.model);
        out.push(b',');
        self.echo.write(out);
        put(out, "\"output\":[");
        if !matches!(state, State::InProgress) {
            self.output.write(out);
        }
        put(out, "],\"usage\":");
        match &self.usage {
            Some(usage) if !matches!(state, State::InProgress) => put(out, &usage.to_json(Face::Responses)),
            _ => put(out, "null"),
        }
        out.push(b'}');
    }
}

/// A whole response.
pub(in crate::protocol::translate) fn whole(events: &[Event], echo: &Echo) -> Vec<u8> {
    Writer::new(echo.clone()).whole(events)
}
