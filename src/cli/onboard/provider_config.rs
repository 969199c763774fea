//! What the configuration says of a provider that is set up.

use serde_json::{Value, json};
use url::Url;

use super::choice::Region;
use crate::catalog::builtin_catalog;
use crate::config::edit::{Document, EditError};
use crate::config::keypath::KeyPath;

/// A provider to set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProviderSetup {
    /// Its id in references.
    pub(super) id: String,
    /// Where it is; `None` leaves what the file, or else the catalog, says.
    pub(super) base_url: Option<String>,
    /// The site of Moonshot's platform.
    pub(super) region: Option<Region>,
    /// Of a custom one.
    pub(super) custom: Option<CustomProvider>,
    /// The model that answers; `None`: the catalog's default.
    pub(super) model: Option<String>,
    /// Whether it becomes the primary, whatever was the primary before.
    pub(super) is_primary: bool,
}

/// What no catalog knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CustomProvider {
    /// As `api` has it.
    pub(super) api: &'static str,
    /// Whether it needs no key.
    pub(super) is_keyless: bool,
}

/// Where the key of a provider is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyVariable {
    /// Its name in the file with secrets.
    pub(super) name: String,
    /// What `apiKey` has to say, so that it is found; `None`: it says so, or nothing needs to.
    pub(super) setting: Option<Value>,
}

fn providers_path() -> KeyPath {
    KeyPath::default().join_key("models").join_key("providers")
}

impl ProviderSetup {
    /// Where its settings stand: under the id as the file writes it.
    fn config_path(&self, document: &Document) -> KeyPath {
        let written = document.get(&providers_path());
        let written = written.as_ref().and_then(Value::as_object);
        let key = written.and_then(|all| all.keys().find(|key| key.eq_ignore_ascii_case(&self.id)));
        providers_path().join_key(key.map_or(self.id.as_str(), String::as_str))
    }

    /// Writes what the provider needs, and nothing that is so already. Where it gets no new key, what the file says of
    /// the one that is there stays.
    ///
    /// # Errors
    /// When the file has something else where an object belongs.
    pub(super) fn apply_to_document(&self, new_key: bool, document: &mut Document) -> Result<(), EditError> {
        let place = self.config_path(document);
        if let Some(base) = self.base_url_to_write(document.get(&place.join_key("baseUrl")).as_ref()) {
            document.set(&place.join_key("baseUrl"), &json!(base))?;
        }
        let replaces =
            document.get(&KeyPath::default().join_key("models").join_key("mode")) == Some(json!("replace"));
        if replaces && document.get(&place).is_none() {
            document.set(&place, &json!({}))?;
        }
        if let Some(custom) = &self.custom {
            document.set(&place.join_key("api"), &json!(custom.api))?;
        }
        if self.is_keyless() {
            document.set(&place.join_key("auth"), &json!("none"))?;
            document.remove(&place.join_key("apiKey"))?;
        } else if new_key {
            self.write_key_setting(&place, document)?;
        }
        self.add_model(&place, document)
    }

    /// Whether no key is sent.
    pub(super) fn is_keyless(&self) -> bool {
        self.custom.as_ref().is_some_and(|custom| custom.is_keyless)
    }

    fn write_key_setting(&self, place: &KeyPath, document: &mut Document) -> Result<(), EditError> {
        // A provider that is called without a key, or with another kind of one, would not look at it.
        if matches!(document.get(&place.join_key("auth")), Some(Value::String(auth)) if auth == "none" || auth == "oauth")
        {
            document.remove(&place.join_key("auth"))?;
        }
        match self.key_variable(document).setting {
            Some(setting) => document.set(&place.join_key("apiKey"), &setting),
            None => Ok(()),
        }
    }

    /// A custom provider's model, which no catalog has.
    fn add_model(&self, place: &KeyPath, document: &mut Document) -> Result<(), EditError> {
        let (Some(_), Some(model)) = (&self.custom, &self.model) else { return Ok(()) };
        let list = document.get(&place.join_key("models"));
        let rows = list.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if rows.iter().any(|row| row.get("id").and_then(Value::as_str) == Some(model)) {
            return Ok(());
        }
        document.push(&place.join_key("models"), &json!({ "id": model }))
    }

    /// The base URL to write: the requested one, or the right site of Moonshot's platform if the file has the
    /// other one or none. A custom proxy URL is kept.
    fn base_url_to_write(&self, written: Option<&Value>) -> Option<String> {
        if let Some(base) = &self.base_url {
            return Some(base.clone());
        }
        let region = self.region?;
        let host = written.and_then(Value::as_str).and_then(|base| Url::parse(base).ok());
        let host = host.as_ref().and_then(Url::host_str);
        match (written, region) {
            (None, Region::Ai) => None,
            (None, Region::Cn) => Some(region.base_url().to_owned()),
            (Some(_), _) => (host == Some(region.other().host())).then(|| region.base_url().to_owned()),
        }
    }

    /// Whether a new key takes the place of something else than a variable.
    pub(super) fn replaces_key(&self, document: &Document) -> bool {
        let written = document.get(&self.config_path(document).join_key("apiKey"));
        written.is_some_and(|written| !written.is_array()) && self.key_variable(document).setting.is_some()
    }

    /// Where its key is stored, according to `apiKey`.
    pub(super) fn key_variable(&self, document: &Document) -> KeyVariable {
        let own = self.default_variable();
        let reference = format!("${{{own}}}");
        let written = document.get(&self.config_path(document).join_key("apiKey"));
        let setting = match &written {
            // The catalog's providers look for it by themselves.
            None if self.custom.is_none() => None,
            None => Some(json!(reference)),
            Some(value) => {
                if let Some(name) = variable_in_setting(value) {
                    return KeyVariable { name, setting: None };
                }
                match value {
                    Value::Array(keys)
                        if keys.iter().any(|key| variable_in_setting(key).as_ref() == Some(&own)) =>
                    {
                        None
                    }
                    // The new one first, as it is the one that is known to be good.
                    Value::Array(keys) => Some(Value::Array([vec![json!(reference)], keys.clone()].concat())),
                    _ => Some(json!(reference)),
                }
            }
        };
        KeyVariable { name: own, setting }
    }

    /// The catalog's name for its key, or `MY_LAB_API_KEY` for a provider `my-lab`.
    fn default_variable(&self) -> String {
        if let Some(name) = builtin_catalog().provider(&self.id).and_then(|known| known.key_variables.first())
        {
            return name.clone();
        }
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = self.id.chars().map(letter).collect();
        let digit = name.starts_with(|c: char| c.is_ascii_digit());
        format!("{}{name}_API_KEY", if digit { "_" } else { "" })
    }
}

/// The variable that a setting is, and nothing else: `${NAME}`, or a reference to the environment.
fn variable_in_setting(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        let name = text.strip_prefix("${")?.strip_suffix('}')?;
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        return (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned());
    }
    let is_variable = value.get("source").and_then(Value::as_str) == Some("env");
    value.get("id").and_then(Value::as_str).filter(|_| is_variable).map(str::to_owned)
}

#[cfg(test)]
mod tests;
