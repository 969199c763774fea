//! Streamed responses in every API.

use bytes::Bytes;

use super::body::BodyReader;
use super::chat::ChatStream;
use super::messages::MessagesStream;
use super::meter::{ContentBytes, Meter, ReaderOutput};
use super::output::{ApiStream, Output, StreamFlow};
use super::responses::ResponsesStream;
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::usage::TokenUsage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

/// Reads one streamed response.
///
/// Frames that need no change are forwarded byte for byte. A finish without content before it is withheld until the stream
/// ends: an empty response is a failure, and the client must not have received its finish.
#[derive(Debug)]
pub struct StreamReader {
    body_reader: BodyReader,
    api_stream: Box<dyn ApiStream>,
    /// The end of the response or of the body, or a failure, was read.
    is_closed: bool,
}

impl StreamReader {
    /// Starts reading a response of a provider in this API; errors in it go through the classifier.
    #[must_use]
    pub fn new(classifier: Classifier, api: Api, plan: AnswerPlan) -> Self {
        let api_stream: Box<dyn ApiStream> = match api {
            Api::ChatCompletions => Box::new(ChatStream::new(classifier.clone(), plan)),
            Api::Messages => Box::new(MessagesStream::new(classifier.clone(), plan)),
            Api::Responses => Box::new(ResponsesStream::new(classifier.clone(), plan)),
        };
        Self { body_reader: BodyReader::new(classifier), api_stream, is_closed: false }
    }

    /// Reads bytes. After the end or a failure, further bytes are ignored.
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

    /// The size of the content so far.
    #[must_use]
    pub fn content_bytes(&self) -> ContentBytes {
        self.api_stream.content_bytes()
    }

    /// The metadata so far.
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
        while let Some(frame) = self.body_reader.next_frame()? {
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
