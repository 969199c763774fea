//! Web search through Kimi: a plugin's settings and the tool that uses it.

use serde_json::{Map, Value, json};

use super::notes::ImportNotes;
use super::{insert_non_empty, providers};
use crate::config::file::Cursor;

/// `plugins`: only web search through Kimi.
pub(super) fn import_plugins(at: Option<Cursor<'_>>, notes: &mut ImportNotes) -> Option<Value> {
    let why = |_: &str| "Moonrelay has no plugins but Kimi's web search".to_owned();
    let search = descend(at, &["entries", "moonshot", "config", "webSearch"], why, notes)?;
    let taken = ["apiKey", "baseUrl", "model"];
    notes.skip_others(&search, &taken, |_| "Kimi's web search has no such setting".to_owned());
    let mut kept = Map::new();
    for key in taken {
        let value = search.get(key).and_then(|at| match key {
            "apiKey" => providers::import_secret(&at, notes),
            _ => Some(at.node.value.to_json()),
        });
        insert_non_empty(&mut kept, key, value);
    }
    (!kept.is_empty()).then(|| json!({ "entries": { "moonshot": { "config": { "webSearch": kept } } } }))
}

/// `tools`: only the search provider.
pub(super) fn import_tools(at: Option<Cursor<'_>>, notes: &mut ImportNotes) -> Option<Value> {
    let why = |_: &str| "it belongs to OpenClaw's agent".to_owned();
    let search = descend(at, &["web", "search"], why, notes)?;
    notes.skip_others(&search, &["provider"], why);
    let provider = search.get("provider")?;
    if provider.as_str() == Some("kimi") {
        return Some(json!({ "web": { "search": { "provider": "kimi" } } }));
    }
    notes.record_skipped(&provider.path, "Moonrelay searches through Kimi only");
    None
}

/// The object along these keys; every other key on the path is reported.
fn descend<'t>(
    at: Option<Cursor<'t>>,
    keys: &[&str],
    why: impl Fn(&str) -> String,
    notes: &mut ImportNotes,
) -> Option<Cursor<'t>> {
    let mut at = notes.expect_object(at)?;
    for key in keys {
        notes.skip_others(&at, &[key], &why);
        at = notes.expect_object(at.get(key))?;
    }
    Some(at)
}
