//! Kimi's web search: `plugins.entries.moonshot.config.webSearch`.

use super::endpoint::{Address, ClearText};
use super::providers::Providers;
use super::{Scope, endpoint, keys};
use crate::catalog::{DialectId, builtin};
use crate::config::file::At;
use crate::config::settings::WebSearch;

/// The model that searches when none is named: OpenClaw's default, and the cheapest that the platform serves.
const MODEL: &str = "kimi-k2.6";

/// Names of a key for it, where none is configured.
const NAMES: [&str; 2] = ["KIMI_API_KEY", "MOONSHOT_API_KEY"];

/// Reads it, with what it leaves out.
pub(super) fn read(root: &At<'_>, providers: &Providers, scope: &mut Scope<'_, '_, '_>) -> WebSearch {
    let at = root.find(&["plugins", "entries", "moonshot", "config", "webSearch"]);
    let setting = |key| at.as_ref().and_then(|at| at.get(key));
    let key = match setting("apiKey") {
        Some(key) => match scope.variables.secret(&key) {
            Some(found) => keys::from_found(&key, found, "web search is off until it is", scope),
            None => None,
        },
        None => keys::from_names(&NAMES.map(str::to_owned), scope).found.into_iter().next(),
    };
    let model = setting("model").and_then(|at| at.text()).unwrap_or(MODEL).to_owned();
    let own = || moonshot_base(providers);
    let Some(at) = setting("baseUrl") else { return WebSearch { key, base_url: own(), model } };
    let clear = ClearText::Refused { what: "the key", fix: "use https://" };
    match endpoint::read(&at, clear, scope) {
        Address::Url(url) => {
            WebSearch { key, base_url: url.as_str().trim_end_matches('/').to_owned(), model }
        }
        Address::Missing(what) => {
            scope.warn(&at, format!("{what}: web search is off until it is"));
            // The key is for the host that the user means, not for another one.
            WebSearch { key: None, base_url: own(), model }
        }
        Address::None => WebSearch { key, base_url: own(), model },
    }
}

/// The base URL of provider `moonshot`, where it is Moonshot's own, else the international site.
fn moonshot_base(providers: &Providers) -> String {
    let moonshot = providers.table.get("moonshot").filter(|provider| provider.dialect == DialectId::Moonshot);
    let own = moonshot.and_then(|provider| provider.faces.first()).map(|(_, base)| base.clone());
    let is_native = |base: &String| {
        builtin()
            .providers
            .iter()
            .any(|known| known.hosts.iter().any(|host| base.starts_with(&format!("https://{host}/"))))
    };
    own.filter(is_native).unwrap_or_else(|| "https://api.moonshot.ai/v1".to_owned())
}
