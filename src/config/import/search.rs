//! Web search through Kimi: a plugin's settings and the tool that uses it.

use serde_json::{Map, Value, json};

use super::notes::Notes;
use super::{insert, providers};
use crate::config::file::At;

/// `plugins`: only web search through Kimi.
pub(super) fn plugins(at: Option<At<'_>>, notes: &mut Notes) -> Option<Value> {
    let why = |_: &str| "Moonrelay has no plugins but Kimi's web search".to_owned();
    let search = inner(at, &["entries", "moonshot", "config", "webSearch"], why, notes)?;
    let taken = ["apiKey", "baseUrl", "model"];
    notes.others(&search, &taken, |_| "Kimi's web search has no such setting".to_owned());
    let mut kept = Map::new();
    for key in taken {
        let value = search.get(key).and_then(|at| match key {
            "apiKey" => providers::secret(&at, notes),
            _ => Some(at.node.value.to_json()),
        });
        insert(&mut kept, key, value);
    }
    (!kept.is_empty()).then(|| json!({ "entries": { "moonshot": { "config": { "webSearch": kept } } } }))
}

/// `tools`: only who searches.
pub(super) fn tools(at: Option<At<'_>>, notes: &mut Notes) -> Option<Value> {
    let why = |_: &str| "it belongs to OpenClaw's agent".to_owned();
    let search = inner(at, &["web", "search"], why, notes)?;
    notes.others(&search, &["provider"], why);
    let provider = search.get("provider")?;
    if provider.text() == Some("kimi") {
        return Some(json!({ "web": { "search": { "provider": "kimi" } } }));
    }
    notes.left_out(&provider.path, "Moonrelay searches through Kimi only");
    None
}

/// The object along these keys; everything beside the way is named.
fn inner<'t>(
    at: Option<At<'t>>,
    keys: &[&str],
    why: impl Fn(&str) -> String,
    notes: &mut Notes,
) -> Option<At<'t>> {
    let mut at = notes.object(at)?;
    for key in keys {
        notes.others(&at, &[key], &why);
        at = notes.object(at.get(key))?;
    }
    Some(at)
}
