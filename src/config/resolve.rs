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
use super::file::{At, Tree};
use super::interpolate::Variables;
use super::issue::Report;
use super::settings::{Logging, Settings, Usage, WarningKind};
use crate::catalog::ThinkingLevel;
use endpoint::{Address, ClearText};

/// What every part of the resolution needs.
struct Scope<'s, 't, 'e> {
    variables: &'s Variables<'e>,
    report: &'s mut Report<'t>,
}

impl Scope<'_, '_, '_> {
    /// Something is wrong at a value.
    fn wrong(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.report.wrong(&at.path, at.node.at, message);
    }

    /// Something is not wrong enough.
    fn warn(&mut self, at: &At<'_>, kind: WarningKind) {
        self.report.warn(&at.path, kind);
    }
}

/// Resolves a tree. What the walk found wrong is left out here; the caller refuses the settings then.
pub fn resolve(
    tree: &Tree,
    path: Option<&Path>,
    environment: &Environment,
    report: &mut Report<'_>,
) -> Settings {
    let root = At::root(tree);
    let variables = Variables::new(environment, env_block(&root), path.and_then(Path::parent));
    for problem in variables.secrets_file_problems() {
        report.warn_of_secrets_file(&environment.secrets_file().unwrap_or_default(), problem.clone());
    }
    let mut scope = Scope { variables: &variables, report };

    let mut providers = providers::read(&root, &mut scope);
    let agents = agents::read(&root, &mut providers, &mut scope);
    let routes = routes::read(&root, &providers, &agents, &mut scope);
    let defaults = root.find(&["agents", "defaults"]);
    let text = |at: Option<At<'_>>| at.and_then(|at| at.text().map(str::to_owned));
    Settings {
        path: path.map(Path::to_owned),
        files: sources::files(&root, &providers.table, environment, path.and_then(Path::parent)),
        thinking_default: text(defaults.as_ref().and_then(|at| at.get("thinkingDefault")))
            .and_then(|word| ThinkingLevel::from_word(&word)),
        workspace: text(defaults.and_then(|at| at.get("workspace")))
            .map(|path| environment.expand(&path, None)),
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
fn env_block(root: &At<'_>) -> BTreeMap<String, String> {
    let mut block = BTreeMap::new();
    let outer = root.get("env");
    let inner = outer.as_ref().and_then(|at| at.get("vars"));
    for object in [inner, outer].into_iter().flatten() {
        let texts = object
            .members()
            .into_iter()
            .filter_map(|(key, at)| Some((key.to_owned(), at.text()?.to_owned())));
        block.extend(texts);
    }
    block
}

fn otlp_endpoint(root: &At<'_>, scope: &mut Scope<'_, '_, '_>) -> Option<String> {
    let at = root.find(&["telemetry", "otlp", "endpoint"])?;
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

fn usage(root: &At<'_>) -> Usage {
    let mut usage = Usage::default();
    if let Some(store) = root.find(&["usage", "store"]).and_then(|at| at.text()) {
        usage.kept = store != "none";
    }
    if let Some(days) = root.find(&["usage", "retentionDays"]).and_then(|at| at.whole()) {
        usage.retention_days = u32::try_from(days).unwrap_or(usage.retention_days);
    }
    usage
}

fn logging(root: &At<'_>) -> Logging {
    let mut logging = Logging::default();
    if let Some(level) = root.find(&["logging", "level"]).and_then(|at| at.text()) {
        level.clone_into(&mut logging.level);
    }
    if let Some(content) = root.find(&["logging", "content"]).and_then(|at| at.flag()) {
        logging.content = content;
    }
    logging
}
