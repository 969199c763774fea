//! Summary and usage of a session.

use std::collections::BTreeMap;

use crate::assistant::transcript::reader::Transcript;
use crate::assistant::transcript::{
    AnswerCosts, AnswerUsage, ContentBlock, Currency, TranscriptLine, TranscriptMessage,
};
use crate::config::settings::Reference;

/// The longest title, in characters.
const MAX_TITLE_CHARS: usize = 200;

/// A session in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSummary {
    /// RFC 3339; empty if the file does not report it.
    pub started_at: String,
    /// When the last entry was written, in the same format.
    pub updated_at: String,
    /// Number of user messages.
    pub turns: u64,
    /// The beginning of the first question, in one line; empty if there is none.
    pub title: String,
    /// The model that answered last, or was chosen after that.
    pub model: Option<Reference>,
    /// Usage of its answers.
    pub usage: SessionUsage,
    /// Number of lines that cannot be read.
    pub corrupt_lines: u64,
}

impl SessionSummary {
    /// `None` if the transcript has no header.
    pub(super) fn from_transcript(transcript: &Transcript) -> Option<Self> {
        let mut summary = Self {
            started_at: transcript.header()?.timestamp.clone(),
            updated_at: transcript.updated_at.clone(),
            usage: SessionUsage::from_entries(transcript.entries()),
            corrupt_lines: transcript.corrupt_lines().len() as u64,
            ..Self::default()
        };
        for entry in transcript.entries() {
            let (provider, model) = match entry {
                TranscriptLine::ModelChange { provider, model_id, .. } => (provider, model_id),
                TranscriptLine::Message { message: TranscriptMessage::Assistant(answer), .. } => {
                    (&answer.provider, &answer.model)
                }
                TranscriptLine::Message { message: TranscriptMessage::User { content, .. }, .. } => {
                    summary.turns += 1;
                    if summary.title.is_empty() {
                        summary.title = build_title(content);
                    }
                    continue;
                }
                _ => continue,
            };
            // Without a provider, no model has answered, or a choice was reverted.
            if !provider.is_empty() {
                summary.model = Some(Reference { provider: provider.clone(), model: model.clone() });
            }
        }
        Some(summary)
    }
}

fn build_title(content: &[ContentBlock]) -> String {
    let words = content.iter().filter_map(ContentBlock::text).flat_map(str::split_whitespace);
    let words: Vec<&str> = words.take(MAX_TITLE_CHARS).collect();
    words.join(" ").chars().take(MAX_TITLE_CHARS).collect()
}

/// Usage of all answers of a session. Amounts are exact, and each currency has its own sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionUsage {
    /// The number of answers that reported their usage.
    pub answers: u64,
    /// Their tokens; `cost` is `None`, as there may be several currencies.
    pub tokens: AnswerUsage,
    /// One of each currency, by its code.
    pub costs: Vec<AnswerCosts>,
    /// How many of the answers have no price: a subscription, or a model without one.
    pub unpriced_answers: u64,
}

impl SessionUsage {
    /// The usage of these entries.
    #[must_use]
    pub fn from_entries(entries: &[TranscriptLine]) -> Self {
        let (mut total, mut costs) = (Self::default(), BTreeMap::<Currency, AnswerCosts>::new());
        let usages = entries.iter().filter_map(|entry| match entry {
            TranscriptLine::Message { message: TranscriptMessage::Assistant(answer), .. } => answer.usage,
            _ => None,
        });
        for usage in usages {
            total.answers += 1;
            total.tokens.add_tokens(&usage);
            match usage.cost {
                None => total.unpriced_answers += 1,
                Some(cost) => match costs.get_mut(&cost.currency) {
                    Some(sum) => sum.add(&cost),
                    None => drop(costs.insert(cost.currency, cost)),
                },
            }
        }
        total.costs = costs.into_values().collect();
        total
    }
}
