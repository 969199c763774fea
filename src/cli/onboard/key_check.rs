//! Whether a provider takes a key, and where it would be taken instead.

use serde_json::{Value, json};

use super::choice::{Choice, Region};
use super::key;
use crate::catalog::AdapterId;
use crate::cli::exit::CommandError;
use crate::cli::key_product::uses_catalog_host;
use crate::cli::provider_query::{self, ModelList};
use crate::config::settings::{Auth, Header, Provider};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::upstream::Connector;

/// What came of it.
#[derive(Debug, PartialEq)]
pub(super) enum KeyVerdict {
    /// The key is valid. The ids of its model list, if that was requested, and what the account cannot do for
    /// now.
    Accepted { models: Option<Vec<String>>, note: Option<String> },
    /// The server reports nothing that confirms or rejects the key.
    Unverified { why: String },
    /// No request was sent.
    Skipped,
    /// It is one of Moonshot's other site.
    OtherRegion { right: Region },
    /// It is one of another product.
    OtherProduct { right: Choice, certain: bool },
    /// It is none, as the provider says.
    Refused { message: String },
    /// The provider did not answer, or not as it should.
    Unreachable { why: String },
}

/// The key to check, and where.
pub(super) struct KeyCheck<'p> {
    /// With the key as its first.
    pub(super) provider: &'p Provider,
    /// The site of Moonshot's platform that was chosen.
    pub(super) region: Option<Region>,
    /// The base URL of the other site's platform, if one was given.
    pub(super) other_base_url: Option<&'p str>,
}

/// Checks the key with the provider and, if that helps, with Moonshot's other site. A key with the prefix of
/// another product is not sent to a host of the catalog.
pub(super) async fn check_key(question: &KeyCheck<'_>, connector: &dyn Connector) -> KeyVerdict {
    let provider = question.provider;
    let secret = provider.keys.first().map(|key| &key.secret).filter(|_| provider.auth != Auth::None);
    let foreign = secret.and_then(|secret| key::choice_for_other_product(provider.adapter, secret));
    if let Some(right) = foreign
        && uses_catalog_host(provider)
    {
        return KeyVerdict::OtherProduct { right, certain: true };
    }
    match query_provider(provider, connector).await {
        KeyVerdict::Refused { message: said } => {
            if let Some(right) = foreign {
                return KeyVerdict::OtherProduct { right, certain: true };
            }
            if let Some(right) = find_other_region(question, connector).await {
                return KeyVerdict::OtherRegion { right };
            }
            match secret.and_then(|secret| key::suspect_product(provider.adapter, secret)) {
                Some(right) => KeyVerdict::OtherProduct { right, certain: false },
                None => KeyVerdict::Refused { message: said },
            }
        }
        verdict => verdict,
    }
}

