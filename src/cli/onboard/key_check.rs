//! Reads a key and checks it: whether the provider accepts it, and which other provider would.

use std::io::Read;

use http::HeaderValue;
use serde_json::{Value, json};

use super::choice::{Choice, Region, option_word};
use crate::catalog::AdapterId;
use crate::cli::command::CommandError;
use crate::cli::prompt;
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
    let read = std::io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text);
    read.map_err(|error| error.to_string())
        .and_then(|_| parse_key(&text))
        .map_err(|why| CommandError::usage(format!("--api-key-stdin: {why}")))
}

/// Asks for a key until it is well-formed.
pub(super) async fn prompt_key(provider: &str) -> Result<Secret, CommandError> {
    let mut question = format!("Key for {provider} (not shown):");
    loop {
        match parse_key(&prompt::read_secret(&question).await?) {
            Ok(key) => return Ok(key),
            Err(why) => question = format!("{why}. Key for {provider}:"),
        }
    }
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

/// What a key is checked for.
#[derive(Clone, Copy)]
pub(super) struct KeyCheck<'c> {
    pub(super) choice: Choice,
    /// The provider's name in messages.
    pub(super) name: &'c str,
    /// `--other-base-url`.
    pub(super) other_base_url: Option<&'c str>,
}

/// The result of a check.
#[derive(Debug, Default)]
pub(super) struct KeyVerdict {
    /// `check.result`, or `error.type`, of the JSON output.
    pub(super) kind: &'static str,
    /// Whether the key may be saved.
    pub(super) is_usable: bool,
    /// The message for people.
    pub(super) text: String,
    /// The ids of the account's list, if it was requested.
    pub(super) models: Option<Vec<String>>,
    /// A limit of the account, or why the key is neither confirmed nor rejected.
    note: Option<String>,
    /// The choice that would accept the key.
    pub(super) correct_choice: Option<Choice>,
}

