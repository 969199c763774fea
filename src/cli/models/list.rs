//! `models list`: every model, with its place in the chain.

use std::sync::Arc;

use serde_json::{Value, json};

use super::live::Live;
use crate::catalog::{Cost, Inputs, Model, Thinking};
use crate::cli::console::{Console, table};
use crate::cli::exit::Ending;
use crate::config::nearest::did_you_mean;
use crate::config::settings::{Provider, ProviderModel, Reference, Settings};

/// The provider that `--provider` means.
pub(super) fn provider(settings: &Settings, id: &str) -> Result<String, Ending> {
    let id = id.to_lowercase();
    let meant = settings.provider_aliases.get(&id).unwrap_or(&id);
    if settings.providers.contains_key(meant) {
        return Ok(meant.clone());
    }
    let hint = did_you_mean(&id, settings.providers.keys().map(String::as_str));
    Err(Ending::failure("unknown_provider", format!("there is no provider \"{id}\"{hint}")))
}

/// One model of the list.
struct Row<'s> {
    reference: Reference,
    model: Arc<ProviderModel>,
    provider: &'s Provider,
    tags: Vec<String>,
    /// Neither the catalog nor the file knows it; its provider accepts any id.
    missing: bool,
}

/// The chain first, then by provider and id. Models that are gone stand in it only where the file names them, and so
/// does a provider that serves only when it is configured.
fn rows<'s>(settings: &'s Settings, only: Option<&str>) -> Vec<Row<'s>> {
    let mut references = settings.default_chain.references.clone();
    for (id, provider) in &settings.providers {
        let listed = provider
            .models
            .values()
            .filter(|model| model.configured || (model.facts.retired.is_none() && provider.is_wanted()));
        let all = listed.map(|model| Reference { provider: id.clone(), model: model.facts.id.clone() });
        references.extend(all);
    }
    references.extend(settings.aliases.values().cloned());
    let mut rows: Vec<Row<'s>> = Vec::new();
    for reference in references {
        let known = rows.iter().any(|row| row.reference == reference);
        let Some(provider) = settings.providers.get(&reference.provider) else { continue };
        let wanted = only.is_none_or(|only| only == reference.provider);
        if let (false, true, Some(model)) = (known, wanted, provider.model(&reference.model)) {
            let missing = !provider.models.contains_key(&reference.model);
            rows.push(Row { tags: tags(settings, &reference), reference, model, provider, missing });
        }
    }
    rows
}

fn tags(settings: &Settings, reference: &Reference) -> Vec<String> {
    let place = settings.default_chain.references.iter().position(|other| other == reference);
    let mut tags: Vec<String> = place
        .map(|place| if place == 0 { "default".to_owned() } else { format!("fallback#{place}") })
        .into_iter()
        .collect();
    let aliases = settings.aliases.iter().filter(|(_, meant)| *meant == reference);
    tags.extend(aliases.map(|(alias, _)| format!("alias:{alias}")));
    tags
}

/// Prints the list, and what the providers' own lists say.
pub(super) fn print(
    settings: &Settings,
    only: Option<&str>,
    live: Option<&[Live]>,
    console: &mut Console<'_>,
) -> Result<(), Ending> {
    let rows = rows(settings, only);
    if console.json {
        let models: Vec<Value> = rows.iter().map(as_json).collect();
        let mut list = json!({ "count": models.len(), "models": models });
        if let (Some(live), Some(object)) = (live, list.as_object_mut()) {
            object.insert("live".to_owned(), live.iter().map(Live::as_json).collect());
        }
        return console.print_json(&list);
    }
    let cells: Vec<Vec<String>> = rows.iter().map(as_cells).collect();
    let text = table(&["Model", "Input", "Context", "Price in/out", "Ready", "Tags"], &cells);
    console.line(text.trim_end())?;
    for answer in live.unwrap_or_default() {
        console.line("")?;
        for line in answer.as_lines() {
            console.line(line)?;
        }
    }
    Ok(())
}

fn as_json(row: &Row<'_>) -> Value {
    let facts = &row.model.facts;
    let mut value = json!({
        "key": row.reference.to_string(),
        "name": facts.name,
        "input": input(facts.inputs),
        "contextWindow": facts.context_window,
        "maxTokens": facts.max_tokens,
        "reasoning": reasoning(facts),
        "cost": facts.cost.map(cost),
        "tags": row.tags,
        "available": row.provider.off.is_none(),
    });
    if let (true, Some(object)) = (row.missing, value.as_object_mut()) {
        object.insert("missing".to_owned(), json!(true));
    }
    value
}

fn input(inputs: Inputs) -> String {
    let mut words = vec!["text"];
    words.extend(inputs.image.then_some("image"));
    words.extend(inputs.video.then_some("video"));
    words.join("+")
}

/// `None` where it is not known.
fn reasoning(facts: &Model) -> Option<bool> {
    match facts.thinking {
        Thinking::Unknown => None,
        Thinking::None => Some(false),
        Thinking::Switch | Thinking::Always | Thinking::Effort => Some(true),
    }
}

fn cost(cost: Cost) -> Value {
    json!({
        "input": Cost::per_million(cost.input),
        "output": Cost::per_million(cost.output),
        "cacheRead": Cost::per_million(cost.cache_read),
        "cacheWrite": Cost::per_million(cost.cache_write),
    })
}

fn as_cells(row: &Row<'_>) -> Vec<String> {
    let facts = &row.model.facts;
    let price = facts.cost.map_or_else(
        || "-".to_owned(),
        |cost| {
            let (input, output) = (Cost::per_million(cost.input), Cost::per_million(cost.output));
            format!("{input}/{output} {}", row.provider.currency)
        },
    );
    vec![
        row.reference.to_string(),
        input(facts.inputs),
        facts.context_window.map_or_else(|| "-".to_owned(), tokens),
        price,
        if row.provider.off.is_none() { "yes" } else { "no" }.to_owned(),
        row.tags
            .iter()
            .map(String::as_str)
            .chain(row.missing.then_some("not in the catalog"))
            .collect::<Vec<_>>()
            .join(", "),
    ]
}

/// Windows are powers of two or round numbers: 262144 is 256k, 200000 is 200k.
pub(super) fn tokens(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        _ if count.is_multiple_of(1_048_576) => format!("{}M", count / 1_048_576),
        _ if count.is_multiple_of(1_024) => format!("{}k", count / 1_024),
        _ => format!("{}k", count / 1_000),
    }
}
