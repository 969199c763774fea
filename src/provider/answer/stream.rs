//! Streamed responses in every API format.

use std::fmt::Debug;

use bytes::Bytes;

use super::body_reader::BodyReader;
use super::chat::ChatStream;
use super::error::{self, NOT_JSON, server_failure};
use super::messages::MessagesStream;
use super::output::Output;
use super::responses::ResponsesStream;
use super::{ContentBytes, Meter, ReaderOutput};
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::event_template::{EventTemplate, TemplateMatch};
use crate::protocol::object::ObjectView;
use crate::protocol::sse::Frame;
use crate::protocol::usage::TokenUsage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

/// Reads one streamed answer.
///
/// Frames that need no change go on byte for byte. A finish without anything before it is kept back until the stream
/// ends: an empty answer is a failure, and the client must not have seen its finish.
#[derive(Debug)]
pub struct StreamReader {
    body_reader: BodyReader,
    api_stream: Box<dyn ApiStream>,
    /// The answer's end, the body's or a failure was read.
    is_closed: bool,
}

/// State that differs between the API formats.
pub(super) trait ApiStream: Debug + Send + Sync {
    /// Takes one frame.
    ///
    /// # Errors
    /// When the answer failed here.
    fn process_frame(&mut self, frame: &Frame, out: &mut Output) -> Result<StreamFlow, Failure>;

    /// What most frames look like, as far as it is known.
    fn template(&self) -> Option<&EventTemplate> {
        None
    }

    /// Handles a frame of a known shape where only its text matters; returns whether it did.
    fn process_matching(&mut self, _frame: &TemplateMatch, _out: &mut Output) -> bool {
        false
    }

    /// The body ended before the answer's own end: adds what is missing.
    ///
    /// # Errors
    /// When the answer may not end here.
    fn process_end(&mut self, usage: Option<TokenUsage>, out: &mut Output) -> Result<(), Failure>;

    /// See [`StreamReader::conclude`].
    fn render_missing_end(&self, usage: Option<TokenUsage>) -> Option<Segments>;

    /// The answer failed: gives text that was held back, and forgets what was.
    fn take_withheld(&mut self) -> Segments;

    fn content_bytes(&self) -> ContentBytes;

    fn meter(&self) -> &Meter;
}

/// The content of a frame of an API with named events.
pub(super) enum NamedEvent<'p> {
    /// No event of the answer; a comment has gone on.
    Ignored,
    /// `data: [DONE]`, which neither of these APIs has, but some servers send.
    Done,
    /// An event: its text, and what that says.
    Event(&'p Bytes, ObjectView<'p>),
}

/// Reads a frame of the Messages or the Responses API; `payload` is its data.
///
/// # Errors
/// When it reports an error, or is not JSON.
pub(super) fn read_named_event<'p>(
    classifier: &Classifier,
    frame: &Frame,
    payload: Option<&'p Bytes>,
    out: &mut Output,
) -> Result<NamedEvent<'p>, Failure> {
    let Some(payload) = payload else {
        // A comment is not an event, and SDKs cannot parse an event without data.
        if frame.event_name().is_none() {
            let events = out.outcome.event_count;
            out.forward_frame(frame);
            out.outcome.event_count = events;
        }
        return Ok(NamedEvent::Ignored);
    };
    let text = payload.trim_ascii();
    if text.is_empty() {
        return Ok(NamedEvent::Ignored);
    }
    if text.starts_with(b"[DONE]") {
        return Ok(NamedEvent::Done);
    }
    if frame.event_name().is_some_and(|event| &*event == b"error") {
        return Err(error::classify_body(classifier, payload));
    }
    let event = ObjectView::parse_strict(payload).map_err(|_| server_failure(NOT_JSON))?;
    if event.string_or_empty("type") == "error" || error::has_error(&event) {
        return Err(error::classify_body(classifier, payload));
    }
    Ok(NamedEvent::Event(payload, event))
}

/// Whether more follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamFlow {
    Continue,
    Done,
}

impl StreamReader {
    /// Starts reading a response of a provider in this API format; errors in it go through the classifier.
    #[must_use]
    pub fn new(classifier: Classifier, face: Api, plan: AnswerPlan) -> Self {
        let api_stream: Box<dyn ApiStream> = match face {
            Api::ChatCompletions => Box::new(ChatStream::new(classifier.clone(), plan)),
            Api::Messages => Box::new(MessagesStream::new(classifier.clone(), plan)),
            Api::Responses => Box::new(ResponsesStream::new(classifier.clone(), plan)),
        };
        Self { body_reader: BodyReader::new(classifier), api_stream, is_closed: false }
    }

    /// Takes bytes as they were read. After `done` or a failure nothing is read any more.
    pub fn read_chunk(&mut self, chunk: Bytes) -> ReaderOutput {
        let mut out = Output::new(chunk.clone());
        if !self.is_closed
            && let Err(failure) = self.read(chunk, &mut out)
        {
            self.record_failure(failure, &mut out);
        }
        self.finish_outcome(out)
    }

    /// Handles the end of the upstream. A stream that closed without a finish event is
    /// [`crate::failure::Reason::Truncated`]. After a finish event, the missing end events are added: for chat,
    /// the usage and `[DONE]`; for messages, `message_stop`. The chat usage is taken from `usage` where the
    /// provider did not report it. Without `usage`, none is added.
    pub fn finish(&mut self, usage: Option<TokenUsage>) -> ReaderOutput {
        let mut out = Output::new(Bytes::new());
        if !self.is_closed
            && let Err(failure) = self.read_end(usage, &mut out)
        {
            self.record_failure(failure, &mut out);
        }
        self.is_closed = true;
        self.finish_outcome(out)
    }

    /// The missing end events after a failure that followed the finish event. `None` when a finish event is still
    /// missing, and always for Responses, where finish and end are one event.
    #[must_use]
    pub fn render_missing_end(&self, usage: Option<TokenUsage>) -> Option<Segments> {
        self.api_stream.render_missing_end(usage)
    }

    /// How much was read so far.
    #[must_use]
    pub fn content_bytes(&self) -> ContentBytes {
        self.api_stream.content_bytes()
    }

    /// What was learned so far.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        self.api_stream.meter()
    }

    fn finish_outcome(&self, out: Output) -> ReaderOutput {
        let mut step = out.into_outcome();
        step.is_complete = self.is_closed && step.failure.is_none();
        step
    }

    fn record_failure(&mut self, failure: Failure, out: &mut Output) {
        self.is_closed = true;
        out.outcome.withheld_text = self.api_stream.take_withheld();
        out.outcome.failure = Some(failure);
    }

    fn read(&mut self, bytes: Bytes, out: &mut Output) -> Result<(), Failure> {
        self.body_reader.feed(bytes)?;
        loop {
            while let Some(frame) =
                self.api_stream.template().and_then(|pattern| self.body_reader.match_template(pattern))
                && self.api_stream.process_matching(&frame, out)
            {
                self.body_reader.skip_match(&frame);
            }
            let Some(frame) = self.body_reader.next_frame()? else { break };
            if self.api_stream.process_frame(&frame, out)? == StreamFlow::Done {
                self.is_closed = true;
                break;
            }
        }
        Ok(())
    }

    fn read_end(&mut self, usage: Option<TokenUsage>, out: &mut Output) -> Result<(), Failure> {
        if let Some(frame) = self.body_reader.end()?
            && self.api_stream.process_frame(&frame, out)? == StreamFlow::Done
        {
            return Ok(());
        }
        self.api_stream.process_end(usage, out)
    }
}