/// One question. The list of models is open to everybody at OpenRouter, so there it is the key's own page (wire.md 3.4).
async fn query_provider(provider: &Provider, connector: &dyn Connector) -> KeyVerdict {
    let route = if provider.adapter == AdapterId::OpenRouter { "/key" } else { "/models" };
    let body = match provider_query::fetch(provider, route, connector).await {
        Ok(body) => body,
        Err(failure) => return classify_refusal(provider, &failure),
    };
    if route != "/models" {
        let is_one = serde_json::from_slice::<Value>(&body).is_ok_and(|value| value.get("data").is_some());
        return if is_one {
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
    KeyVerdict::Unreachable { why: format!("what answers GET {base}{route} is no such provider") }
}

/// What a refusal says of the key. One for the account's state comes after the key was recognised.
fn classify_refusal(provider: &Provider, failure: &Failure) -> KeyVerdict {
    let said = failure.message.clone();
    match (failure.reason, failure.status) {
        (Reason::Auth, Some(_)) => KeyVerdict::Refused { message: said },
        (Reason::Billing | Reason::Quota, Some(_)) => KeyVerdict::Accepted { models: None, note: Some(said) },
        // Any client can get this response. Kimi Code's client restriction applies to one API (wire.md 2.4).
        (Reason::RateLimit | Reason::Overloaded | Reason::ForbiddenClient, Some(_)) => {
            KeyVerdict::Unverified { why: said }
        }
        // Not every server has a list of models.
        (_, Some(404 | 405 | 501)) if provider.adapter == AdapterId::Generic => {
            KeyVerdict::Unverified { why: "the server has no list of models".to_owned() }
        }
        (_, Some(status)) => KeyVerdict::Unreachable { why: format!("it answered {status}: {said}") },
        (_, None) => KeyVerdict::Unreachable { why: said },
    }
}

/// The site of Moonshot's platform that accepts a key which this one rejected: keys are per site (wire.md 1.1).
/// The other site is tried only if the first was a site itself, or if its URL was given: the key is sent
/// nowhere else.
async fn find_other_region(question: &KeyCheck<'_>, connector: &dyn Connector) -> Option<Region> {
    let provider = question.provider;
    let asked = question.region.filter(|_| provider.adapter == AdapterId::Moonshot)?;
    let base = match question.other_base_url {
        Some(base) => base.trim_end_matches('/').to_owned(),
        None if uses_catalog_host(provider) => asked.other().base_url().to_owned(),
        None => return None,
    };
    // Headers of the user's are for the host that they were written for.
    let headers: Vec<Header> = Vec::new();
    let other = Provider { apis: vec![(Api::ChatCompletions, base)], headers, ..provider.clone() };
    matches!(query_provider(&other, connector).await, KeyVerdict::Accepted { .. }).then(|| asked.other())
}

impl KeyVerdict {
    /// Whether it may be written down.
    pub(super) const fn is_usable(&self) -> bool {
        matches!(self, Self::Accepted { .. } | Self::Unverified { .. } | Self::Skipped)
    }

    /// For people: what was found, of the provider with this name.
    pub(super) fn to_text(&self, choice: Choice, provider: &str) -> String {
        match self {
            Self::Accepted { models: Some(models), .. } => {
                format!("{provider} takes the key and lists {} models", models.len())
            }
            Self::Accepted { note: Some(note), .. } => format!("{provider} knows the key, but: {note}"),
            Self::Accepted { .. } => format!("{provider} takes the key"),
            Self::Unverified { why } => format!("whether {provider} takes the key is not known: {why}"),
            Self::Skipped => "the key was not checked".to_owned(),
            Self::OtherRegion { right } => format!(
                "the key is one of {}: {} takes it, and {} does not",
                right.name(),
                right.host(),
                right.other().host()
            ),
            Self::OtherProduct { right, certain } => {
                let is = if *certain { "is" } else { "is refused, and probably" };
                format!("the key {is} one of {}, not of {}", product_name(*right), product_name(choice))
            }
            Self::Refused { message: said } => format!("{provider} refuses the key: {said}"),
            Self::Unreachable { why } => {
                format!("{provider} cannot be asked whether it takes the key: {why}")
            }
        }
    }

    /// The word for `--json`.
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

    /// For `--json`.
    pub(super) fn to_json(&self) -> Value {
        let mut value = json!({ "result": self.as_str() });
        let more = match self {
            Self::Accepted { models, note } => [
                models.as_ref().map(|models| ("models", json!(models.len()))),
                note.as_ref().map(|note| ("note", json!(note))),
            ],
            Self::Unverified { why } => [Some(("note", json!(why))), None],
            _ => [None, None],
        };
        if let Some(object) = value.as_object_mut() {
            object.extend(more.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)));
        }
        value
    }

    /// The choice under which the key would be taken.
    pub(super) const fn correct_choice(&self) -> Option<Choice> {
        match self {
            Self::OtherRegion { right } => Some(right.choice()),
            Self::OtherProduct { right, .. } => Some(*right),
            _ => None,
        }
    }

    /// Why nothing was written, and what to do instead: exit 1.
    pub(super) fn to_error(&self, choice: Choice, provider: &str, instead: Option<String>) -> CommandError {
        let instead = instead.map(|instead| format!("\nit is set up with: {instead}")).unwrap_or_default();
        let words = self.to_text(choice, provider);
        CommandError::failure(
            self.as_str(),
            format!("{words}{instead}\nnothing was written; --skip-check writes the key all the same"),
        )
    }
}

/// Whose keys they are.
const fn product_name(choice: Choice) -> &'static str {
    match choice {
        Choice::KimiCodeApiKey | Choice::KimiCodeOauth => "Kimi Code (sk-kimi-…)",
        Choice::MoonshotApiKey | Choice::MoonshotApiKeyCn => "Moonshot's platform (sk-…)",
        Choice::OpenrouterApiKey => "OpenRouter (sk-or-…)",
        Choice::Custom => "this server",
    }
}

#[cfg(test)]
mod tests;
