//! The configuration of a provider: its settings, where its key is stored, and its position in the chain.

use serde_json::{Value, json};
use url::Url;

use super::choice::{Choice, Region};
use crate::catalog::builtin_catalog;
use crate::cli::command::{CommandContext, CommandError};
use crate::cli::models::chain::{chain_json, defaults_path, find_written_key, write_full_chain};
use crate::config::edit::{Document, EditError};
use crate::config::keypath::KeyPath;
use crate::config::settings::{Provider, Reference, Settings};
use crate::config::{from_text, lookup};
use crate::secret::Secret;

/// A provider to configure.
pub(super) struct ProviderSetup {
    pub(super) choice: Choice,
    /// Its id in references.
    pub(super) id: String,
    /// `None` keeps that of the file or the catalog.
    pub(super) base_url: Option<String>,
    /// Settings of a custom provider.
    pub(super) custom: Option<CustomProvider>,
    /// `None`: the catalog's default model.
    pub(super) model: Option<String>,
    /// Whether it replaces the current primary.
    pub(super) is_primary: bool,
}

pub(super) struct CustomProvider {
    /// The value of `api`.
    pub(super) api: &'static str,
    pub(super) is_keyless: bool,
}

/// Where a provider's key is stored.
pub(super) struct KeyVariable {
    /// Its name in the secrets file.
    pub(super) name: String,
    /// The value that `apiKey` must get; `None` if the key is found without a change.
    pub(super) setting: Option<Value>,
}

pub(super) fn providers_path() -> KeyPath {
    KeyPath::default().join_key("models").join_key("providers")
}

impl ProviderSetup {
    pub(super) fn display_name(&self) -> &str {
        match self.choice.info().name {
            "" => &self.id,
            name => name,
        }
    }

    pub(super) fn is_keyless(&self) -> bool {
        self.custom.as_ref().is_some_and(|custom| custom.is_keyless)
    }

    /// The changed configuration, not written, and the settings before the change of the chain.
    pub(super) fn draft(
        &self,
        key: Option<&Secret>,
        context: &CommandContext<'_>,
    ) -> Result<(Document, Settings), CommandError> {
        let mut document = context.read_document()?;
        let settings = self.apply_with_chain(key, &mut document, context)?;
        Ok((document, settings))
    }

