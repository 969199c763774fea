//! Names of attributes. Those of the conventions come from their crate; ours begin with `moonrelay.`.

#![expect(
    deprecated,
    reason = "the GenAI conventions moved to a repository of their own, and no crate of that one exists; the names are the same"
)]

use opentelemetry_semantic_conventions::attribute as conventions;

pub(super) const OPERATION: &str = conventions::GEN_AI_OPERATION_NAME;
pub(super) const PROVIDER: &str = conventions::GEN_AI_PROVIDER_NAME;
pub(super) const MODEL: &str = conventions::GEN_AI_REQUEST_MODEL;
pub(super) const STREAM: &str = conventions::GEN_AI_REQUEST_STREAM;
/// In seconds.
pub(super) const FIRST_CHUNK: &str = conventions::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK;
/// What the cache gave and took included.
pub(super) const INPUT: &str = conventions::GEN_AI_USAGE_INPUT_TOKENS;
/// Reasoning included.
pub(super) const OUTPUT: &str = conventions::GEN_AI_USAGE_OUTPUT_TOKENS;
pub(super) const CACHE_READ: &str = conventions::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS;
pub(super) const CACHE_WRITE: &str = conventions::GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS;
pub(super) const REASONING: &str = conventions::GEN_AI_USAGE_REASONING_OUTPUT_TOKENS;
pub(super) const SERVER_ADDRESS: &str = conventions::SERVER_ADDRESS;
pub(super) const SERVER_PORT: &str = conventions::SERVER_PORT;
pub(super) const ERROR: &str = conventions::ERROR_TYPE;
pub(super) const SERVICE_VERSION: &str = conventions::SERVICE_VERSION;
pub(super) const SERVICE_INSTANCE: &str = conventions::SERVICE_INSTANCE_ID;

pub(super) const REQUEST_ID: &str = "moonrelay.request.id";
pub(super) const CLIENT: &str = "moonrelay.client";
pub(super) const API: &str = "moonrelay.face";
pub(super) const TARGET_API: &str = "moonrelay.called";
pub(super) const REQUESTED: &str = "moonrelay.requested";
pub(super) const ANSWERED: &str = "moonrelay.answered";
pub(super) const STREAMED: &str = "moonrelay.streamed";
pub(super) const THINKING: &str = "moonrelay.thinking";
/// In seconds.
pub(super) const FIRST_BYTE: &str = "moonrelay.first_byte";
/// How many there were.
pub(super) const ATTEMPTS: &str = "moonrelay.attempts";
/// Which one it is, from 1.
pub(super) const ATTEMPT: &str = "moonrelay.attempt";
pub(super) const OUTCOME: &str = "moonrelay.outcome";
pub(super) const ESTIMATED: &str = "moonrelay.usage.estimated";
/// In the currency.
pub(super) const COST: &str = "moonrelay.cost";
pub(super) const CURRENCY: &str = "moonrelay.cost.currency";
pub(super) const PRICING: &str = "moonrelay.cost.pricing";
pub(super) const TARGET: &str = "moonrelay.target";
pub(super) const REASON: &str = "moonrelay.reason";
/// Why a target is in cooldown.
pub(super) const COOLDOWN_REASON: &str = "moonrelay.rest";
/// The name of an event.
pub(super) const TARGET_SKIPPED: &str = "moonrelay.target.skipped";
