//! What an answer says, whatever face says it.

use crate::protocol::usage::Usage;

/// One step of an answer. A stream is a sequence of them, and so is a whole answer: text and arguments come in pieces
/// or at once, in the order in which the model said them.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
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
    Seal(String),
    /// Reasoning that only the provider can read (`redacted_thinking`). Opaque.
    Veiled(String),
    /// A piece of text.
    Text(String),
    /// A piece of a refusal, which chat and responses keep apart from text.
    Refusal(String),
    /// A tool call begins.
    CallStart {
        /// The number of the call in this answer, from 0; the pieces of its arguments bear it.
        call: usize,
        /// The provider's id of it. Opaque.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// A piece of a call's arguments, which together are JSON text.
    CallArguments {
        /// The call's number.
        call: usize,
        /// The piece, unescaped.
        piece: String,
    },
    /// What the answer used. A later one replaces an earlier one.
    Usage(Usage),
    /// The answer is finished. Only [`Event::Usage`] may follow.
    Finish(Finish),
}

/// Why an answer is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model had no more to say.
    Stop,
    /// It said one of the request's stop sequences; which, where the provider tells.
    StopSequence(Option<String>),
    /// The output limit.
    Length,
    /// The context window is full.
    Window,
    /// It wants its calls answered.
    Calls,
    /// It, or a filter, refused.
    Filtered,
    /// It pauses in the middle of work on the provider's side (`pause_turn`).
    Pause,
}

impl Event {
    /// Id and model, where it begins the answer.
    pub(super) fn names(&self) -> Option<(&str, &str)> {
        match self {
            Self::Start { id, model } => Some((id, model)),
            _ => None,
        }
    }

    /// The finish, where it is one.
    pub(super) const fn finish(&self) -> Option<&Finish> {
        match self {
            Self::Finish(finish) => Some(finish),
            _ => None,
        }
    }

    /// The usage, where it tells one.
    pub(super) const fn usage(&self) -> Option<&Usage> {
        match self {
            Self::Usage(usage) => Some(usage),
            _ => None,
        }
    }
}
