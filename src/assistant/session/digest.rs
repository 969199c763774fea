//! A session in short, for lists: the words are passed over, so that hundreds of files are read at once.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::Total;
use crate::assistant::transcript::{Block, Spent, content};
use crate::config::settings::Reference;

/// So many characters of the first question are kept.
const FIRST_WORDS: usize = 200;

/// What a list says of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// RFC 3339; empty where the file does not say it.
    pub begun: String,
    /// When the last entry was written, in the same way.
    pub last: String,
    /// How often the person said something.
    pub turns: u64,
    /// How the first question begins, in one line; empty where there is none.
    pub first_words: String,
    /// Who answered last, else who was chosen last.
    pub model: Option<Reference>,
    /// What its answers used.
    pub total: Total,
    /// How many lines are broken.
    pub broken: u64,
}

/// As much of a line as is needed here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'l> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'l, str>,
    #[serde(default, borrow)]
    timestamp: Cow<'l, str>,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    model_id: Option<String>,
    #[serde(default, borrow)]
    message: Option<Words<'l>>,
}

#[derive(Deserialize)]
struct Words<'l> {
    #[serde(borrow)]
    role: Cow<'l, str>,
    #[serde(default, borrow)]
    content: Option<&'l RawValue>,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default, deserialize_with = "content::usage")]
    usage: Option<Spent>,
}

impl Digest {
    /// Of a file; `None` where it is no transcript.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let (mut digest, mut spent, mut begun) = (Self::default(), Vec::new(), false);
        let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        for line in lines.filter(|line| !line.is_empty()) {
            let Ok(entry) = serde_json::from_slice::<Entry<'_>>(line) else {
                digest.broken += u64::from(serde_json::from_slice::<IgnoredAny>(line).is_err());
                continue;
            };
            if entry.kind == "session" && !begun {
                begun = true;
                digest.begun = entry.timestamp.clone().into_owned();
            } else if !begun {
                return None;
            }
            if !entry.timestamp.is_empty() {
                digest.last = entry.timestamp.into_owned();
            }
            match (&*entry.kind, entry.message) {
                ("model_change", _) => digest.answered(entry.provider, entry.model_id),
                ("message", Some(words)) if words.role == "user" => {
                    digest.turns += 1;
                    if digest.first_words.is_empty() {
                        digest.first_words = words.content.map(first_words).unwrap_or_default();
                    }
                }
                ("message", Some(words)) if words.role == "assistant" => {
                    spent.extend(words.usage);
                    digest.answered(words.provider, words.model);
                }
                _ => {}
            }
        }
        digest.total = spent.into_iter().collect();
        begun.then_some(digest)
    }

    fn answered(&mut self, provider: Option<String>, model: Option<String>) {
        // Without a provider nobody has answered, or a choice was taken back.
        if let (Some(provider), Some(model)) = (provider.filter(|provider| !provider.is_empty()), model) {
            self.model = Some(Reference { provider, model });
        }
    }
}

fn first_words(content: &RawValue) -> String {
    let mut json = serde_json::Deserializer::from_str(content.get());
    let blocks = content::read(&mut json).unwrap_or_default();
    let texts = blocks.iter().filter_map(|block| match block {
        Block::Text { text } => Some(text.as_str()),
        _ => None,
    });
    let words: Vec<&str> = texts.flat_map(str::split_whitespace).take(FIRST_WORDS).collect();
    words.join(" ").chars().take(FIRST_WORDS).collect()
}
