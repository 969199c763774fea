//! The content of a response, independent of its API format.

use crate::protocol::usage::TokenUsage;

/// One step of a response. A stream and a whole response are both sequences of events: text and arguments
/// arrive in pieces or at once, in the model's order.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseEvent {
    /// The response starts. Sent once, before all other events.
    Start {
        /// The provider's response id; empty if it sent none.
        id: String,
        /// The model as the provider names it; empty where it did not.
        model: String,
    },
    /// A piece of reasoning.
    Reasoning(String),
    /// Data by which the provider recognises the preceding reasoning: a signature (Messages), or the encrypted
    /// content of a reasoning item (Responses). Opaque.
    ReasoningSignature(String),
    /// Reasoning that only the provider can read (`redacted_thinking`). Opaque.
    RedactedReasoning(String),
    /// A piece of text.
    Text(String),
    /// A piece of a refusal, which Chat Completions and Responses separate from text.
    Refusal(String),
    /// A tool call starts.
    ToolCallStart {
        /// The number of the call in this response, from 0; the pieces of its arguments refer to it.
        call: usize,
        /// The provider's id of it. Opaque.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// A piece of a call's arguments, which together are JSON text.
    ToolCallArguments {
        /// The call's number.
        call: usize,
        /// The piece, unescaped.
        delta: String,
    },
    /// The usage of the response. A later one replaces an earlier one.
    Usage(TokenUsage),
    /// The response is finished. Only [`ResponseEvent::Usage`] may follow.
    Finish(FinishReason),
}

/// Why a response is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its turn.
    Stop,
    /// It produced one of the request's stop sequences; which one, if the provider reports it.
    StopSequence(Option<String>),
    /// The output limit.
    MaxTokens,
    /// The context window is full.
    ContextWindow,
    /// It wants its calls answered.
    ToolCalls,
    /// It, or a filter, refused.
    ContentFilter,
    /// It pauses during work on the provider's side (`pause_turn`).
    Pause,
}

impl ResponseEvent {
    /// Id and model, for a start event.
    pub(super) fn id_and_model(&self) -> Option<(&str, &str)> {
        match self {
            Self::Start { id, model } => Some((id, model)),
            _ => None,
        }
    }

    /// The finish, where it is one.
    pub(super) const fn finish_reason(&self) -> Option<&FinishReason> {
        match self {
            Self::Finish(finish) => Some(finish),
            _ => None,
        }
    }

    /// The usage, if the event reports one.
    pub(super) const fn usage(&self) -> Option<&TokenUsage> {
        match self {
            Self::Usage(usage) => Some(usage),
            _ => None,
        }
    }
}
