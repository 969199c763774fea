//! `${VAR}` in strings, and SecretRefs: where secrets come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::bounded_read;
use super::environment::Environment;
use super::file::Cursor;
use super::secrets_file::SecretsFile;
use super::settings::{Missing, SecretOrigin, SecretsFileProblem};
use crate::credentials::LoginFile;
use crate::secret::Secret;

/// Where variables are looked up: the process, systemd's credentials, the secrets file, the `env` block, in this order.
#[derive(Clone)]
pub struct Variables<'e> {
    environment: &'e Environment,
    secrets_file: SecretsFile,
    env_block: BTreeMap<String, String>,
    base_directory: Option<PathBuf>,
}

/// A secret, or why there is none.
#[derive(Clone)]
pub enum SecretLookup {
    /// The value and where it came from.
    Resolved(Secret, SecretOrigin),
    /// What is not available.
    Missing(Missing),
}

impl<'e> Variables<'e> {
    /// Reads the secrets file; `block` is the `env` of the configuration, `base` the directory of its file.
    #[must_use]
    pub fn new(
        environment: &'e Environment,
        env_block: BTreeMap<String, String>,
        base: Option<&Path>,
    ) -> Self {
        let secrets_file =
            environment.secrets_file().map(|path| SecretsFile::read(&path)).unwrap_or_default();
        Self { environment, secrets_file, env_block, base_directory: base.map(Path::to_owned) }
    }

    /// What is wrong with the secrets file.
    #[must_use]
    pub fn secrets_file_problems(&self) -> &[SecretsFileProblem] {
        &self.secrets_file.problems
    }

    /// Where a provider's login is kept; `None` without a state directory.
    #[must_use]
    pub fn login_file(&self, provider: &str) -> Option<LoginFile> {
        Some(LoginFile::new(&self.environment.state_directory()?, provider))
    }

    /// A variable's value and where it was found; an empty one is as good as none.
    #[must_use]
    pub fn find_variable(&self, name: &str) -> Option<(String, SecretOrigin)> {
        if let Some(value) = self.environment.get(name) {
            return Some((value.to_owned(), SecretOrigin::Environment(name.to_owned())));
        }
        if let Some(value) = self.read_credential(name) {
            return Some((value, SecretOrigin::Credential(name.to_owned())));
        }
        let kept =
            |map: &BTreeMap<String, String>| map.get(name).filter(|value| !value.trim().is_empty()).cloned();
        if let Some(value) = kept(&self.secrets_file.values) {
            return Some((value, SecretOrigin::SecretsFile(name.to_owned())));
        }
        kept(&self.env_block).map(|value| (value, SecretOrigin::EnvBlock(name.to_owned())))
    }

    fn read_credential(&self, name: &str) -> Option<String> {
        // A name with a slash would leave the directory.
        if name.contains('/') || name == ".." {
            return None;
        }
        read_secret_file(&self.environment.credentials_directory()?.join(name))
    }

    /// Replaces `${NAME}`; `$${NAME}` is a literal `${NAME}`; anything else stays. Returns the text and the origin of
    /// the first variable, where there was one.
    ///
    /// # Errors
    /// The first name that is missing or empty.
    pub fn interpolate(&self, text: &str) -> Result<(String, Option<SecretOrigin>), String> {
        let mut out = String::with_capacity(text.len());
        let mut origin = None;
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            let (before, from) = rest.split_at(dollar);
            out.push_str(before);
            if let Some((name, after)) = from.strip_prefix('$').and_then(parse_reference) {
                let (value, place) = self.find_variable(name).ok_or_else(|| name.to_owned())?;
                out.push_str(&value);
                origin.get_or_insert(place);
                rest = after;
            } else if let Some((name, after)) = from.strip_prefix("$$").and_then(parse_reference) {
                out.push_str("${");
                out.push_str(name);
                out.push('}');
                rest = after;
            } else {
                out.push('$');
                rest = from.strip_prefix('$').unwrap_or_default();
            }
        }
        out.push_str(rest);
        Ok((out, origin))
    }

    /// The secret that a string or a SecretRef means; `None` when the value is neither (validation has reported
    /// it).
    #[must_use]
    pub fn resolve_secret(&self, at: &Cursor<'_>) -> Option<SecretLookup> {
        if let Some(text) = at.as_str() {
            return Some(match self.interpolate(text) {
                Err(name) => SecretLookup::Missing(Missing::variable(&name)),
                Ok((value, _)) if value.trim().is_empty() => SecretLookup::Missing(Missing::Empty),
                Ok((value, origin)) => {
                    SecretLookup::Resolved(Secret::new(value), origin.unwrap_or(SecretOrigin::Configuration))
                }
            });
        }
        let source = at.get("source")?.as_str()?;
        let id = at.get("id")?.as_str()?.to_owned();
        let found = match source {
            "env" => self.find_variable(&id).ok_or_else(|| Missing::variable(&id)),
            "credential" => match self.read_credential(&id) {
                Some(value) => Ok((value, SecretOrigin::Credential(id))),
                None => Err(Missing::Credential(id)),
            },
            "file" => {
                let path = self.environment.expand_path(&id, self.base_directory.as_deref());
                match read_secret_file(&path) {
                    Some(value) => Ok((value, SecretOrigin::File(path))),
                    None => Err(Missing::File(id)),
                }
            }
            _ => return None,
        };
        Some(match found {
            Ok((value, origin)) => SecretLookup::Resolved(Secret::new(value), origin),
            Err(missing) => SecretLookup::Missing(missing),
        })
    }
}

/// The first line end of a file with a secret is not part of it.
fn read_secret_file(path: &Path) -> Option<String> {
    let text = String::from_utf8(bounded_read::read_bounded(path).ok()?).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// `{NAME}` at the start of a text: the name and what follows.
fn parse_reference(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let first = name.bytes().next()?;
    let starts = first == b'_' || first.is_ascii_uppercase();
    let goes_on = name.bytes().all(|b| b == b'_' || b.is_ascii_uppercase() || b.is_ascii_digit());
    (starts && goes_on).then_some((name, after))
}

#[cfg(test)]
mod tests;
