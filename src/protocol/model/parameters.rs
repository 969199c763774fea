//! The request fields outside the conversation. Values are kept as the client wrote them; the provider
//! validates them.

use super::node::{JsonNode, ObjectNode, StringLiteral};

#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters<'t> {
    pub(crate) model: Option<&'t [u8]>,
    /// Whether the client requests a stream; absent if the client does not specify it.
    pub(crate) stream: Option<bool>,
    /// The output limit in tokens.
    pub(crate) max_tokens: Option<&'t [u8]>,
    pub(crate) temperature: Option<&'t [u8]>,
    pub(crate) top_p: Option<&'t [u8]>,
    pub(crate) top_k: Option<&'t [u8]>,
    pub(crate) stop_sequences: Vec<StringLiteral<'t>>,
    pub(crate) user: Option<StringLiteral<'t>>,
    /// The end user, for the provider's watch over abuse.
    pub(crate) safety_identifier: Option<StringLiteral<'t>>,
    /// Sixteen pairs of strings.
    pub(crate) metadata: Option<&'t [u8]>,
    /// The service tier, in OpenAI's terms.
    pub(crate) service_tier: Option<StringLiteral<'t>>,
    /// Fields of the prompt cache by their name, which chat and responses share.
    pub(crate) cache_fields: Vec<(&'static str, &'t [u8])>,
    /// Top-level `cache_control`: the provider marks the end of the conversation itself.
    pub(crate) cache_control: Option<&'t [u8]>,
    /// OpenRouter's routing fields by their name.
    pub(crate) routing: Vec<(&'static str, &'t [u8])>,
    pub(crate) verbosity: Option<&'t [u8]>,
    pub(crate) response_format: Option<ResponseFormat<'t>>,
}

#[derive(Clone, Debug)]
pub(crate) enum ResponseFormat<'t> {
    /// Some JSON object.
    JsonObject,
    /// JSON that matches a schema.
    JsonSchema {
        name: Option<StringLiteral<'t>>,
        description: Option<StringLiteral<'t>>,
        /// The schema: the client's bytes.
        schema: &'t [u8],
        /// Whether it must.
        is_strict: Option<bool>,
    },
}

/// The names of the prompt cache's fields, as chat and responses have them (OpenAI's API reference, 2026-11).
const CACHE_FIELDS: [&str; 3] = ["prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"];

/// OpenRouter's own fields about the choice of a model and provider (SDK 1.3.19).
const ROUTING_FIELDS: [&str; 5] = ["provider", "models", "plugins", "transforms", "session_id"];

impl<'t> Parameters<'t> {
    /// The fields that have the same name in all three formats.
    pub(crate) fn from_shared_fields(top: &ObjectNode<'t>) -> Self {
        let raw = |key: &str| top.get(key).map(JsonNode::raw);
        Self {
            model: raw("model"),
            stream: top.get("stream").and_then(JsonNode::as_bool),
            temperature: raw("temperature"),
            cache_control: raw("cache_control"),
            routing: ROUTING_FIELDS.into_iter().filter_map(|key| Some((key, raw(key)?))).collect(),
            top_p: raw("top_p"),
            ..Self::default()
        }
    }

    /// The fields that have the same name in Chat Completions and Responses.
    pub(crate) fn from_openai_fields(top: &ObjectNode<'t>) -> Self {
        let raw = |key: &str| top.get(key).map(JsonNode::raw);
        Self {
            user: top.literal("user"),
            safety_identifier: top.literal("safety_identifier"),
            metadata: raw("metadata"),
            service_tier: top.literal("service_tier"),
            cache_fields: CACHE_FIELDS.into_iter().filter_map(|key| Some((key, raw(key)?))).collect(),
            ..Self::from_shared_fields(top)
        }
    }
}

impl<'t> ResponseFormat<'t> {
    /// From the object with name and schema (`json_schema` of Chat Completions, `text.format` of Responses).
    /// Without a schema it is some JSON object.
    pub(crate) fn from_schema_object(object: &ObjectNode<'t>) -> Self {
        let Some(schema) = object.get("schema") else { return Self::JsonObject };
        Self::JsonSchema {
            name: object.literal("name"),
            description: object.literal("description"),
            schema: schema.raw(),
            is_strict: object.get("strict").and_then(JsonNode::as_bool),
        }
    }
}
