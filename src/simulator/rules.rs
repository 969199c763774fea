//! What the real providers refuse, with their own statuses, types and texts.
//!
//! Moonshot and Kimi Code share one engine and so one set of rules; OpenRouter ignores what it does not know, and applies
//! Moonshot's rules only where the request pins Moonshot's own endpoint.

mod access;
mod messages;
mod parameters;
mod schema;
mod tools;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub(super) use access::{GATE, KIMI_WRONG_KEY, authorize, gate};

use super::engine::request::{Request, list};
use super::engine::web;
use super::face::Face;
use super::provider::Provider;
use super::refusal::Refusal;
use super::roster::{self, Model, Thinking};

/// What decides, beside the request.
#[derive(Clone, Copy)]
pub(super) struct Rulebook {
    /// Off: only the model and the messages' presence are checked.
    pub(super) strict: bool,
    /// On: the first model answers for those that the provider does not have.
    pub(super) open: bool,
    /// Kimi Code's limit on the bytes of `messages`.
    pub(super) message_bytes: usize,
}

/// The model that answers, if nothing speaks against the request.
///
/// # Errors
/// The refusal that the provider would send.
pub(super) fn judge(
    provider: Provider,
    request: &Request,
    book: Rulebook,
) -> Result<&'static Model, Refusal> {
    let model = known(provider, request, book)?;
    if !book.strict {
        return Ok(model);
    }
    match (request.face, &request.sent) {
        (Face::Messages, Some(sent)) => super::messages::check::check(provider, model, sent)?,
        (Face::Responses, Some(sent)) => super::responses::check::check(provider, sent)?,
        _ => {}
    }
    match provider {
        Provider::Moonshot | Provider::Kimi => engine(provider, model, request, book)?,
        Provider::OpenRouter => {
            messages::fits_openrouter(model, request)?;
            if pinned_to_moonshot(model, request) {
                engine(Provider::Moonshot, model, request, book).map_err(Refusal::through_openrouter)?;
            }
        }
    }
    Ok(model)
}

/// The model that is asked for, if there is something to ask it.
///
/// # Errors
/// The refusal of an unknown model, or of an empty list of messages.
pub(super) fn known(
    provider: Provider,
    request: &Request,
    book: Rulebook,
) -> Result<&'static Model, Refusal> {
    let stand_in = roster::models(provider).first().filter(|_| book.open);
    let model = choose(provider, request).or_else(|refusal| stand_in.ok_or(refusal))?;
    messages::present(provider, request)?;
    Ok(model)
}

/// Whether the model thinks in this request.
pub(super) fn thinks(model: &Model, request: &Request) -> bool {
    let off = match model.vendor {
        "Moonshot AI" => {
            request.thinking_type() == Some("disabled")
                || request.body.pointer("/reasoning/enabled") == Some(&Value::Bool(false))
                || request.body.pointer("/reasoning/effort").and_then(Value::as_str) == Some("none")
        }
        _ => true,
    };
    match model.thinking {
        Thinking::Never => false,
        Thinking::Always => true,
        Thinking::Switch | Thinking::Effort => !off,
    }
}

fn choose(provider: Provider, request: &Request) -> Result<&'static Model, Refusal> {
    let asked = request.model();
    if let Some(model) = roster::find(provider, asked) {
        return Ok(model);
    }
    if provider != Provider::OpenRouter {
        return Err(Refusal::unknown_model(asked));
    }
    let fallbacks = list(request.body.get("models")).iter().filter_map(Value::as_str);
    fallbacks.filter_map(|id| roster::find(provider, id)).next().ok_or_else(|| {
        if asked.is_empty() {
            Refusal::bad("No models provided")
        } else {
            Refusal::bad(format!("{asked} is not a valid model ID"))
        }
    })
}

fn engine(provider: Provider, model: &Model, request: &Request, book: Rulebook) -> Result<(), Refusal> {
    parameters::check(provider, model, request)?;
    tools::check(provider, model, request)?;
    messages::check(provider, model, request)?;
    web::check(provider, request)?;
    messages::fits(provider, model, request, book.message_bytes)
}

/// Whether OpenRouter may ask nobody but Moonshot.
fn pinned_to_moonshot(model: &Model, request: &Request) -> bool {
    let first_is_moonshot = |key: &str| {
        list(request.body.pointer(key))
            .first()
            .and_then(Value::as_str)
            .is_some_and(|name| name.to_ascii_lowercase().starts_with("moonshot"))
    };
    let only = list(request.body.pointer("/provider/only")).len() == 1 && first_is_moonshot("/provider/only");
    let alone = request.body.pointer("/provider/allow_fallbacks") == Some(&Value::Bool(false));
    model.id.starts_with("moonshotai/") && (only || (alone && first_is_moonshot("/provider/order")))
}
