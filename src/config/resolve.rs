//! From the tree to settings: references, keys, URLs, chains. Reports everything that is wrong and goes on.

mod agents;
mod endpoint;
mod failover;
mod gateway;
mod keys;
mod models;
mod providers;
mod routes;
mod search;
mod sources;

pub(super) use endpoint::is_loopback;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::environment::Environment;
use super::file::{Cursor, Tree};
use super::interpolate::Variables;
use super::issue::Diagnostics;
use super::settings::{LoggingSettings, Settings, UsageSettings, WarningKind};
use crate::catalog::ThinkingLevel;
use endpoint::{Address, ClearText};

/// What every part of the resolution needs.
struct Scope<'s, 't, 'e> {
    variables: &'s Variables<'e>,
    report: &'s mut Diagnostics<'t>,
}

impl Scope<'_, '_, '_> {
    /// Something is wrong at a value.
    fn wrong(&mut self, at: &Cursor<'_>, message: impl Into<String>) {
        self.report.add_error(&at.path, at.node.offset, message);
    }

    /// Something is not wrong enough.
    fn warn(&mut self, at: &Cursor<'_>, kind: WarningKind) {
        self.report.add_warning(&at.path, kind);
    }
}

/// Resolves a tree. What the walk found wrong is left out here; the caller refuses the settings then.
pub fn resolve_settings(
    tree: &Tree,
    path: Option<&Path>,
    environment: &Environment,
    report: &mut Diagnostics<'_>,
) -> Settings {
    let root = Cursor::root(tree);
    let variables = Variables::new(environment, env_block(&root), path.and_then(Path::parent));
    for problem in variables.secrets_file_problems() {
        report.warn_of_secrets_file(&environment.secrets_file().unwrap_or_default(), problem.clone());
    }
    let mut scope = Scope { variables: &variables, report };

    let mut providers = providers::read(&root, &mut scope);
    let agents = agents::read(&root, &mut providers, &mut scope);
    let routes = routes::read(&root, &providers, &agents, &mut scope);
    let defaults = root.get_path(&["agents", "defaults"]);
    let text = |at: Option<Cursor<'_>>| at.and_then(|at| at.as_str().map(str::to_owned));
    Settings {
        path: path.map(Path::to_owned),
        watched_files: sources::files(&root, &providers.table, environment, path.and_then(Path::parent)),
        default_thinking: text(defaults.as_ref().and_then(|at| at.get("thinkingDefault")))
            .and_then(|word| ThinkingLevel::from_name(&word)),
        workspace: text(defaults.and_then(|at| at.get("workspace")))
            .map(|path| environment.expand_path(&path, None)),
        failover: failover::read(&root, &mut scope),
        gateway: gateway::read(&root, &mut scope),
        web_search: search::read(&root, &providers, &mut scope),
        otlp_endpoint: otlp_endpoint(&root, &mut scope),
        usage: usage(&root),
        logging: logging(&root),
        aliases: agents.aliases,
        default_chain: agents.default_chain,
        routes,
        provider_aliases: providers.aliases,
        providers: providers.table.into_iter().map(|(id, provider)| (id, Arc::new(provider))).collect(),
        warnings: Vec::new(),
    }
}

/// `env` and `env.vars`; on a clash the outer one counts.
fn env_block(root: &Cursor<'_>) -> BTreeMap<String, String> {
    let mut block = BTreeMap::new();
    let outer = root.get("env");
    let inner = outer.as_ref().and_then(|at| at.get("vars"));
    for object in [inner, outer].into_iter().flatten() {
        let texts = object
            .members()
            .into_iter()
            .filter_map(|(key, at)| Some((key.to_owned(), at.as_str()?.to_owned())));
        block.extend(texts);
    }
    block
}

fn otlp_endpoint(root: &Cursor<'_>, scope: &mut Scope<'_, '_, '_>) -> Option<String> {
    let at = root.get_path(&["telemetry", "otlp", "endpoint"])?;
    let clear = ClearText::Refused { what: "traces", fix: "use https://" };
    match endpoint::read(&at, clear, scope) {
        Address::Url(url) => Some(url.to_string()),
        Address::Missing(missing) => {
            scope.warn(&at, WarningKind::MissingTraceEndpoint(missing));
            None
        }
        Address::None => None,
    }
}

fn usage(root: &Cursor<'_>) -> UsageSettings {
    let mut usage = UsageSettings::default();
    if let Some(store) = root.get_path(&["usage", "store"]).and_then(|at| at.as_str()) {
        usage.is_enabled = store != "none";
    }
    if let Some(days) = root.get_path(&["usage", "retentionDays"]).and_then(|at| at.as_u64()) {
        usage.retention_days = u32::try_from(days).unwrap_or(usage.retention_days);
    }
    usage
}

fn logging(root: &Cursor<'_>) -> LoggingSettings {
    let mut logging = LoggingSettings::default();
    if let Some(level) = root.get_path(&["logging", "level"]).and_then(|at| at.as_str()) {
        level.clone_into(&mut logging.level);
    }
    if let Some(content) = root.get_path(&["logging", "content"]).and_then(|at| at.as_bool()) {
        logging.logs_content = content;
    }
    logging
}
