//! OpenAI Responses. The order and the members of the events are those of the OpenAI SDKs' types (`ResponseStreamEvent`,
//! `Response`), 2026-11; Codex reads items as they are done, the SDKs the response at the end as well, so it has all of
//! them again.

mod item;
mod observe;
mod output;

use std::collections::BTreeMap;

use output::OutputWriter;

use super::primitives::{self, write_number, write_raw, write_string};
use super::sequencer::BlockSequencer;
use crate::protocol::api::Api;
use crate::protocol::error::ErrorBody;
use crate::protocol::translate::echo::RequestEcho;
use crate::protocol::translate::event::{FinishReason, ResponseEvent};
use crate::protocol::usage::TokenUsage;

/// See the module.
#[derive(Debug)]
pub(super) struct ResponsesEncoder {
    echo: RequestEcho,
    head: ResponseHead,
    sequencer: BlockSequencer,
    output: OutputWriter,
    stage: ResponsesStage,
    usage: Option<TokenUsage>,
    finish_reason: Option<FinishReason>,
}

/// The progress of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResponsesStage {
    NotStarted,
    Started,
    Done,
}

/// The members that are the same in every copy of the response.
#[derive(Debug, Default)]
struct ResponseHead {
    id: String,
    model: String,
}

/// How a response ended, or that it has not.
enum ResponseStatus<'a> {
    InProgress,
    Completed,
    Incomplete(&'static str),
    Failed(&'a ErrorBody<'a>),
}

impl ResponsesEncoder {
    pub(super) fn new(mut echo: RequestEcho) -> Self {
        let output = OutputWriter::new(&mut echo);
        Self {
            echo,
            head: ResponseHead::default(),
            sequencer: BlockSequencer::default(),
            output,
            stage: ResponsesStage::NotStarted,
            usage: None,
            finish_reason: None,
        }
    }

    pub(super) fn add_tool_namespaces(&mut self, namespaced: &BTreeMap<String, (String, String)>) {
        self.output.add_tool_namespaces(namespaced);
    }

    pub(super) fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>) {
        if self.stage == ResponsesStage::Done {
            return;
        }
        match event {
            ResponseEvent::Usage(usage) => self.usage = Some(*usage),
            ResponseEvent::Finish(finish) => self.finish_reason = Some(finish.clone()),
            ResponseEvent::Start { id, model } => {
                self.write_start(id, model, out);
                self.output.close_other_items(out);
                self.sequencer.push(event, &mut self.output, out);
            }
            _ => {
                self.write_start("", "", out);
                self.output.close_other_items(out);
                self.sequencer.push(event, &mut self.output, out);
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.stage == ResponsesStage::Done {
            return;
        }
        self.write_start("", "", out);
        let state = self.status();
        self.output.is_incomplete = matches!(state, ResponseStatus::Incomplete(_));
        self.output.close_other_items(out);
        self.sequencer.close_all(&mut self.output, out);
        let name = if self.output.is_incomplete { "response.incomplete" } else { "response.completed" };
        self.write_response_event(name, &state, out);
        self.stage = ResponsesStage::Done;
    }

    pub(super) fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        if self.stage == ResponsesStage::Done {
            return;
        }
        self.write_start("", "", out);
        self.output.store_open_items();
        self.write_response_event("response.failed", &ResponseStatus::Failed(error), out);
        self.stage = ResponsesStage::Done;
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.sequencer.queued_bytes() + self.output.buffered_bytes()
    }

    pub(super) fn drop_buffer(&mut self) {
        self.output.drop_items();
    }

    /// A response for a client that does not stream.
    fn encode_response(mut self, events: &[ResponseEvent]) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.output.is_silent = true;
        for event in events {
            self.write(event, &mut out);
        }
        let state = self.status();
        self.output.is_incomplete = matches!(state, ResponseStatus::Incomplete(_));
        self.sequencer.close_all(&mut self.output, &mut out);
        self.write_response(&state, &mut out);
        out
    }

    fn status(&self) -> ResponseStatus<'static> {
        match self.finish_reason {
            Some(FinishReason::MaxTokens | FinishReason::ContextWindow) => {
                ResponseStatus::Incomplete("max_output_tokens")
            }
            Some(FinishReason::ContentFilter) => ResponseStatus::Incomplete("content_filter"),
            _ => ResponseStatus::Completed,
        }
    }

    fn write_start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if self.stage != ResponsesStage::NotStarted {
            return;
        }
        self.stage = ResponsesStage::Started;
        self.head.id = primitives::make_id("resp_", id, &self.echo.id);
        self.head.model = if model.is_empty() { self.echo.model.clone() } else { model.to_owned() };
        self.output.set_response_id(&self.head.id);
        self.write_response_event("response.created", &ResponseStatus::InProgress, out);
        self.write_response_event("response.in_progress", &ResponseStatus::InProgress, out);
    }

    /// An event that has the response.
    fn write_response_event(&mut self, name: &str, state: &ResponseStatus<'_>, out: &mut Vec<u8>) {
        if self.output.is_silent {
            return;
        }
        self.output.write_event_start(name, out);
        write_raw(out, "\"response\":");
        self.write_response(state, out);
        write_raw(out, "}\n\n");
    }

    fn write_response(&self, state: &ResponseStatus<'_>, out: &mut Vec<u8>) {
        write_raw(out, "{\"id\":");
        write_string(out, &self.head.id);
        write_raw(out, ",\"object\":\"response\",\"created_at\":");
        write_number(out, self.echo.created_at);
        write_raw(out, ",\"status\":\"");
        write_raw(
            out,
            match state {
                ResponseStatus::InProgress => "in_progress",
                ResponseStatus::Completed => "completed",
                ResponseStatus::Incomplete(_) => "incomplete",
                ResponseStatus::Failed(_) => "failed",
            },
        );
        write_raw(out, "\",\"error\":");
        match state {
            ResponseStatus::Failed(error) => error.write_response_error(out),
            _ => write_raw(out, "null"),
        }
        write_raw(out, ",\"incomplete_details\":");
        match state {
            ResponseStatus::Incomplete(reason) => {
                write_raw(out, "{\"reason\":");
                write_string(out, reason);
                out.push(b'}');
            }
            _ => write_raw(out, "null"),
        }
        write_raw(out, ",\"model\":");
        write_string(out, &self.head.model);
        out.push(b',');
        self.echo.write_members(out);
        write_raw(out, "\"output\":[");
        if !matches!(state, ResponseStatus::InProgress) {
            self.output.write_done_items(out);
        }
        write_raw(out, "],\"usage\":");
        match &self.usage {
            Some(usage) if !matches!(state, ResponseStatus::InProgress) => {
                write_raw(out, &usage.to_json(Api::Responses))
            }
            _ => write_raw(out, "null"),
        }
        out.push(b'}');
    }
}

/// A whole response.
pub(in crate::protocol::translate) fn encode_response(
    events: &[ResponseEvent],
    echo: &RequestEcho,
) -> Vec<u8> {
    ResponsesEncoder::new(echo.clone()).encode_response(events)
}