    /// The provider as it would be called.
    pub(super) fn resolve(
        &self,
        key: Option<&Secret>,
        context: &CommandContext<'_>,
    ) -> Result<Provider, CommandError> {
        let mut document = context.read_document()?;
        self.apply(key.is_some(), &mut document)?;
        match document.check(&context.environment) {
            // `refuse_if_managed` reports this with more detail.
            Ok(()) | Err(EditError::Managed(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let settings = self.resolve_settings(key, &document, context)?;
        let provider = settings.providers.get(&self.id).map(|provider| provider.as_ref().clone());
        let mut provider = provider.ok_or_else(|| {
            CommandError::failure("unknown_provider", format!("there is no provider {}", self.id))
        })?;
        // Of several keys, only the new one is checked.
        if let Some(key) = key {
            provider.keys.retain(|known| known.secret == *key);
        }
        Ok(provider)
    }

    /// The settings of a document, with this key in the environment.
    fn resolve_settings(
        &self,
        key: Option<&Secret>,
        document: &Document,
        context: &CommandContext<'_>,
    ) -> Result<Settings, CommandError> {
        let environment = match key {
            Some(key) => context.environment.with_variable(&self.key_variable(document).name, key.expose()),
            None => context.environment.clone(),
        };
        Ok(from_text(&document.text(), Some(&context.locate_config()?.path), &environment)?)
    }

    /// Applies the provider and the chain; returns the settings between both.
    pub(super) fn apply_with_chain(
        &self,
        key: Option<&Secret>,
        document: &mut Document,
        context: &CommandContext<'_>,
    ) -> Result<Settings, CommandError> {
        self.apply(key.is_some(), document)?;
        let settings = self.resolve_settings(key, document, context)?;
        let model = self.chosen_model(&settings)?;
        if self.extend_chain(&model, &settings, document)? {
            self.add_alias(&model, &settings, document)?;
        }
        Ok(settings)
    }

    /// The path of the provider, with its id as the file spells it.
    fn config_path(&self, document: &Document) -> KeyPath {
        let written = document.get(&providers_path());
        let written = written.as_ref().and_then(Value::as_object);
        let key = written.and_then(|all| all.keys().find(|key| key.eq_ignore_ascii_case(&self.id)));
        providers_path().join_key(key.map_or(self.id.as_str(), String::as_str))
    }

    /// Writes what the provider needs, except for what is already set. Without a new key, `apiKey` is unchanged.
    pub(super) fn apply(&self, has_new_key: bool, document: &mut Document) -> Result<(), EditError> {
        let path = self.config_path(document);
        if let Some(base) = self.base_url_to_write(document.get(&path.join_key("baseUrl")).as_ref()) {
            document.set(&path.join_key("baseUrl"), &json!(base))?;
        }
        let mode = document.get(&KeyPath::default().join_key("models").join_key("mode"));
        if mode == Some(json!("replace")) && document.get(&path).is_none() {
            document.set(&path, &json!({}))?;
        }
        if let Some(custom) = &self.custom {
            document.set(&path.join_key("api"), &json!(custom.api))?;
        }
        if self.choice == Choice::KimiCodeOauth {
            document.set(&path.join_key("auth"), &json!("oauth"))?;
        } else if self.is_keyless() {
            document.set(&path.join_key("auth"), &json!("none"))?;
            document.remove(&path.join_key("apiKey"))?;
        } else if has_new_key {
            let auth = document.get(&path.join_key("auth"));
            // With these the key would not be used.
            if matches!(auth.as_ref().and_then(Value::as_str), Some("none" | "oauth")) {
                document.remove(&path.join_key("auth"))?;
            }
            if let Some(setting) = self.key_variable(document).setting {
                document.set(&path.join_key("apiKey"), &setting)?;
            }
        }
        let (Some(_), Some(model)) = (&self.custom, &self.model) else { return Ok(()) };
        let list = document.get(&path.join_key("models"));
        let rows = list.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if rows.iter().any(|row| row.get("id").and_then(Value::as_str) == Some(model)) {
            return Ok(());
        }
        document.push(&path.join_key("models"), &json!({ "id": model }))
    }

    /// The requested base URL, or that of the chosen region if the file has the other one or none. The URL of a proxy
    /// is kept.
    fn base_url_to_write(&self, written: Option<&Value>) -> Option<String> {
        if let Some(base) = &self.base_url {
            return Some(base.clone());
        }
        let region = self.choice.info().region?;
        let url = written.and_then(Value::as_str).and_then(|base| Url::parse(base).ok());
        let needs_change = match written {
            None => region == Region::Cn,
            Some(_) => url.as_ref().and_then(Url::host_str) == Some(region.info().other.info().host),
        };
        needs_change.then(|| region.info().base_url.to_owned())
    }

    /// Whether a new key replaces something else than a variable.
    pub(super) fn replaces_key(&self, document: &Document) -> bool {
        let written = document.get(&self.config_path(document).join_key("apiKey"));
        written.is_some_and(|written| !written.is_array()) && self.key_variable(document).setting.is_some()
    }

    /// Where the key is stored, according to `apiKey`.
    pub(super) fn key_variable(&self, document: &Document) -> KeyVariable {
        let name = self.default_variable();
        let reference = json!(format!("${{{name}}}"));
        let setting = match document.get(&self.config_path(document).join_key("apiKey")) {
            // Providers of the catalog read their variable without a setting.
            None => self.custom.is_some().then_some(reference),
            Some(Value::Array(keys)) => {
                let is_listed = keys.iter().any(|key| variable_in_setting(key).as_ref() == Some(&name));
                // The new key goes first, because it has just been checked.
                (!is_listed).then(|| Value::Array([vec![reference], keys].concat()))
            }
            Some(value) => match variable_in_setting(&value) {
                Some(name) => return KeyVariable { name, setting: None },
                None => Some(reference),
            },
        };
        KeyVariable { name, setting }
    }

    /// The catalog's variable, or `MY_LAB_API_KEY` for a provider `my-lab`.
    fn default_variable(&self) -> String {
        let known = builtin_catalog().provider(&self.id);
        if let Some(name) = known.and_then(|known| known.key_variables.first()) {
            return name.clone();
        }
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = self.id.chars().map(letter).collect();
        let prefix = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
        format!("{prefix}{name}_API_KEY")
    }

    /// The model to add to the chain.
    fn chosen_model(&self, settings: &Settings) -> Result<Reference, CommandError> {
        let id = &self.id;
        let requested =
            self.model.as_deref().map(|model| model.strip_prefix(&format!("{id}/")).unwrap_or(model));
        let default = || builtin_catalog().provider(id).map(|known| known.default_model.as_str());
        let Some(model) = requested.or_else(default) else {
            return Err(CommandError::usage("--model ID is required: the provider has no default model"));
        };
        settings
            .parse_reference(&format!("{id}/{model}"))
            .map_err(|why| CommandError::failure("unknown_model", why))
    }

    /// Adds the model to the chain, and returns whether that changed it. Without a configured chain, the model becomes
    /// the primary, followed by the other models with a key. Otherwise it becomes the last fallback, unless the chain
    /// has it already or it is to be the primary.
    fn extend_chain(
        &self,
        model: &Reference,
        settings: &Settings,
        document: &mut Document,
    ) -> Result<bool, CommandError> {
        let path = defaults_path("model");
        let chain = &settings.default_chain.references;
        let is_wanted = |other: &Reference| match self.model {
            Some(_) => other == model,
            None => other.provider == self.id,
        };
        if document.get(&path).is_none() {
            let others = chain.iter().filter(|other| other.provider != self.id);
            document.set(&path, &chain_json(model, others))?;
            return Ok(true);
        }
        if self.is_primary {
            let is_first = chain.first().is_some_and(is_wanted);
            if !is_first {
                document.set(&path, &chain_json(model, chain.iter().filter(|other| *other != model)))?;
            }
            return Ok(!is_first);
        }
        if chain.iter().any(is_wanted) {
            return Ok(false);
        }
        write_full_chain(document, settings)?;
        document.push(&path.join_key("fallbacks"), &json!(model.to_string()))?;
        Ok(true)
    }

    /// Makes the provider's id an alias of the model, if it has none and the name is free.
    fn add_alias(
        &self,
        model: &Reference,
        settings: &Settings,
        document: &mut Document,
    ) -> Result<(), EditError> {
        let alias = self.id.to_lowercase();
        let hidden = lookup::find_hidden(&settings.providers, &settings.provider_aliases, &alias, model);
        let has_alias = settings.aliases.values().any(|target| target == model);
        if has_alias || settings.aliases.contains_key(&alias) || hidden.is_some() {
            return Ok(());
        }
        let key = find_written_key(document, settings, model).unwrap_or_else(|| model.to_string());
        document.set(&defaults_path("models").join_key(&key).join_key("alias"), &json!(alias))
    }
}

/// The variable of a setting that is nothing else: `${NAME}`, or a reference to the environment.
fn variable_in_setting(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        let name = text.strip_prefix("${")?.strip_suffix('}')?;
        let is_plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        return (!name.is_empty() && name.chars().all(is_plain)).then(|| name.to_owned());
    }
    let is_variable = value.get("source").and_then(Value::as_str) == Some("env");
    value.get("id").and_then(Value::as_str).filter(|_| is_variable).map(str::to_owned)
}
