//! Requests: the client's body becomes the provider's by edits of spans.

use serde_json::{Map, Value};

use crate::catalog::{DialectId, Model, ThinkingLevel};
use crate::failure::Failure;
use crate::wire::chat::ChatBody;
use crate::wire::edit::Edits;

/// What a rewrite needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The client's body.
    pub body: &'a ChatBody,
    /// Facts of the model, compat flags included.
    pub model: &'a Model,
    /// The id that the provider is to see.
    pub wire_model: &'a str,
    /// `params` of the configuration: they fill only what the client left out.
    pub params: &'a Map<String, Value>,
    /// `thinkingDefault`; after `params`, and only what is still left out.
    pub thinking: Option<ThinkingLevel>,
    /// `sanitizeToolCallIds`.
    pub sanitize_tool_call_ids: bool,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Rewritten {
    /// The changes.
    pub edits: Edits,
    /// The rules that changed something, in order, without repetition.
    pub rules: Vec<&'static str>,
    /// What the answer needs.
    pub answer: AnswerPlan,
}

/// What must be done to the answer so that the client does not notice the rewrite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerPlan {
    /// Tool names as sent, and as the client knows them.
    pub tool_names: Vec<(String, String)>,
    /// The client did not ask for usage in the stream: hide it.
    pub hide_usage: bool,
    /// Names of the request's tools as sent: leaked markup becomes calls only where tools were offered.
    pub offers_tools: bool,
}

/// Rewrites a request for one provider.
///
/// # Errors
/// When the request breaks a rule of the provider that no rewrite can mend: the failure to record without a call.
pub fn rewrite(dialect: DialectId, request: &Request<'_>) -> Result<Rewritten, Failure> {
    let _ = (dialect, request);
    Ok(Rewritten::default())
}
