//! Summary and usage of a session.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::assistant::transcript::{
    self, AnswerCosts, AnswerUsage, ContentBlock, Currency, TranscriptLine, TranscriptMessage,
};
use crate::config::settings::Reference;

/// So many characters of the first question are kept.
const MAX_TITLE_CHARS: usize = 200;

/// What a list says of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSummary {
    /// RFC 3339; empty where the file does not say it.
    pub started_at: String,
    /// When the last entry was written, in the same format.
    pub updated_at: String,
    /// Number of user messages.
    pub turns: u64,
    /// How the first question begins, in one line; empty where there is none.
    pub title: String,
    /// The model that answered last, else the one that was chosen last.
    pub model: Option<Reference>,
    /// What its answers used.
    pub usage: SessionUsage,
    /// How many lines are broken.
    pub corrupt_lines: u64,
}

/// As much of a line as is needed here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryFields<'l> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'l, str>,
    #[serde(default, borrow)]
    timestamp: Cow<'l, str>,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    model_id: Option<String>,
    #[serde(default, borrow)]
    message: Option<MessageFields<'l>>,
}

#[derive(Deserialize)]
struct MessageFields<'l> {
    #[serde(borrow)]
    role: Cow<'l, str>,
    #[serde(default, borrow)]
    content: Option<&'l RawValue>,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default, deserialize_with = "transcript::read_usage")]
    usage: Option<AnswerUsage>,
}

impl SessionSummary {
    /// Of a file; `None` if it is not a transcript.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (mut digest, mut spent, mut begun) = (Self::default(), Vec::new(), false);
        let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        for line in lines.filter(|line| !line.is_empty()) {
            let Ok(entry) = serde_json::from_slice::<EntryFields<'_>>(line) else {
                digest.corrupt_lines += u64::from(serde_json::from_slice::<IgnoredAny>(line).is_err());
                continue;
            };
            if entry.kind == "session" && !begun {
                begun = true;
                digest.started_at = entry.timestamp.clone().into_owned();
            } else if !begun {
                return None;
            }
            if !entry.timestamp.is_empty() {
                digest.updated_at = entry.timestamp.into_owned();
            }
            match (&*entry.kind, entry.message) {
                ("model_change", _) => digest.set_model(entry.provider, entry.model_id),
                ("message", Some(words)) if words.role == "user" => {
                    digest.turns += 1;
                    if digest.title.is_empty() {
                        digest.title = words.content.map(extract_title).unwrap_or_default();
                    }
                }
                ("message", Some(words)) if words.role == "assistant" => {
                    spent.extend(words.usage);
                    digest.set_model(words.provider, words.model);
                }
                _ => {}
            }
        }
        digest.usage = spent.into_iter().collect();
        begun.then_some(digest)
    }

    fn set_model(&mut self, provider: Option<String>, model: Option<String>) {
        // Without a provider, no model has answered, or a choice was reverted.
        if let (Some(provider), Some(model)) = (provider.filter(|provider| !provider.is_empty()), model) {
            self.model = Some(Reference { provider, model });
        }
    }
}

fn extract_title(content: &RawValue) -> String {
    let mut json = serde_json::Deserializer::from_str(content.get());
    let blocks = transcript::read_content(&mut json).unwrap_or_default();
    let texts = blocks.iter().filter_map(|block| match block {
        ContentBlock::Text { text } => Some(text.as_str()),
        _ => None,
    });
    let words: Vec<&str> = texts.flat_map(str::split_whitespace).take(MAX_TITLE_CHARS).collect();
    words.join(" ").chars().take(MAX_TITLE_CHARS).collect()
}

/// Tokens, and what they cost: exact, each currency by itself.
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
    /// Of these entries.
    pub fn from_entries<'l>(entries: impl IntoIterator<Item = &'l TranscriptLine>) -> Self {
        let used = entries.into_iter().filter_map(|entry| match entry {
            TranscriptLine::Message { message: TranscriptMessage::Assistant(answer), .. } => {
                answer.usage.as_ref()
            }
            _ => None,
        });
        used.copied().collect()
    }
}

impl FromIterator<AnswerUsage> for SessionUsage {
    fn from_iter<I: IntoIterator<Item = AnswerUsage>>(all: I) -> Self {
        let (mut total, mut costs) = (Self::default(), BTreeMap::<Currency, AnswerCosts>::new());
        for spent in all {
            total.answers += 1;
            let sum = &mut total.tokens;
            sum.input = sum.input.saturating_add(spent.input);
            sum.output = sum.output.saturating_add(spent.output);
            sum.cache_read = sum.cache_read.saturating_add(spent.cache_read);
            sum.cache_write = sum.cache_write.saturating_add(spent.cache_write);
            sum.total_tokens = sum.total_tokens.saturating_add(spent.total_tokens);
            match spent.cost {
                Some(cost) => add_costs(costs.entry(cost.currency).or_default(), cost),
                None => total.unpriced_answers += 1,
            }
        }
        total.costs = costs.into_values().collect();
        total
    }
}

fn add_costs(sum: &mut AnswerCosts, cost: AnswerCosts) {
    *sum = AnswerCosts {
        input: sum.input.saturating_add(cost.input),
        output: sum.output.saturating_add(cost.output),
        cache_read: sum.cache_read.saturating_add(cost.cache_read),
        cache_write: sum.cache_write.saturating_add(cost.cache_write),
        total: sum.total.saturating_add(cost.total),
        currency: cost.currency,
    };
}
