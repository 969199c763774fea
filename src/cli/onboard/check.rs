//! Whether a provider takes a key, and where it would be taken instead.

use serde_json::{Value, json};

use super::choice::{Choice, Region};
use super::key;
use crate::catalog::DialectId;
use crate::cli::exit::Ending;
use crate::cli::listing::{self, Listing};
use crate::cli::product::is_of_the_catalog;
use crate::config::settings::{Auth, Header, Provider};
use crate::failure::{Failure, Reason};
use crate::protocol::face::Face;
use crate::upstream::Connector;

/// What came of it.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It is good. The ids of its list of models, where that was asked, and what the account cannot do for now.
    Taken { models: Option<Vec<String>>, note: Option<String> },
    /// The server tells nothing that a key could be judged by.
    Unjudged { why: String },
    /// Nobody was asked.
    Skipped,
    /// It is one of Moonshot's other site.
    OtherRegion { right: Region },
    /// It is one of another product.
    OtherProduct { right: Choice, certain: bool },
    /// It is none, as the provider says.
    Refused { said: String },
    /// The provider did not answer, or not as it should.
    Unreachable { why: String },
}

/// What is asked.
pub(super) struct Question<'p> {
    /// With the key as its first.
    pub(super) provider: &'p Provider,
    /// The site of Moonshot's platform that was chosen.
    pub(super) region: Option<Region>,
    /// Where the other site's platform is, where somebody said so.
    pub(super) other_base: Option<&'p str>,
}

/// Asks the provider, and where that helps Moonshot's other site. A key whose beginning says that it is somebody else's
/// is not sent to a host of the catalog.
pub(super) async fn check(question: &Question<'_>, connector: &dyn Connector) -> Verdict {
    let provider = question.provider;
    let secret = provider.keys.first().map(|key| &key.secret).filter(|_| provider.auth != Auth::None);
    let foreign = secret.and_then(|secret| key::other_product(provider.dialect, secret));
    if let Some(right) = foreign
        && is_of_the_catalog(provider)
    {
        return Verdict::OtherProduct { right, certain: true };
    }
    match ask(provider, connector).await {
        Verdict::Refused { said } => {
            if let Some(right) = foreign {
                return Verdict::OtherProduct { right, certain: true };
            }
            if let Some(right) = other_region(question, connector).await {
                return Verdict::OtherRegion { right };
            }
            match secret.and_then(|secret| key::suspected(provider.dialect, secret)) {
                Some(right) => Verdict::OtherProduct { right, certain: false },
                None => Verdict::Refused { said },
            }
        }
        verdict => verdict,
    }
}

/// One question. The list of models is open to everybody at OpenRouter, so there it is the key's own page (wire.md 3.4).
async fn ask(provider: &Provider, connector: &dyn Connector) -> Verdict {
    let route = if provider.dialect == DialectId::OpenRouter { "/key" } else { "/models" };
    let body = match listing::get(provider, route, connector).await {
        Ok(body) => body,
        Err(failure) => return refused(provider, &failure),
    };
    if route != "/models" {
        let is_one = serde_json::from_slice::<Value>(&body).is_ok_and(|value| value.get("data").is_some());
        return if is_one { Verdict::Taken { models: None, note: None } } else { strange(provider, route) };
    }
    match serde_json::from_slice::<Listing>(&body) {
        Ok(listing) => {
            let redactor = provider.redactor();
            let models = listing.data.into_iter().map(|model| redactor.redact_values(&model.id)).collect();
            Verdict::Taken { models: Some(models), note: None }
        }
        Err(_) => strange(provider, route),
    }
}

fn strange(provider: &Provider, route: &str) -> Verdict {
    let base = listing::base(provider).map_or("", |(_, base)| base);
    Verdict::Unreachable { why: format!("what answers GET {base}{route} is no such provider") }
}

/// What a refusal says of the key. One for the account's state comes after the key was recognised.
fn refused(provider: &Provider, failure: &Failure) -> Verdict {
    let said = failure.message.clone();
    match (failure.reason, failure.status) {
        (Reason::Auth, Some(_)) => Verdict::Refused { said },
        (Reason::Billing | Reason::Quota, Some(_)) => Verdict::Taken { models: None, note: Some(said) },
        // Said to anybody. Kimi Code's gate is for the clients of one face (wire.md 2.4).
        (Reason::RateLimit | Reason::Overloaded | Reason::ForbiddenClient, Some(_)) => {
            Verdict::Unjudged { why: said }
        }
        // Not every server has a list of models.
        (_, Some(404 | 405 | 501)) if provider.dialect == DialectId::Generic => {
            Verdict::Unjudged { why: "the server has no list of models".to_owned() }
        }
        (_, Some(status)) => Verdict::Unreachable { why: format!("it answered {status}: {said}") },
        (_, None) => Verdict::Unreachable { why: said },
    }
}

