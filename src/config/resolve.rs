//! From the typed file to settings: references, keys, URLs, chains. Reports everything that is wrong and continues.

mod scope;
mod endpoint;
mod credentials;
mod models;
mod providers;
mod search;
mod gateway;
mod chains;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::environment::Environment;
use super::file::Issue;
use super::interpolate::Variables;
use super::keypath::KeyPath;
use super::keys::ConfigFile;
use super::settings::{Chain, Missing, Settings, WarningKind};
use super::validate::Diagnostics;
use crate::catalog::{ThinkingLevel, builtin_catalog};
use scope::{Providers, Scope};

pub(super) use endpoint::is_loopback;

/// Resolves a file. The error is everything that is wrong with it, `report` included, in the order of the file.
pub(super) fn resolve_settings(
    file: &ConfigFile,
    path: Option<&Path>,
    environment: &Environment,
    mut report: Diagnostics,
) -> Result<Settings, Vec<Issue>> {
    let variables = Variables::new(environment, env_block(&file.env), path.and_then(Path::parent));
    for problem in variables.secrets_file_problems() {
        let secrets_file = environment.secrets_file().unwrap_or_default();
        report.add_warning(secrets_file.display().to_string(), WarningKind::SecretsFile(problem.clone()));
    }
    let mut scope = Scope { variables, report, secret_files: Vec::new() };
    let providers = providers::resolve_providers(&file.models, &mut scope);
    let defaults = &file.agents.defaults;
    let mut settings = Settings {
        path: path.map(Path::to_owned),
        default_thinking: defaults.thinking_default.as_deref().and_then(ThinkingLevel::from_name),
        workspace: defaults.workspace.as_deref().map(|path| environment.expand_path(path, None)),
        failover: gateway::resolve_failover(&file.failover, &mut scope),
        gateway: gateway::resolve_gateway(&file.gateway, &mut scope),
        web_search: search::resolve_web_search(file, &providers, &mut scope),
        otlp_endpoint: resolve_otlp_endpoint(file.telemetry.otlp.endpoint.as_deref(), &mut scope),
        usage: gateway::resolve_usage(&file.usage),
        logging: file.logging.clone(),
        watched_files: watched_files(std::mem::take(&mut scope.secret_files), &providers, environment),
        aliases: BTreeMap::new(),
        default_chain: Chain { references: Vec::new() },
        routes: Vec::new(),
        provider_aliases: provider_aliases(&providers),
        providers,
        warnings: Vec::new(),
    };
    chains::resolve_agents(defaults, &mut settings, &mut scope);
    settings.routes = chains::resolve_routes(&file.models.routes, &settings, &mut scope);
    let Diagnostics { mut issues, warnings, .. } = scope.report;
    if issues.is_empty() {
        return Ok(Settings { warnings, ..settings });
    }
    issues.sort_by_key(|issue| (issue.line, issue.column));
    issues.dedup();
    Err(issues)
}

/// `env` and `env.vars`; of two values of one name the outer one counts.
fn env_block(env: &Map<String, Value>) -> BTreeMap<String, String> {
    let inner = env.get("vars").and_then(Value::as_object);
    let pairs = inner.into_iter().chain([env]).flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Other ids of catalog providers, unless the user defines those ids.
fn provider_aliases(providers: &Providers) -> BTreeMap<String, String> {
    let known = builtin_catalog().providers.iter().filter(|known| providers.contains_key(&known.id));
    let pairs = known.flat_map(|known| known.aliases.iter().map(|alias| (alias.clone(), known.id.clone())));
    pairs.filter(|(alias, _)| !providers.contains_key(alias)).collect()
}

fn resolve_otlp_endpoint(written: Option<&str>, scope: &mut Scope) -> Option<String> {
    let path = KeyPath::from_keys(&["telemetry", "otlp", "endpoint"]);
    let refusal = Some("sends traces in clear text to another machine: use https://");
    let kind = |missing: Missing| WarningKind::Other {
        name: "missing_trace_endpoint",
        message: format!("{missing}, so no traces are exported"),
    };
    let url = endpoint::read(&path, written?, refusal, kind, scope).ok()?;
    if !cfg!(feature = "otel") {
        let message = "this build of Moonrelay cannot export traces: build it with `cargo build --release --features \
                       otel`, use the Nix package, or remove the endpoint";
        scope.warn_other(&path, "traces_not_built", message);
    }
    Some(url.to_string())
}

/// The files besides the configuration whose changes matter: secrets and logins.
fn watched_files(
    secret_files: Vec<PathBuf>,
    providers: &Providers,
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
