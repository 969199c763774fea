//! Reads a key and checks it: whether the provider accepts it, and which other provider would.

use std::io::Read;

use http::HeaderValue;
use serde_json::{Value, json};

use super::choice::{Choice, Region};
use crate::catalog::AdapterId;
use crate::cli::command::CommandError;
use crate::config::settings::{Auth, Provider};
use crate::doctor::provider_query::{self, ModelList, detect_other_product, uses_catalog_host};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::secret::Secret;
use crate::upstream::Connector;

/// Reads a key from standard input: one line.
pub(super) fn read_key_from_stdin() -> Result<Secret, CommandError> {
    /// Longer than any key. A file with other content is not read to its end.
    const MAX_BYTES: u64 = 64 * 1024;
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())
        .and_then(|_| parse_key(&text))
        .map_err(|why| CommandError::usage(format!("--api-key-stdin: {why}")))
}

/// Parses a key, without the white space around it. The error does not contain the key.
pub(super) fn parse_key(text: &str) -> Result<Secret, String> {
    let key = text.trim();
    let why = if key.is_empty() {
        "no key"
    } else if key.contains(char::is_whitespace) {
        "the key contains white space"
    } else if key.starts_with(['"', '\'']) {
        // The secrets file strips quotes.
        "the key is in quotes: remove them"
    } else if !key.is_ascii() || HeaderValue::from_str(key).is_err() {
        "the key contains characters that are not allowed in a key"
    } else {
        return Ok(Secret::new(key.to_owned()));
    };
    Err(why.to_owned())
}

/// The choice that this key belongs to, if its prefix is that of another product than the adapter's.
pub(super) fn choice_for_other_product(adapter: AdapterId, key: &Secret) -> Option<Choice> {
    match detect_other_product(adapter, key)? {
        AdapterId::KimiCode => Some(Choice::KimiCodeApiKey),
        AdapterId::OpenRouter => Some(Choice::OpenrouterApiKey),
        AdapterId::Moonshot | AdapterId::Generic => None,
    }
}

/// The choice that a rejected key probably belongs to: a plain `sk-…` at Kimi Code or OpenRouter is most likely a key
/// of Moonshot's platform.
pub(super) fn suspect_product(adapter: AdapterId, key: &Secret) -> Option<Choice> {
    let is_plain = key.expose().starts_with("sk-")
        && !["sk-kimi-", "sk-or-", "sk-ant-", "sk-proj-"].iter().any(|start| key.expose().starts_with(start));
    match adapter {
        AdapterId::KimiCode | AdapterId::OpenRouter if is_plain => Some(Choice::MoonshotApiKey),
        _ => None,
    }
}

/// The result of a check.
#[derive(Debug, PartialEq)]
pub(super) enum KeyVerdict {
    /// The key is valid. `models`: the ids of the account's list, if it was requested; `note`: a limit of the account.
    Accepted { models: Option<Vec<String>>, note: Option<String> },
    /// The server neither confirms nor rejects the key.
    Unverified { why: String },
    /// No request was sent.
    Skipped,
    /// The key belongs to Moonshot's other region.
    OtherRegion { right: Region },
    /// The key belongs to another product.
    OtherProduct { right: Choice, certain: bool },
    /// The provider rejects the key.
    Refused { message: String },
    /// The provider did not respond, or not as a provider.
    Unreachable { why: String },
}

/// Checks the provider's first key with the provider and, if that helps, with Moonshot's other region. A key with the prefix of
/// another product is not sent to a host of the catalog.
pub(super) async fn check_key(
    provider: &Provider,
    region: Option<Region>,
    other_base_url: Option<&str>,
    connector: &dyn Connector,
) -> KeyVerdict {
    let secret = provider.keys.first().map(|key| &key.secret).filter(|_| provider.auth != Auth::None);
    let foreign = secret.and_then(|secret| choice_for_other_product(provider.adapter, secret));
    if let Some(right) = foreign
        && uses_catalog_host(provider)
    {
        return KeyVerdict::OtherProduct { right, certain: true };
    }
    match query_provider(provider, connector).await {
        KeyVerdict::Refused { message } => {
            if let Some(right) = foreign {
                return KeyVerdict::OtherProduct { right, certain: true };
            }
            let region = region.filter(|_| provider.adapter == AdapterId::Moonshot);
            if let Some(region) = region
                && accepts_in_other_region(provider, region, other_base_url, connector).await
            {
                return KeyVerdict::OtherRegion { right: region.other() };
            }
            match secret.and_then(|secret| suspect_product(provider.adapter, secret)) {
                Some(right) => KeyVerdict::OtherProduct { right, certain: false },
                None => KeyVerdict::Refused { message },
            }
        }
        verdict => verdict,
    }
}

/// Sends one request. The list of models of OpenRouter is public, so there the page of the key is requested (wire.md 3.4).
async fn query_provider(provider: &Provider, connector: &dyn Connector) -> KeyVerdict {
    let route = if provider.adapter == AdapterId::OpenRouter { "/key" } else { "/models" };
    let body = match provider_query::fetch(provider, route, connector).await {
        Ok(body) => body,
        Err(failure) => return classify_refusal(provider, &failure),
    };
    if route != "/models" {
        let is_key = serde_json::from_slice::<Value>(&body).is_ok_and(|value| value.get("data").is_some());
        return if is_key {
            KeyVerdict::Accepted { models: None, note: None }
        } else {
            unexpected_response(provider, route)
        };
    }
    match serde_json::from_slice::<ModelList>(&body) {
        Ok(listing) => {
            let redactor = provider.redactor();
            let models = listing.data.into_iter().map(|model| redactor.redact_values(&model.id)).collect();
            KeyVerdict::Accepted { models: Some(models), note: None }
        }
        Err(_) => unexpected_response(provider, route),
    }
}

