//! Keys, logins and headers of a provider.

use http::{HeaderName, HeaderValue};

use super::scope::Scope;
use crate::catalog::{AdapterId, BuiltinProvider};
use crate::config::keypath::KeyPath;
use crate::config::keys::{AuthSetting, Entries, Keys, ProviderSettings, SecretSetting, valid_elements};
use crate::config::settings::{
    Auth, Header, Missing, NO_STATE_DIRECTORY, Provider, ProviderKey, SecretOrigin, WarningKind,
};
use crate::credentials::LoginFile;
use crate::secret::Secret;

/// Sets the keys, how they are sent, and if there is none, why the provider is disabled. Without `apiKey` the
/// variables of `known` are read.
pub(super) fn resolve_credentials(
    settings: &ProviderSettings,
    path: &KeyPath,
    known: Option<&BuiltinProvider>,
    provider: &mut Provider,
    scope: &mut Scope,
) {
    if settings.auth == Some(AuthSetting::OAuth) {
        return resolve_login(settings, path, provider, scope);
    }
    if settings.auth == Some(AuthSetting::Token) || settings.auth_header {
        provider.auth = Auth::Bearer;
    }
    let needs_no_key = settings.api_key.is_none() && known.is_none() && settings.auth.is_none();
    if settings.auth == Some(AuthSetting::None) || needs_no_key {
        provider.auth = Auth::None;
        let secret = Secret::new(String::new());
        provider.keys.push(ProviderKey { secret, origin: SecretOrigin::NoKey });
        return;
    }
    let id = provider.id.clone();
    let key_path = path.join_key("apiKey");
    let keys: Vec<(KeyPath, Result<ProviderKey, Missing>)> = match (&settings.api_key, known) {
        (Some(Keys::One(setting)), _) => vec![(key_path, resolve_key(setting, scope))],
        (Some(Keys::Many(list)), _) => {
            let settings = valid_elements(list);
            settings.map(|(at, key)| (key_path.join_index(at), resolve_key(key, scope))).collect()
        }
        (None, Some(known)) => vec![(key_path, key_of_variables(&known.key_variables, scope))],
        (None, None) => {
            scope.warn(path, WarningKind::NoApiKey { provider: id });
            return disable(provider, "it has no apiKey");
        }
    };
    let has_other_keys = keys.iter().any(|(_, key)| key.is_ok());
    for (path, key) in keys {
        match key {
            Ok(key) => provider.keys.push(key),
            Err(missing) => {
                if !has_other_keys {
                    disable(provider, &missing);
                }
                scope.warn(&path, WarningKind::MissingKey { provider: id.clone(), missing, has_other_keys });
            }
        }
    }
}

/// The first reason is kept.
pub(super) fn disable(provider: &mut Provider, reason: impl ToString) {
    provider.disabled_reason.get_or_insert_with(|| reason.to_string());
}

/// The login of `auth: "oauth"`. Without a login the provider is disabled until the user logs in.
fn resolve_login(settings: &ProviderSettings, path: &KeyPath, provider: &mut Provider, scope: &mut Scope) {
    provider.auth = Auth::Login;
    let id = provider.id.clone();
    let auth_path = path.join_key("auth");
    if provider.adapter != AdapterId::KimiCode {
        let message = format!("only Kimi Code has a login, and provider {id} is another one: set an apiKey");
        scope.error(&auth_path, message);
        return disable(provider, "it has no login");
    }
    if settings.api_key.is_some() {
        let message = "it is ignored with auth: \"oauth\": remove one of the two";
        scope.warn_other(&path.join_key("apiKey"), "unused_api_key", message);
    }
    provider.login_file = scope.variables.login_file(&id);
    let error = match provider.login_file.as_ref().map(LoginFile::read) {
        Some(Ok(login)) => {
            let origin = SecretOrigin::Login { host: login.host };
            return provider.keys.push(ProviderKey { secret: Secret::new(login.id), origin });
        }
        read => read.and_then(Result::err),
    };
    disable(provider, error.as_ref().map_or_else(|| NO_STATE_DIRECTORY.to_owned(), ToString::to_string));
    scope.warn(&auth_path, WarningKind::MissingLogin { provider: id, error });
}

/// A key that an HTTP header can carry.
pub(super) fn resolve_key(setting: &SecretSetting, scope: &mut Scope) -> Result<ProviderKey, Missing> {
    let (secret, origin) = scope.resolve_secret(setting)?;
    match HeaderValue::from_str(secret.expose()) {
        Ok(_) => Ok(ProviderKey { secret, origin }),
        Err(_) => Err(Missing::InvalidKey(origin)),
    }
}

/// The key in a variable, if a header can carry it.
pub(super) fn key_of_variable(name: &str, scope: &Scope) -> Option<ProviderKey> {
    let (value, origin) = scope.variables.find_variable(name)?;
    HeaderValue::from_str(&value).ok()?;
    Some(ProviderKey { secret: Secret::new(value), origin })
}

/// The key in the first of these variables that is set.
pub(super) fn key_of_variables(names: &[String], scope: &Scope) -> Result<ProviderKey, Missing> {
    let first = names.iter().find(|name| scope.variables.find_variable(name).is_some());
    first.and_then(|name| key_of_variable(name, scope)).ok_or_else(|| Missing::Variables(names.to_vec()))
}

/// `headers` of the provider or of one of its models. A missing value disables the provider.
pub(super) fn resolve_headers(
    settings: &Entries<SecretSetting>,
    path: &KeyPath,
    provider: &mut Provider,
    scope: &mut Scope,
) -> Vec<Header> {
    let mut found: Vec<Header> = Vec::new();
    for (key, setting) in &settings.0 {
        let path = path.join_key("headers").join_key(key);
        let name = match header_name(key, &found) {
            Ok(name) => name,
            Err(message) => {
                scope.error(&path, message);
                continue;
            }
        };
        match scope.resolve_secret(setting) {
            Ok((value, _)) if HeaderValue::from_str(value.expose()).is_ok() => {
                found.push(Header { name, value });
            }
            Ok(_) => scope.error(&path, "the value contains characters that no HTTP header can carry"),
            Err(missing) => {
                disable(provider, &missing);
                scope.warn(&path, WarningKind::MissingHeader { provider: provider.id.clone(), missing });
            }
        }
    }
    found
}

fn header_name(key: &str, known: &[Header]) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(key.as_bytes())
        .map_err(|_| format!("\"{key}\" is not the name of a header"))?;
    let is_reserved = matches!(
        name.as_str(),
        "connection" | "content-length" | "expect" | "host" | "keep-alive" | "te" | "trailer" | "upgrade"
    ) || name == http::header::TRANSFER_ENCODING;
    if is_reserved {
        return Err(format!("{name} is set for each request and cannot be configured"));
    }
    if known.iter().any(|header| header.name == name) {
        return Err(format!("duplicate header {name}: remove one"));
    }
    Ok(name)
}
