//! From the typed file to settings: references, keys, URLs, chains. Reports everything that is wrong and continues.

mod chains;
mod endpoint;
mod gateway;
mod models;
mod providers;
mod search;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::environment::Environment;
use super::interpolate::{SecretLookup, Variables};
use super::keypath::KeyPath;
use super::keys::{ConfigFile, SecretSetting, SecretSource};
use super::settings::{Provider, Settings, WarningKind};
use super::validate::Diagnostics;
use crate::catalog::ThinkingLevel;
use endpoint::{Address, ClearText};

pub(super) use endpoint::is_loopback;

/// What every part of the resolution needs.
struct Scope<'s, 't, 'e> {
    variables: &'s Variables<'e>,
    report: &'s mut Diagnostics<'t>,
    /// Files that secret references name.
    secret_files: Vec<PathBuf>,
}

impl Scope<'_, '_, '_> {
    fn error(&mut self, path: &KeyPath, message: impl Into<String>) {
        self.report.add_error(path, message);
    }

    fn warn(&mut self, path: &KeyPath, kind: WarningKind) {
        self.report.add_warning(path, kind);
    }

    fn resolve_secret(&mut self, setting: &SecretSetting) -> SecretLookup {
        if let SecretSetting::Reference { source: SecretSource::File, id } = setting {
            self.secret_files.push(self.variables.expand_path(id));
        }
        self.variables.resolve_secret(setting)
    }
}

/// Resolves a file. The caller rejects the settings if `report` has errors.
pub(super) fn resolve_settings(
    file: &ConfigFile,
    path: Option<&Path>,
    environment: &Environment,
    report: &mut Diagnostics<'_>,
) -> Settings {
    let variables = Variables::new(environment, env_block(&file.env), path.and_then(Path::parent));
    for problem in variables.secrets_file_problems() {
        let secrets_file = environment.secrets_file().unwrap_or_default();
        report.add_secrets_file_warning(&secrets_file, problem.clone());
    }
    let mut scope = Scope { variables: &variables, report, secret_files: Vec::new() };
    let mut providers = providers::resolve_providers(&file.models, &mut scope);
    let agents = chains::resolve_agents(&file.agents.defaults, &mut providers, &mut scope);
    let routes = chains::resolve_routes(&file.models.routes, &providers, &agents, &mut scope);
    let defaults = &file.agents.defaults;
    Settings {
        path: path.map(Path::to_owned),
        default_thinking: defaults.thinking_default.as_deref().and_then(ThinkingLevel::from_name),
        workspace: defaults.workspace.as_deref().map(|path| environment.expand_path(path, None)),
        failover: gateway::resolve_failover(&file.failover, &mut scope),
        gateway: gateway::resolve_gateway(&file.gateway, &mut scope),
        web_search: search::resolve_web_search(file, &providers, &mut scope),
        otlp_endpoint: resolve_otlp_endpoint(file.telemetry.otlp.endpoint.as_deref(), &mut scope),
        usage: gateway::resolve_usage(&file.usage),
        logging: gateway::resolve_logging(&file.logging),
        watched_files: watched_files(scope.secret_files, &providers.table, environment),
        aliases: agents.aliases,
        default_chain: agents.default_chain,
        routes,
        provider_aliases: providers.aliases,
        providers: providers.table.into_iter().map(|(id, provider)| (id, Arc::new(provider))).collect(),
        warnings: Vec::new(),
    }
}

/// `env` and `env.vars`; of two values of one name the outer one counts.
fn env_block(env: &Map<String, Value>) -> BTreeMap<String, String> {
    let inner = env.get("vars").and_then(Value::as_object);
    let pairs = inner.into_iter().chain([env]).flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn resolve_otlp_endpoint(written: Option<&str>, scope: &mut Scope<'_, '_, '_>) -> Option<String> {
    let path = KeyPath::from_keys(&["telemetry", "otlp", "endpoint"]);
    let clear_text = ClearText::Refused { what: "traces", fix: "use https://" };
    match endpoint::read(&path, written?, clear_text, scope) {
        Address::Url(url) => {
            if !cfg!(feature = "otel") {
                scope.warn(&path, WarningKind::TracesNotBuilt);
            }
            Some(url.to_string())
        }
        Address::Missing(missing) => {
            scope.warn(&path, WarningKind::MissingTraceEndpoint(missing));
            None
        }
        Address::Invalid => None,
    }
}

/// The files besides the configuration whose changes matter: secrets and logins.
fn watched_files(
    secret_files: Vec<PathBuf>,
    providers: &BTreeMap<String, Provider>,
    environment: &Environment,
) -> Vec<PathBuf> {
    let mut files = secret_files;
    files.extend(environment.secrets_file());
    for provider in providers.values() {
        let Some(login) = &provider.login_file else { continue };
        files.push(login.lock_path());
        // The token file changes with each refresh, so it is not watched. An unusable one may be fixed, so it is.
        if provider.disabled_reason.is_some() {
            files.push(login.token_path());
        }
    }
    files.sort();
    files.dedup();
    files
}