fn unexpected_response(provider: &Provider, route: &str) -> KeyVerdict {
    let base = provider_query::api_base(provider).map_or("", |(_, base)| base);
    KeyVerdict::Unreachable { why: format!("unexpected response to GET {base}{route}") }
}

/// What an error means for the key. An error about the account's balance implies that the key is valid.
fn classify_refusal(provider: &Provider, failure: &Failure) -> KeyVerdict {
    let message = failure.message.clone();
    match (failure.reason, failure.status) {
        (Reason::Auth, Some(_)) => KeyVerdict::Refused { message },
        (Reason::Billing | Reason::Quota, Some(_)) => {
            KeyVerdict::Accepted { models: None, note: Some(message) }
        }
        // These say nothing about the key. Kimi Code restricts clients on one API only (wire.md 2.4).
        (Reason::RateLimit | Reason::Overloaded | Reason::ForbiddenClient, Some(_)) => {
            KeyVerdict::Unverified { why: message }
        }
        // Not every server has a list of models.
        (_, Some(404 | 405 | 501)) if provider.adapter == AdapterId::Generic => {
            KeyVerdict::Unverified { why: "the server has no list of models".to_owned() }
        }
        (_, Some(status)) => KeyVerdict::Unreachable { why: format!("status {status}: {message}") },
        (_, None) => KeyVerdict::Unreachable { why: message },
    }
}

/// Whether Moonshot's other region accepts a key that this one rejected: keys are per region (wire.md 1.1). The key is
/// sent there only if this region is a host of the catalog, or if the user gave the URL.
async fn accepts_in_other_region(
    provider: &Provider,
    region: Region,
    other_base_url: Option<&str>,
    connector: &dyn Connector,
) -> bool {
    let base = match other_base_url {
        Some(base) => base.trim_end_matches('/').to_owned(),
        None if uses_catalog_host(provider) => region.other().base_url().to_owned(),
        None => return false,
    };
    // The user's headers are for the configured host only.
    let other =
        Provider { apis: vec![(Api::ChatCompletions, base)], headers: Vec::new(), ..provider.clone() };
    matches!(query_provider(&other, connector).await, KeyVerdict::Accepted { .. })
}

impl KeyVerdict {
    /// Whether the key may be saved.
    pub(super) const fn is_usable(&self) -> bool {
        matches!(self, Self::Accepted { .. } | Self::Unverified { .. } | Self::Skipped)
    }

    /// The message for people. `provider` is its name there.
    pub(super) fn to_text(&self, choice: Choice, provider: &str) -> String {
        match self {
            Self::Accepted { models: Some(models), .. } => {
                format!("{provider} accepts the key and lists {} models", models.len())
            }
            Self::Accepted { note: Some(note), .. } => format!("{provider} accepts the key, but: {note}"),
            Self::Accepted { .. } => format!("{provider} accepts the key"),
            Self::Unverified { why } => format!("cannot tell whether {provider} accepts the key: {why}"),
            Self::Skipped => "the key was not checked".to_owned(),
            Self::OtherRegion { right } => format!(
                "the key belongs to {}: {} accepts it, and {} does not",
                right.name(),
                right.host(),
                right.other().host()
            ),
            Self::OtherProduct { right, certain } => {
                let how =
                    if *certain { "the key belongs" } else { "the key is rejected; it probably belongs" };
                format!("{how} to {}, not to {}", right.info().product, choice.info().product)
            }
            Self::Refused { message } => format!("{provider} rejects the key: {message}"),
            Self::Unreachable { why } => format!("cannot check the key with {provider}: {why}"),
        }
    }

    /// `check.result`, or `error.type`, of the JSON output.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "ok",
            Self::Unverified { .. } => "unjudged",
            Self::Skipped => "skipped",
            Self::OtherRegion { .. } => "wrong_region",
            Self::OtherProduct { .. } => "wrong_product",
            Self::Refused { .. } => "key_refused",
            Self::Unreachable { .. } => "unreachable",
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut value = json!({ "result": self.as_str() });
        if let Self::Accepted { models: Some(models), .. } = self {
            value["models"] = json!(models.len());
        }
        if let Self::Accepted { note: Some(note), .. } | Self::Unverified { why: note } = self {
            value["note"] = json!(note);
        }
        value
    }

    /// The choice that would accept the key.
    pub(super) const fn correct_choice(&self) -> Option<Choice> {
        match self {
            Self::OtherRegion { right } => Some(right.choice()),
            Self::OtherProduct { right, .. } => Some(*right),
            _ => None,
        }
    }

    /// Why nothing was written: exit 1. `command` configures the right provider.
    pub(super) fn to_error(&self, choice: Choice, provider: &str, command: Option<String>) -> CommandError {
        let hint = command.map(|command| format!("\nUse instead: {command}")).unwrap_or_default();
        let text = self.to_text(choice, provider);
        let why = format!("{text}{hint}\nNothing was written. --skip-check saves the key without a check.");
        CommandError::failure(self.as_str(), why)
    }
}
