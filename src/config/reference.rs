//! References: `provider/model`, as users write them, and as they are resolved.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::lookup::DEFAULT_CHAIN;
use super::nearest::{find_nearest, format_suggestion};
use super::settings::{Auth, Provider, ProviderKey, ProviderModel, Reference};
use crate::catalog::{AdapterId, ModelInfo};
use crate::protocol::api::Api;
use crate::secret::Secret;

impl Provider {
    /// A model of it: one that is known, or any where any is accepted.
    #[must_use]
    pub fn find_model(&self, id: &str) -> Option<Arc<ProviderModel>> {
        if let Some(model) = self.models.get(id) {
            return Some(Arc::clone(model));
        }
        self.accepts_any_model.then(|| Arc::new(self.unlisted_model(id)))
    }

    /// A model of it of which only the id is known.
    #[must_use]
    pub fn unlisted_model(&self, id: &str) -> ProviderModel {
        let mut facts = ModelInfo::unknown(id);
        self.model_defaults.fill_missing(&mut facts);
        ProviderModel {
            model: facts,
            headers: Vec::new(),
            params: serde_json::Map::new(),
            is_configured: false,
        }
    }

    /// The id that the provider sees. Old ids become the new one; OpenRouter's own models have no slash in a reference
    /// (`openrouter/auto`) and are sent with `openrouter/` before them. Anything else is sent as it is.
    #[must_use]
    pub fn upstream_model_id(&self, id: &str) -> String {
        if let Some(new) = self.model_renames.get(id) {
            return new.clone();
        }
        if self.adapter == AdapterId::OpenRouter && !id.contains('/') {
            return format!("openrouter/{id}");
        }
        id.to_owned()
    }

    /// The header that carries one of its keys for an API; `None` if no key is sent, or it cannot be. Kimi
    /// Code's Messages API takes `x-api-key` (kimi-code 2.1.0 and `OpenClaw` send it, captured 2026-11-21).
    /// Moonshot's is documented with Bearer, and so is OpenRouter's.
    #[must_use]
    pub fn auth_header(&self, face: Api, key: &Secret) -> Option<(HeaderName, HeaderValue)> {
        let by_face = match self.auth {
            Auth::None | Auth::Login => return None,
            Auth::Bearer => false,
            Auth::ByApi => face == Api::Messages,
        };
        let takes_it = matches!(self.adapter, AdapterId::KimiCode | AdapterId::Generic);
        let (name, text) = if by_face && takes_it {
            (HeaderName::from_static("x-api-key"), key.expose().to_owned())
        } else {
            (AUTHORIZATION, format!("Bearer {}", key.expose()))
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }

    /// One of its keys for display: masked, or `oauth` for a login, whose current key is looked up at each
    /// call.
    #[must_use]
    pub fn mask_key(&self, key: &ProviderKey) -> String {
        if self.auth == Auth::Login { "oauth".to_owned() } else { key.secret.masked() }
    }

    /// The id under which a model is known here, however it is written: `None` where it is not accepted.
    fn canonical_model_id(&self, written: &str) -> Option<String> {
        let id = match self.adapter {
            AdapterId::OpenRouter => written.strip_prefix("openrouter/").unwrap_or(written),
            _ => written,
        };
        if id.is_empty() {
            return None;
        }
        if self.models.contains_key(id) {
            return Some(id.to_owned());
        }
        if let Some(new) = self.model_renames.get(id) {
            return Some(new.clone());
        }
        let mut alike = self.models.keys().filter(|known| known.eq_ignore_ascii_case(id));
        match (alike.next(), alike.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => self.accepts_any_model.then(|| id.to_owned()),
        }
    }
}

/// Finds what a reference means: the provider by its id or another id of it, the model as its provider knows it.
#[must_use]
pub fn find_reference<P: Borrow<Provider>>(
    providers: &BTreeMap<String, P>,
    aliases: &BTreeMap<String, String>,
    text: &str,
) -> Option<Reference> {
    let (written, model) = text.split_once('/').filter(|_| !text.contains('*'))?;
    let written = written.to_lowercase();
    let id = aliases.get(&written).unwrap_or(&written);
    let provider: &Provider = providers.get(id)?.borrow();
    let model = provider.canonical_model_id(model)?;
    Some(Reference { provider: id.clone(), model })
}

/// What a new alias for `meant` would hide, as aliases come first: a reference to another model, or `default`.
#[must_use]
pub fn find_hidden<P: Borrow<Provider>>(
    providers: &BTreeMap<String, P>,
    aliases: &BTreeMap<String, String>,
    alias: &str,
    meant: &Reference,
) -> Option<String> {
    if alias.eq_ignore_ascii_case(DEFAULT_CHAIN) {
        return Some("the chain of agents.defaults.model".to_owned());
    }
    let other = find_reference(providers, aliases, alias).filter(|other| other != meant)?;
    Some(format!("the reference {other}"))
}

/// As [`find_reference`], for people: comparing names costs more than a request should wait for.
///
/// # Errors
/// What is wrong with it, with the nearest name.
pub fn parse_reference<P: Borrow<Provider>>(
    providers: &BTreeMap<String, P>,
    aliases: &BTreeMap<String, String>,
    text: &str,
) -> Result<Reference, String> {
    find_reference(providers, aliases, text).ok_or_else(|| match text.split_once('/') {
        None => unknown_reference_message(providers, text),
        Some(_) if text.contains('*') => {
            format!("\"{text}\" is a pattern, not a reference: patterns stand in models.routes")
        }
        Some((written, model)) => {
            let written = written.to_lowercase();
            match providers.get(aliases.get(&written).unwrap_or(&written)) {
                None => {
                    let hint = format_suggestion(&written, providers.keys().map(String::as_str));
                    format!("there is no provider \"{written}\"{hint}")
                }
                Some(provider) => unknown_model_message(provider.borrow(), model),
            }
        }
    })
}

fn unknown_reference_message<P: Borrow<Provider>>(providers: &BTreeMap<String, P>, text: &str) -> String {
    let all = || providers.values().flat_map(|provider| served_models(provider.borrow()));
    let nearest = find_nearest(text, all().map(|(_, model)| model));
    let hint = match nearest.and_then(|nearest| all().find(|(_, model)| *model == nearest)) {
        Some((provider, model)) => format!(" (did you mean \"{provider}/{model}\"?)"),
        None => String::new(),
    };
    format!("\"{text}\" is neither an alias nor a reference such as provider/model{hint}")
}

fn unknown_model_message(provider: &Provider, model: &str) -> String {
    let id = &provider.id;
    let hint = format_suggestion(model, served_models(provider).map(|(_, model)| model));
    let fix = if hint.is_empty() { format!(": add it to models.providers.{id}.models") } else { hint };
    format!("provider {id} has no model \"{model}\"{fix}")
}

/// The models that are not gone.
fn served_models(provider: &Provider) -> impl Iterator<Item = (&str, &str)> {
    let served = provider.models.values().filter(|model| model.model.retirement.is_none());
    served.map(|model| (provider.id.as_str(), model.model.id.as_str()))
}
