//! Where secrets come from: `${VAR}` in strings, and secret references.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::keys::{SecretSetting, SecretSource};
use super::secrets_file::{SecretsFile, read_bounded};
use super::settings::{Missing, SecretOrigin, SecretsFileProblem};
use crate::credentials::LoginFile;
use crate::secret::Secret;

/// Variables of the process, systemd's credentials, the secrets file and the `env` block, looked up in this order.
#[derive(Clone)]
pub(super) struct Variables {
    environment: Environment,
    secrets_file: SecretsFile,
    env_block: BTreeMap<String, String>,
    base_directory: Option<PathBuf>,
}

impl Variables {
    /// Reads the secrets file; `block` is the `env` of the configuration, `base` the directory of its file.
    pub(super) fn new(
        environment: &Environment,
        env_block: BTreeMap<String, String>,
        base: Option<&Path>,
    ) -> Self {
        let secrets_file =
            environment.secrets_file().map(|path| SecretsFile::read(&path)).unwrap_or_default();
        let environment = environment.clone();
        Self { environment, secrets_file, env_block, base_directory: base.map(Path::to_owned) }
    }

    /// Problems of the secrets file.
    pub(super) fn secrets_file_problems(&self) -> &[SecretsFileProblem] {
        &self.secrets_file.problems
    }

    /// Where a provider's login is kept; `None` without a state directory.
    pub(super) fn login_file(&self, provider: &str) -> Option<LoginFile> {
        Some(LoginFile::new(&self.environment.state_directory()?, provider))
    }

    /// A variable's value and where it was found. An empty value counts as missing.
    pub(super) fn find_variable(&self, name: &str) -> Option<(String, SecretOrigin)> {
        let found = |value: Option<String>, origin: fn(String) -> SecretOrigin| {
            value.filter(|value| !value.trim().is_empty()).map(|value| (value, origin(name.to_owned())))
        };
        found(self.environment.get(name).map(str::to_owned), SecretOrigin::Environment)
            .or_else(|| found(self.read_credential(name), SecretOrigin::Credential))
            .or_else(|| found(self.secrets_file.values.get(name).cloned(), SecretOrigin::SecretsFile))
            .or_else(|| found(self.env_block.get(name).cloned(), SecretOrigin::EnvBlock))
    }

    fn read_credential(&self, name: &str) -> Option<String> {
        // A name with a slash would leave the directory.
        if name.contains('/') || name == ".." {
            return None;
        }
        read_secret_file(&self.environment.credentials_directory()?.join(name))
    }

    /// Replaces `${NAME}`; `$${NAME}` is a literal `${NAME}`; anything else stays. Returns the text and the origin of
    /// the first variable, or the first variable that is missing or empty.
    pub(super) fn interpolate(&self, text: &str) -> Result<(String, Option<SecretOrigin>), Missing> {
        let mut out = String::with_capacity(text.len());
        let mut origin = None;
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            let (before, from) = rest.split_at(dollar);
            out.push_str(before);
            if let Some((name, after)) = from.strip_prefix('$').and_then(parse_reference) {
                let missing = || Missing::Variables(vec![name.to_owned()]);
                let (value, place) = self.find_variable(name).ok_or_else(missing)?;
                out.push_str(&value);
                origin.get_or_insert(place);
                rest = after;
            } else if let Some((name, after)) = from.strip_prefix("$$").and_then(parse_reference) {
                out.extend(["${", name, "}"]);
                rest = after;
            } else {
                out.push('$');
                rest = from.strip_prefix('$').unwrap_or_default();
            }
        }
        out.push_str(rest);
        Ok((out, origin))
    }

    /// A path of the file: relative ones start at the directory of the configuration.
    pub(super) fn expand_path(&self, path: &str) -> PathBuf {
        self.environment.expand_path(path, self.base_directory.as_deref())
    }

    /// The secret that a setting means, and where it was found.
    pub(super) fn resolve_secret(&self, setting: &SecretSetting) -> Result<(Secret, SecretOrigin), Missing> {
        let (value, origin) = match setting {
            SecretSetting::Text(text) => match self.interpolate(text)? {
                (value, _) if value.trim().is_empty() => return Err(Missing::Empty),
                (value, origin) => (value, origin.unwrap_or(SecretOrigin::Configuration)),
            },
            SecretSetting::Reference { source: SecretSource::Env, id } => {
                self.find_variable(id).ok_or_else(|| Missing::Variables(vec![id.clone()]))?
            }
            SecretSetting::Reference { source: SecretSource::Credential, id } => {
                let value = self.read_credential(id).ok_or_else(|| Missing::Credential(id.clone()))?;
                (value, SecretOrigin::Credential(id.clone()))
            }
            SecretSetting::Reference { source: SecretSource::File, id } => {
                let path = self.expand_path(id);
                let value = read_secret_file(&path).ok_or_else(|| Missing::File(id.clone()))?;
                (value, SecretOrigin::File(path))
            }
        };
        Ok((Secret::new(value), origin))
    }
}

/// The secret in a file, without white space at its ends.
fn read_secret_file(path: &Path) -> Option<String> {
    let text = String::from_utf8(read_bounded(path).ok()?).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// `{NAME}` at the start of a text: the name and what follows.
fn parse_reference(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let first = name.bytes().next()?;
    let starts = first == b'_' || first.is_ascii_uppercase();
    let continues = name.bytes().all(|b| b == b'_' || b.is_ascii_uppercase() || b.is_ascii_digit());
    (starts && continues).then_some((name, after))
}

#[cfg(test)]
mod tests;
