//! The fields of a request beside the conversation itself. Values stand as the client wrote them: whether a
//! temperature is one is for the provider to say.

use super::super::node::{Literal, Node, Object};

/// The fields.
#[derive(Clone, Debug, Default)]
pub struct Knobs<'t> {
    /// The model's name.
    pub model: Option<&'t [u8]>,
    /// Whether the answer is to come as a stream; absent where the client does not say.
    pub stream: Option<bool>,
    /// The output limit in tokens.
    pub max_tokens: Option<&'t [u8]>,
    /// `temperature`.
    pub temperature: Option<&'t [u8]>,
    /// `top_p`.
    pub top_p: Option<&'t [u8]>,
    /// `top_k`.
    pub top_k: Option<&'t [u8]>,
    /// Stop sequences.
    pub stops: Vec<Literal<'t>>,
    /// The end user.
    pub user: Option<Literal<'t>>,
    /// The end user, for the provider's watch over abuse.
    pub safety_identifier: Option<Literal<'t>>,
    /// Sixteen pairs of strings.
    pub metadata: Option<&'t [u8]>,
    /// The service tier, in OpenAI's words.
    pub tier: Option<Literal<'t>>,
    /// Fields of the prompt cache by their name, which chat and responses share.
    pub cache: Vec<(&'static str, &'t [u8])>,
    /// How wordy the answer shall be.
    pub verbosity: Option<&'t [u8]>,
    /// The answer's form.
    pub format: Option<Format<'t>>,
}

/// The answer's form.
#[derive(Clone, Debug)]
pub enum Format<'t> {
    /// Some JSON object.
    Json,
    /// JSON that keeps to a schema.
    Schema {
        /// The schema's name.
        name: Option<Literal<'t>>,
        /// What it is for.
        description: Option<Literal<'t>>,
        /// The schema: the client's bytes.
        schema: &'t [u8],
        /// Whether it must.
        strict: Option<bool>,
    },
}

/// The names of the prompt cache's fields, as chat and responses have them (OpenAI's API reference, 2026-11).
const CACHE: [&str; 3] = ["prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"];

impl<'t> Knobs<'t> {
    /// What all three faces call by the same name.
    pub(in crate::protocol::translate) fn shared(top: &Object<'t>) -> Self {
        let raw = |key: &str| top.get(key).map(Node::raw);
        Self {
            model: raw("model"),
            stream: top.get("stream").and_then(Node::flag),
            temperature: raw("temperature"),
            top_p: raw("top_p"),
            ..Self::default()
        }
    }

    /// What chat and responses call by the same name.
    pub(in crate::protocol::translate) fn of_openai(top: &Object<'t>) -> Self {
        let raw = |key: &str| top.get(key).map(Node::raw);
        Self {
            user: top.literal("user"),
            safety_identifier: top.literal("safety_identifier"),
            metadata: raw("metadata"),
            tier: top.literal("service_tier"),
            cache: CACHE.into_iter().filter_map(|key| Some((key, raw(key)?))).collect(),
            ..Self::shared(top)
        }
    }
}

impl<'t> Format<'t> {
    /// Of the object that holds name and schema (`json_schema` of chat, `text.format` of responses).
    pub(in crate::protocol::translate) fn of_schema(object: &Object<'t>) -> Option<Self> {
        Some(Self::Schema {
            name: object.literal("name"),
            description: object.literal("description"),
            schema: object.get("schema")?.raw(),
            strict: object.get("strict").and_then(Node::flag),
        })
    }
}
