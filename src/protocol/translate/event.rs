//! What an answer says, whatever face says it.

use crate::protocol::usage::TokenUsage;

/// One step of an answer. A stream is a sequence of them, and so is a whole answer: text and arguments come in pieces
/// or at once, in the order in which the model said them.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseEvent {
    /// The answer begins. Comes once, before everything else.
    Start {
        /// The provider's id of the answer; empty where it gave none.
        id: String,
        /// The model as the provider names it; empty where it did not.
        model: String,
    },
    /// A piece of reasoning.
    Reasoning(String),
    /// What lets the provider recognise the reasoning before it: a signature (messages), or the encrypted content of a
    /// reasoning item (responses). Opaque.
    ReasoningSignature(String),
    /// Reasoning that only the provider can read (`redacted_thinking`). Opaque.
    RedactedReasoning(String),
    /// A piece of text.
    Text(String),
    /// A piece of a refusal, which chat and responses keep apart from text.
    Refusal(String),
    /// A tool call begins.
    ToolCallStart {
        /// The number of the call in this answer, from 0; the pieces of its arguments bear it.
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
    /// What the answer used. A later one replaces an earlier one.
    Usage(TokenUsage),
    /// The answer is finished. Only [`Event::Usage`] may follow.
    Finish(FinishReason),
}

/// Why an answer is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model had no more to say.
    Stop,
    /// It said one of the request's stop sequences; which, where the provider tells.
    StopSequence(Option<String>),
    /// The output limit.
    MaxTokens,
    /// The context window is full.
    ContextWindow,
    /// It wants its calls answered.
    ToolCalls,
    /// It, or a filter, refused.
    ContentFilter,
    /// It pauses in the middle of work on the provider's side (`pause_turn`).
    Pause,
}

impl ResponseEvent {
    /// Id and model, where it begins the answer.
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

    /// The usage, where it tells one.
    pub(super) const fn usage(&self) -> Option<&TokenUsage> {
        match self {
            Self::Usage(usage) => Some(usage),
            _ => None,
        }
    }
}