/// The site of Moonshot's platform that takes a key which this one refused: keys are per site (wire.md 1.1). It is asked
/// only where the first one was a site itself, or where somebody said where it is: a key goes nowhere else.
async fn other_region(question: &Question<'_>, connector: &dyn Connector) -> Option<Region> {
    let provider = question.provider;
    let asked = question.region.filter(|_| provider.dialect == DialectId::Moonshot)?;
    let base = match question.other_base {
        Some(base) => base.trim_end_matches('/').to_owned(),
        None if is_of_the_catalog(provider) => asked.other().base().to_owned(),
        None => return None,
    };
    // Headers of the user's are for the host that they were written for.
    let headers: Vec<Header> = Vec::new();
    let other = Provider { faces: vec![(Face::Chat, base)], headers, ..provider.clone() };
    matches!(ask(&other, connector).await, Verdict::Taken { .. }).then(|| asked.other())
}

impl Verdict {
    /// Whether it may be written down.
    pub(super) const fn is_good(&self) -> bool {
        matches!(self, Self::Taken { .. } | Self::Unjudged { .. } | Self::Skipped)
    }

    /// For people: what was found, of the provider with this name.
    pub(super) fn words(&self, choice: Choice, provider: &str) -> String {
        match self {
            Self::Taken { models: Some(models), .. } => {
                format!("{provider} takes the key and lists {} models", models.len())
            }
            Self::Taken { note: Some(note), .. } => format!("{provider} knows the key, but: {note}"),
            Self::Taken { .. } => format!("{provider} takes the key"),
            Self::Unjudged { why } => format!("whether {provider} takes the key is not known: {why}"),
            Self::Skipped => "the key was not checked".to_owned(),
            Self::OtherRegion { right } => format!(
                "the key is one of {}: {} takes it, and {} does not",
                right.name(),
                right.host(),
                right.other().host()
            ),
            Self::OtherProduct { right, certain } => {
                let is = if *certain { "is" } else { "is refused, and probably" };
                format!("the key {is} one of {}, not of {}", product(*right), product(choice))
            }
            Self::Refused { said } => format!("{provider} refuses the key: {said}"),
            Self::Unreachable { why } => {
                format!("{provider} cannot be asked whether it takes the key: {why}")
            }
        }
    }

    /// The word for `--json`.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Taken { .. } => "ok",
            Self::Unjudged { .. } => "unjudged",
            Self::Skipped => "skipped",
            Self::OtherRegion { .. } => "wrong_region",
            Self::OtherProduct { .. } => "wrong_product",
            Self::Refused { .. } => "key_refused",
            Self::Unreachable { .. } => "unreachable",
        }
    }

    /// For `--json`.
    pub(super) fn json(&self) -> Value {
        let mut value = json!({ "result": self.kind() });
        let more = match self {
            Self::Taken { models, note } => [
                models.as_ref().map(|models| ("models", json!(models.len()))),
                note.as_ref().map(|note| ("note", json!(note))),
            ],
            Self::Unjudged { why } => [Some(("note", json!(why))), None],
            _ => [None, None],
        };
        if let Some(object) = value.as_object_mut() {
            object.extend(more.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)));
        }
        value
    }

    /// The choice under which the key would be taken.
    pub(super) const fn right(&self) -> Option<Choice> {
        match self {
            Self::OtherRegion { right } => Some(right.choice()),
            Self::OtherProduct { right, .. } => Some(*right),
            _ => None,
        }
    }

    /// Why nothing was written, and what to do instead: exit 1.
    pub(super) fn ending(&self, choice: Choice, provider: &str, instead: Option<String>) -> Ending {
        let instead = instead.map(|instead| format!("\nit is set up with: {instead}")).unwrap_or_default();
        let words = self.words(choice, provider);
        Ending::failure(
            self.kind(),
            format!("{words}{instead}\nnothing was written; --skip-check writes the key all the same"),
        )
    }
}

/// Whose keys they are.
const fn product(choice: Choice) -> &'static str {
    match choice {
        Choice::KimiCodeApiKey | Choice::KimiCodeOauth => "Kimi Code (sk-kimi-…)",
        Choice::MoonshotApiKey | Choice::MoonshotApiKeyCn => "Moonshot's platform (sk-…)",
        Choice::OpenrouterApiKey => "OpenRouter (sk-or-…)",
        Choice::Custom => "this server",
    }
}

#[cfg(test)]
mod tests;
