//! A session in short, for lists: the words are passed over, so that hundreds of files are read at once.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::SessionUsage;
use crate::assistant::transcript::{AnswerUsage, ContentBlock, content};
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
    /// How often the person said something.
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
    #[serde(default, deserialize_with = "content::usage")]
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
    let blocks = content::read(&mut json).unwrap_or_default();
    let texts = blocks.iter().filter_map(|block| match block {
        ContentBlock::Text { text } => Some(text.as_str()),
        _ => None,
    });
    let words: Vec<&str> = texts.flat_map(str::split_whitespace).take(MAX_TITLE_CHARS).collect();
    words.join(" ").chars().take(MAX_TITLE_CHARS).collect()
}