impl KeyCheck<'_> {
    /// Checks the provider's first key with the provider and, if that helps, with Moonshot's other region. A key with the
    /// prefix of another product is not sent to a host of the catalog.
    pub(super) async fn run(self, provider: &Provider, connector: &dyn Connector) -> KeyVerdict {
        let secret = provider.keys.first().map(|key| &key.secret).filter(|_| provider.auth != Auth::None);
        let foreign = secret.and_then(|secret| choice_for_other_product(provider.adapter, secret));
        if let Some(right) = foreign.filter(|_| uses_catalog_host(provider)) {
            return self.other_product(right, "the key belongs");
        }
        let verdict = self.query_provider(provider, connector).await;
        if verdict.kind != "key_refused" {
            return verdict;
        }
        if let Some(right) = foreign {
            return self.other_product(right, "the key belongs");
        }
        let region = self.choice.info().region.filter(|_| provider.adapter == AdapterId::Moonshot);
        if let Some(region) = region
            && self.accepts_in_other_region(provider, region, connector).await
        {
            let right = region.info().other.info();
            let (host, here) = (right.host, region.info().host);
            let text = format!("the key belongs to {}: {host} accepts it, and {here} does not", right.name);
            let correct_choice = Some(right.choice);
            return KeyVerdict { kind: "wrong_region", text, correct_choice, ..KeyVerdict::default() };
        }
        match secret.and_then(|secret| suspect_product(provider.adapter, secret)) {
            Some(right) => self.other_product(right, "the key is rejected; it probably belongs"),
            None => verdict,
        }
    }

    fn other_product(self, right: Choice, how: &str) -> KeyVerdict {
        let text = format!("{how} to {}, not to {}", right.info().product, self.choice.info().product);
        KeyVerdict { kind: "wrong_product", text, correct_choice: Some(right), ..KeyVerdict::default() }
    }

    /// Sends one request. The list of models of OpenRouter is public, so there the page of the key is requested (wire.md
    /// 3.4).
    async fn query_provider(self, provider: &Provider, connector: &dyn Connector) -> KeyVerdict {
        let route = if provider.adapter == AdapterId::OpenRouter { "/key" } else { "/models" };
        let body = match provider_query::fetch(provider, route, connector).await {
            Ok(body) => body,
            Err(failure) => return self.classify_failure(provider, failure),
        };
        let models = if route == "/models" {
            let redactor = provider.redactor();
            let list = serde_json::from_slice::<ModelList>(&body).ok();
            list.map(|list| list.data.iter().map(|model| redactor.redact_values(&model.id)).collect())
        } else {
            let key = serde_json::from_slice::<Value>(&body).ok();
            key.filter(|value| value.get("data").is_some()).map(|_| Vec::new())
        };
        let Some(models) = models else {
            let base = provider_query::api_base(provider).map_or("", |(_, base)| base);
            return self.unreachable(format!("unexpected response to GET {base}{route}"));
        };
        let name = self.name;
        let (text, models) = match route {
            "/models" => (format!("{name} accepts the key and lists {} models", models.len()), Some(models)),
            _ => (format!("{name} accepts the key"), None),
        };
        KeyVerdict { kind: "ok", is_usable: true, text, models, ..KeyVerdict::default() }
    }

    /// What an error means for the key. An error about the account's balance implies that the key is valid.
    fn classify_failure(self, provider: &Provider, failure: Failure) -> KeyVerdict {
        let (name, message) = (self.name, failure.message);
        match (failure.reason, failure.status) {
            (Reason::Auth, Some(_)) => {
                let text = format!("{name} rejects the key: {message}");
                KeyVerdict { kind: "key_refused", text, ..KeyVerdict::default() }
            }
            (Reason::Billing | Reason::Quota, Some(_)) => {
                let text = format!("{name} accepts the key, but: {message}");
                let note = Some(message);
                KeyVerdict { kind: "ok", is_usable: true, text, note, ..KeyVerdict::default() }
            }
            // These say nothing about the key. Kimi Code restricts clients on one API only (wire.md 2.4).
            (Reason::RateLimit | Reason::Overloaded | Reason::ForbiddenClient, Some(_)) => {
                self.unverified(message)
            }
            // Not every server has a list of models.
            (_, Some(404 | 405 | 501)) if provider.adapter == AdapterId::Generic => {
                self.unverified("the server has no list of models".to_owned())
            }
            (_, Some(status)) => self.unreachable(format!("status {status}: {message}")),
            (_, None) => self.unreachable(message),
        }
    }

    /// The key may be saved, although the server neither confirms nor rejects it.
    pub(super) fn unverified(self, why: String) -> KeyVerdict {
        let text = format!("cannot tell whether {} accepts the key: {why}", self.name);
        let (kind, note) = ("unjudged", Some(why));
        KeyVerdict { kind, is_usable: true, text, note, ..KeyVerdict::default() }
    }

    fn unreachable(self, why: String) -> KeyVerdict {
        let text = format!("cannot check the key with {}: {why}", self.name);
        KeyVerdict { kind: "unreachable", text, ..KeyVerdict::default() }
    }

    /// Whether Moonshot's other region accepts a key that this one rejected: keys are per region (wire.md 1.1). The key is
    /// sent there only if this region is a host of the catalog, or if the user gave the URL.
    async fn accepts_in_other_region(
        self,
        provider: &Provider,
        region: Region,
        connector: &dyn Connector,
    ) -> bool {
        let base = match self.other_base_url {
            Some(base) => base.trim_end_matches('/'),
            None if uses_catalog_host(provider) => region.info().other.info().base_url,
            None => return false,
        };
        // The user's headers are for the configured host only.
        let apis = vec![(Api::ChatCompletions, base.to_owned())];
        let other = Provider { apis, headers: Vec::new(), ..provider.clone() };
        self.query_provider(&other, connector).await.kind == "ok"
    }
}

impl KeyVerdict {
    /// No request was sent.
    pub(super) fn skipped() -> Self {
        let text = "the key was not checked".to_owned();
        Self { kind: "skipped", is_usable: true, text, ..Self::default() }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut value = json!({ "result": self.kind });
        if let Some(models) = &self.models {
            value["models"] = json!(models.len());
        }
        if let Some(note) = &self.note {
            value["note"] = json!(note);
        }
        value
    }

    /// Why nothing was written: exit 1. `command` configures the right provider.
    pub(super) fn to_error(&self, command: Option<String>) -> CommandError {
        let hint = command.map(|command| format!("\nUse instead: {command}")).unwrap_or_default();
        let text = &self.text;
        let why = format!("{text}{hint}\nNothing was written. --skip-check saves the key without a check.");
        CommandError::failure(self.kind, why)
    }

    /// The command that configures the provider that would accept the key.
    pub(super) fn correct_command(&self) -> Option<String> {
        Some(format!("moonrelay onboard --auth-choice {}", option_word(self.correct_choice?)))
    }
}
