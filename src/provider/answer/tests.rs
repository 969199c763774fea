//! Streams and answers as providers send them, whole and cut anywhere.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Meter, ReaderOutput, StreamReader, read_complete};
use crate::catalog::AdapterId;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::usage::TokenUsage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;
use crate::secret::Redactor;

mod leaks;
mod messages;
mod responses;
mod streams;
mod wholes;

/// The token usage of the responses in these tests, in each API's own fields.
const USAGE: TokenUsage = TokenUsage {
    input: 36,
    output: 40,
    cache_read: 64,
    cache_write: 0,
    cache_write_1h: 0,
    reasoning: 30,
    is_estimated: false,
    cost: None,
};

/// What a client saw of a stream.
#[derive(Debug, Default)]
struct Seen {
    text: String,
    meaningful: bool,
    done: bool,
    failure: Option<Failure>,
    meter: Meter,
}

impl Seen {
    fn add(&mut self, step: ReaderOutput) {
        assert!(step.event_count == 0 || !step.output.is_empty(), "{step:?}");
        self.text.push_str(std::str::from_utf8(&step.output.to_bytes()).unwrap());
        assert!(step.withheld_text.is_empty() || step.failure.is_some(), "{step:?}");
        self.text.push_str(std::str::from_utf8(&step.withheld_text.to_bytes()).unwrap());
        self.meaningful |= step.has_content;
        self.done |= step.is_complete;
        self.failure = self.failure.take().or(step.failure);
    }
}

/// A classifier of a call without secrets.
fn errors_of(adapter: AdapterId) -> Classifier {
    Classifier::new(adapter, Redactor::default())
}

fn read(adapter: AdapterId, plan: &AnswerPlan, pieces: &[&[u8]]) -> Seen {
    read_over(Api::ChatCompletions, adapter, plan, pieces)
}

fn read_over(api: Api, adapter: AdapterId, plan: &AnswerPlan, pieces: &[&[u8]]) -> Seen {
    let mut reader = StreamReader::new(errors_of(adapter), api, plan.clone());
    let mut seen = Seen::default();
    for piece in pieces {
        seen.add(reader.read_chunk(Bytes::copy_from_slice(piece)));
    }
    if !seen.done && seen.failure.is_none() {
        seen.add(reader.finish(None));
    }
    seen.meter = reader.meter().clone();
    seen
}

/// A plan with one renamed tool.
fn renaming() -> AnswerPlan {
    AnswerPlan { tool_names: vec![("ls_tool".to_owned(), "ls".to_owned())], ..AnswerPlan::default() }
}

fn plain() -> AnswerPlan {
    AnswerPlan::default()
}

fn hiding() -> AnswerPlan {
    AnswerPlan { hides_usage: true, ..AnswerPlan::default() }
}

fn with_tools() -> AnswerPlan {
    AnswerPlan { offers_tools: true, ..AnswerPlan::default() }
}

fn event(payload: &str) -> String {
    format!("data: {payload}\n\n")
}

fn chunk(delta: &str) -> String {
    event(&format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"kimi-k3","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}],"system_fingerprint":"fpv0_1"}}"#
    ))
}

fn finish(reason: &str) -> String {
    event(&format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"kimi-k3","choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#
    ))
}

const DONE: &str = "data: [DONE]\n\n";
