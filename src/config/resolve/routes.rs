//! `models.routes`: requested names and globs, and what answers them.

use super::Scope;
use super::agents::{self, Agents};
use super::providers::Providers;
use crate::config::file::Cursor;
use crate::config::lookup::DEFAULT_CHAIN;
use crate::config::settings::{Chain, Route, WarningKind};

/// Reads the routes: exact names first, then globs, the longest first.
pub(super) fn read(
    root: &Cursor<'_>,
    providers: &Providers,
    agents: &Agents,
    scope: &mut Scope<'_, '_, '_>,
) -> Vec<Route> {
    let rows = root.get_path(&["models", "routes"]).map(|at| at.members()).unwrap_or_default();
    let table = Table { rows: &rows, providers, agents };
    let mut routes: Vec<Route> = Vec::new();
    for (pattern, at) in &rows {
        if pattern.eq_ignore_ascii_case(DEFAULT_CHAIN) {
            scope.wrong(at, "\"default\" is the chain of agents.defaults.model: set it there");
            continue;
        }
        if agents.aliases.contains_key(&pattern.to_lowercase()) {
            scope.warn(at, WarningKind::UnreachableRoute { pattern: (*pattern).to_owned() });
        }
        if routes.iter().any(|route| route.pattern.eq_ignore_ascii_case(pattern)) {
            scope.wrong(
                at,
                format!("route \"{pattern}\" stands here twice (case does not count): remove one"),
            );
            continue;
        }
        if let Some(chain) = table.chain(at, &mut vec![pattern], scope) {
            routes.push(Route { pattern: (*pattern).to_owned(), chain });
        }
    }
    routes.sort_by_key(|route| match route.is_exact() {
        true => (0, 0),
        false => (1, usize::MAX - route.pattern.chars().count()),
    });
    routes
}

struct Table<'r, 't> {
    rows: &'r [(&'t str, Cursor<'t>)],
    providers: &'r Providers,
    agents: &'r Agents,
}

impl<'t> Table<'_, 't> {
    /// `above` holds the routes that led here.
    fn chain(
        &self,
        at: &Cursor<'t>,
        above: &mut Vec<&'t str>,
        scope: &mut Scope<'_, '_, '_>,
    ) -> Option<Chain> {
        let Some(name) = at.as_str() else {
            let chain = agents::chain(at, self.providers, &self.agents.aliases, scope);
            return Some(chain).filter(|chain| !chain.references.is_empty());
        };
        if name.eq_ignore_ascii_case(DEFAULT_CHAIN) {
            return Some(self.agents.default_chain.clone());
        }
        let called = self.rows.iter().find(|(pattern, _)| pattern.eq_ignore_ascii_case(name));
        let Some((next, next_at)) = called else {
            let chain = agents::chain(at, self.providers, &self.agents.aliases, scope);
            return Some(with_fallbacks_of(&chain, &self.agents.default_chain))
                .filter(|c| !c.references.is_empty());
        };
        let is_next = |route: &&str| route.eq_ignore_ascii_case(next);
        if above.iter().any(is_next) {
            // One report for each ring: at the route that closes it.
            if above.first().is_some_and(is_next) {
                let ring = above.iter().chain([next]).copied().collect::<Vec<_>>().join(" -> ");
                scope.wrong(at, format!("the route leads back to itself: {ring}"));
            }
            return None;
        }
        above.push(next);
        self.chain(next_at, above, scope)
    }
}

/// What a chain names first, then the fallbacks of another.
fn with_fallbacks_of(first: &Chain, other: &Chain) -> Chain {
    let mut references = first.references.clone();
    for reference in other.references.iter().skip(1) {
        if !references.contains(reference) {
            references.push(reference.clone());
        }
    }
    Chain { references }
}
