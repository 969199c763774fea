//! The format of session files: JSON lines, a header followed by entries.
//!
//! The format is that of OpenClaw's transcripts (version 3), so that programs that read those can read these.

mod line;
pub mod reader;
mod conversation;

pub use super::usage::{AnswerCosts, AnswerUsage, Currency};
pub(super) use line::now_millis;
pub use line::{
    AssistantMessage, ContentBlock, EntryMeta, StopReason, TranscriptLine, TranscriptMessage, VERSION,
};
