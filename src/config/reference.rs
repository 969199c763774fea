//! References: `provider/model`, as people write them, and as they are meant.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::nearest::did_you_mean;
use super::settings::{Provider, ProviderModel, Reference};
use crate::catalog::{DialectId, Model};

impl Provider {
    /// A model of it: one that is known, or any where any is accepted.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<Arc<ProviderModel>> {
        if let Some(model) = self.models.get(id) {
            return Some(Arc::clone(model));
        }
        self.open.then(|| Arc::new(ProviderModel::unknown(id)))
    }

    /// The id that the provider sees. Old ids become the new one; OpenRouter's own models have no slash in a reference
    /// (`openrouter/auto`) and are sent with `openrouter/` before them. Anything else is sent as it is.
    #[must_use]
    pub fn wire_model(&self, id: &str) -> String {
        if let Some(new) = self.renamed.get(id) {
            return new.clone();
        }
        if self.dialect == DialectId::OpenRouter && !id.contains('/') {
            return format!("openrouter/{id}");
        }
        id.to_owned()
    }

    /// The id under which a model is known here, however it is written: `None` where it is not accepted.
    fn canonical(&self, written: &str) -> Option<String> {
        let id = match self.dialect {
            DialectId::OpenRouter => written.strip_prefix("openrouter/").unwrap_or(written),
            _ => written,
        };
        if id.is_empty() {
            return None;
        }
        if self.models.contains_key(id) {
            return Some(id.to_owned());
        }
        if let Some(new) = self.renamed.get(id) {
            return Some(new.clone());
        }
        let mut alike = self.models.keys().filter(|known| known.eq_ignore_ascii_case(id));
        match (alike.next(), alike.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => self.open.then(|| id.to_owned()),
        }
    }
}

impl ProviderModel {
    /// A model of which only the id is known.
    #[must_use]
    pub fn unknown(id: &str) -> Self {
        Self {
            facts: Model::unknown(id),
            headers: Vec::new(),
            params: serde_json::Map::new(),
            configured: false,
        }
    }
}

/// Reads a reference: the provider by its id or another id of it, the model as its provider knows it.
///
/// # Errors
/// What is wrong with it, with the nearest name.
pub fn parse<P: Borrow<Provider>>(
    providers: &BTreeMap<String, P>,
    aliases: &BTreeMap<String, String>,
    text: &str,
) -> Result<Reference, String> {
    let Some((written, model)) = text.split_once('/') else {
        let all = providers.values().flat_map(|provider| {
            let provider: &Provider = provider.borrow();
            provider.models.keys().map(|model| format!("{}/{model}", provider.id))
        });
        let all: Vec<String> = all.collect();
        let ends: Vec<&str> = all
            .iter()
            .map(String::as_str)
            .filter(|r| r.split_once('/').is_some_and(|(_, m)| m == text))
            .collect();
        let hint = match ends.first() {
            Some(reference) => format!(" (did you mean \"{reference}\"?)"),
            None => did_you_mean(text, all.iter().map(String::as_str)),
        };
        return Err(format!("\"{text}\" is neither an alias nor a reference such as provider/model{hint}"));
    };
    let written = written.to_lowercase();
    let id = aliases.get(&written).unwrap_or(&written);
    let Some(provider) = providers.get(id) else {
        let hint = did_you_mean(&written, providers.keys().map(String::as_str));
        return Err(format!("there is no provider \"{written}\"{hint}"));
    };
    let provider: &Provider = provider.borrow();
    let Some(model) = provider.canonical(model) else {
        let hint = did_you_mean(model, provider.models.keys().map(String::as_str));
        let fix = if hint.is_empty() { format!(": add it to models.providers.{id}.models") } else { hint };
        return Err(format!("provider {id} has no model \"{model}\"{fix}"));
    };
    Ok(Reference { provider: id.clone(), model })
}
