//! What is read more generously than it is written: OpenClaw's lines have more forms than ours.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{AnswerUsage, ContentBlock};

/// A list of blocks, or plain text. Blocks of other kinds (an image) are left out.
pub(in crate::assistant) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ContentBlock>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Content {
        Text(String),
        Blocks(Vec<Value>),
    }
    Ok(match Content::deserialize(from)? {
        Content::Text(text) => vec![ContentBlock::Text { text }],
        Content::Blocks(blocks) => {
            blocks.into_iter().filter_map(|block| serde_json::from_value(block).ok()).collect()
        }
    })
}

/// The usage, or `None` if it is in an unknown format: the answer matters more than its price.
pub(in crate::assistant) fn usage<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<AnswerUsage>, D::Error> {
    let told = Value::deserialize(from)?;
    Ok(serde_json::from_value(told).ok())
}
