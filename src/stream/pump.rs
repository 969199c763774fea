//! Passes one target's stream to the client.

use tokio::time::{Duration, Instant};

use super::body::ClientStream;
use super::chunks::{ByteStream, ChunkReader, budget_exceeded, reserve};
use super::splice::SpliceStage;
use super::translator::ResponseTranslator;
use crate::failure::Failure;
use crate::protocol::edit::Segments;
use crate::protocol::memory_budget::{BudgetExceeded, MemoryReservation};
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::{ReaderOutput, StreamReader};

/// The number of copies of a buffered response in memory at its end: the buffer, and those in the events that close
/// text, part, item and response.
const END_COPIES: usize = 5;

/// A stream up to its first meaningful event.
pub struct OpenStream {
    /// Reads and meters the target's events.
    pub reader: StreamReader,
    /// The bytes that follow.
    pub chunks: ByteStream,
    /// Events held back so far, in order.
    pub withheld: Segments,
    /// Whether the response ends with the events held back.
    pub is_complete: bool,
}

/// Why a stream was interrupted.
pub struct PumpFailure {
    /// The failure.
    pub failure: Failure,
    /// Text that was held back; as Chat Completions.
    pub withheld_text: Segments,
    /// The target is healthy: its output does not continue the response, or the gateway has no memory for it.
    pub is_target_healthy: bool,
}

impl PumpFailure {
    /// A failure that is not the target's.
    #[must_use]
    pub fn of_gateway(failure: Failure) -> Self {
        Self { failure, withheld_text: Segments::default(), is_target_healthy: true }
    }

    fn budget_exceeded(_: BudgetExceeded) -> Self {
        Self::of_gateway(budget_exceeded())
    }
}

/// What a stream's events pass through on their way to the client.
pub struct Pump<'p> {
    /// Where they go.
    pub client: &'p mut ClientStream,
    /// To the client's API, or to Chat Completions for a continuation.
    pub translator: &'p mut ResponseTranslator,
    /// Prepares or makes the join with another stream.
    pub splice: &'p mut SpliceStage,
    /// For the events that the translator keeps.
    pub reservation: MemoryReservation,
    /// Whether the client gets the usage.
    pub wants_usage: bool,
    /// Measures the usage so far.
    pub measure_usage: &'p (dyn Fn(&StreamReader) -> TokenUsage + Sync),
    /// `failover.timeouts.idleSeconds`.
    pub idle_limit: Duration,
    /// The deadline of the request.
    pub deadline: Option<Instant>,
}

impl Pump<'_> {
    /// Passes on the whole stream.
    ///
    /// # Errors
    /// When the stream is interrupted.
    pub async fn run(mut self, stream: &mut OpenStream) -> Result<(), PumpFailure> {
        let OpenStream { reader, chunks, withheld, is_complete } = stream;
        let mut step = ReaderOutput {
            output: std::mem::take(withheld),
            is_complete: *is_complete,
            ..ReaderOutput::default()
        };
        let mut chunks = ChunkReader::new(chunks, self.idle_limit, self.deadline);
        loop {
            self.forward(step.output).await?;
            if let Some(failure) = step.failure {
                // After the finish, only framing events can be missing.
                let Some(end) = reader.render_missing_end(self.usage(reader)) else {
                    let withheld_text = self.translator.translate_withheld(step.withheld_text);
                    return Err(PumpFailure { failure, withheld_text, is_target_healthy: false });
                };
                let end = self.translator.translate(end);
                self.forward_translated(end).await?;
                step.is_complete = true;
            }
            if step.is_complete {
                return self.forward_end(reader).await;
            }
            // Chunks that arrive while the client takes the last write are joined.
            self.client.wait_until_taken().await;
            let interruption = match chunks.next().await {
                Some(Ok(chunk)) => {
                    step = reader.read_chunk(chunk);
                    continue;
                }
                Some(Err(failure)) => Some(failure),
                None => None,
            };
            let usage = self.usage(reader);
            let end = reader.finish(usage);
            step =
                ReaderOutput { failure: end.failure.map(|failure| interruption.unwrap_or(failure)), ..end };
        }
    }

    /// The usage so far, if the client gets it.
    fn usage(&self, reader: &StreamReader) -> Option<TokenUsage> {
        let is_wanted = self.wants_usage || self.translator.is_translated();
        is_wanted.then(|| (self.measure_usage)(reader))
    }

    /// Passes on events of the target.
    async fn forward(&mut self, out: Segments) -> Result<(), PumpFailure> {
        let translated = self.translator.translate(out);
        reserve(&mut self.reservation, self.translator.buffered_bytes())
            .map_err(PumpFailure::budget_exceeded)?;
        self.forward_translated(translated).await
    }

    /// Passes on the end of a complete response.
    async fn forward_end(&mut self, reader: &StreamReader) -> Result<(), PumpFailure> {
        self.reservation
            .resize(END_COPIES * self.translator.buffered_bytes())
            .map_err(PumpFailure::budget_exceeded)?;
        let end = self.translator.translate_end(self.usage(reader));
        self.forward_translated(end).await
    }

    /// Passes on events in the client's API.
    async fn forward_translated(&mut self, events: Segments) -> Result<(), PumpFailure> {
        let (events, diverged) = self.splice.process(events);
        self.client.send_events(events).await.map_err(PumpFailure::budget_exceeded)?;
        diverged.map_or(Ok(()), |failure| Err(PumpFailure::of_gateway(failure)))
    }
}
