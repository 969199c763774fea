//! `models list`: every model, with its place in the chain.

use std::sync::Arc;

use serde_json::{Value, json};

use super::provider_lists::ProviderListing;
use crate::catalog::{InputModalities, ModelInfo, ThinkingControl, TokenPrices};
use crate::cli::console::{Console, render_table};
use crate::cli::exit::CommandError;
use crate::config::nearest::format_suggestion;
use crate::config::settings::{Provider, ProviderModel, Reference, Settings};

/// The provider that `--provider` means.
pub(super) fn resolve_provider(settings: &Settings, id: &str) -> Result<String, CommandError> {
    let id = id.to_lowercase();
    let meant = settings.provider_aliases.get(&id).unwrap_or(&id);
    if settings.providers.contains_key(meant) {
        return Ok(meant.clone());
    }
    let hint = format_suggestion(&id, settings.providers.keys().map(String::as_str));
    Err(CommandError::failure("unknown_provider", format!("there is no provider \"{id}\"{hint}")))
}

/// One model of the list.
struct ModelRow<'s> {
    reference: Reference,
    model: Arc<ProviderModel>,
    provider: &'s Provider,
    tags: Vec<String>,
    /// Neither the catalog nor the file knows it; its provider accepts any id.
    is_missing: bool,
}

/// The chain first, then by provider and id. Retired models, and providers that need configuration, are listed
/// only if the file names them.
fn list_rows<'s>(settings: &'s Settings, only: Option<&str>) -> Vec<ModelRow<'s>> {
    let mut references = settings.default_chain.references.clone();
    for (id, provider) in &settings.providers {
        let listed = provider.models.values().filter(|model| {
            model.is_configured || (model.model.retirement.is_none() && provider.is_enabled())
        });
        let all = listed.map(|model| Reference { provider: id.clone(), model: model.model.id.clone() });
        references.extend(all);
    }
    references.extend(settings.aliases.values().cloned());
    let mut rows: Vec<ModelRow<'s>> = Vec::new();
    for reference in references {
        let known = rows.iter().any(|row| row.reference == reference);
        let Some(provider) = settings.providers.get(&reference.provider) else { continue };
        let wanted = only.is_none_or(|only| only == reference.provider);
        if let (false, true, Some(model)) = (known, wanted, provider.find_model(&reference.model)) {
            let missing = !provider.models.contains_key(&reference.model);
            rows.push(ModelRow {
                tags: model_tags(settings, &reference),
                reference,
                model,
                provider,
                is_missing: missing,
            });
        }
    }
    rows
}

fn model_tags(settings: &Settings, reference: &Reference) -> Vec<String> {
    let place = settings.default_chain.references.iter().position(|other| other == reference);
    let mut tags: Vec<String> = place
        .map(|place| if place == 0 { "default".to_owned() } else { format!("fallback#{place}") })
        .into_iter()
        .collect();
    let aliases = settings.aliases.iter().filter(|(_, meant)| *meant == reference);
    tags.extend(aliases.map(|(alias, _)| format!("alias:{alias}")));
    tags
}

/// Prints the list and the providers' own lists.
pub(super) fn print(
    settings: &Settings,
    only: Option<&str>,
    live: Option<&[ProviderListing]>,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let rows = list_rows(settings, only);
    if console.json {
        let models: Vec<Value> = rows.iter().map(as_json).collect();
        let mut list = json!({ "count": models.len(), "models": models });
        if let (Some(live), Some(object)) = (live, list.as_object_mut()) {
            object.insert("live".to_owned(), live.iter().map(ProviderListing::as_json).collect());
        }
        return console.print_json(&list);
    }
    let cells: Vec<Vec<String>> = rows.iter().map(row_cells).collect();
    let text = render_table(&["Model", "Input", "Context", "Price in/out", "Ready", "Tags"], &cells);
    console.print_line(text.trim_end())?;
    for answer in live.unwrap_or_default() {
        console.print_line("")?;
        for line in answer.as_lines() {
            console.print_line(line)?;
        }
    }
    Ok(())
}

fn as_json(row: &ModelRow<'_>) -> Value {
    let facts = &row.model.model;
    let mut value = json!({
        "key": row.reference.to_string(),
        "name": facts.name,
        "input": input_text(facts.input_modalities),
        "contextWindow": facts.context_window,
        "maxTokens": facts.max_tokens,
        "reasoning": supports_reasoning(facts),
        "cost": facts.prices.map(cost_json),
        "tags": row.tags,
        "available": row.provider.disabled_reason.is_none(),
    });
    if let (true, Some(object)) = (row.is_missing, value.as_object_mut()) {
        object.insert("missing".to_owned(), json!(true));
    }
    value
}

fn input_text(inputs: InputModalities) -> String {
    let mut words = vec!["text"];
    words.extend(inputs.image.then_some("image"));
    words.extend(inputs.video.then_some("video"));
    words.join("+")
}

/// `None` where it is not known.
fn supports_reasoning(facts: &ModelInfo) -> Option<bool> {
    match facts.thinking_control {
        ThinkingControl::Unknown => None,
        ThinkingControl::None => Some(false),
        ThinkingControl::Switch | ThinkingControl::Always | ThinkingControl::Effort => Some(true),
    }
}

fn cost_json(cost: TokenPrices) -> Value {
    json!({
        "input": TokenPrices::millionths_to_units(cost.input),
        "output": TokenPrices::millionths_to_units(cost.output),
        "cacheRead": TokenPrices::millionths_to_units(cost.cache_read),
        "cacheWrite": TokenPrices::millionths_to_units(cost.cache_write),
    })
}

fn row_cells(row: &ModelRow<'_>) -> Vec<String> {
    let facts = &row.model.model;
    let price = facts.prices.map_or_else(
        || "-".to_owned(),
        |cost| {
            let (input, output) =
                (TokenPrices::millionths_to_units(cost.input), TokenPrices::millionths_to_units(cost.output));
            format!("{input}/{output} {}", row.provider.currency)
        },
    );
    vec![
        row.reference.to_string(),
        input_text(facts.input_modalities),
        facts.context_window.map_or_else(|| "-".to_owned(), format_window),
        price,
        if row.provider.disabled_reason.is_none() { "yes" } else { "no" }.to_owned(),
        row.tags
            .iter()
            .map(String::as_str)
            .chain(row.is_missing.then_some("not in the catalog"))
            .collect::<Vec<_>>()
            .join(", "),
    ]
}

/// Windows are powers of two or round numbers: 262144 is 256k, 200000 is 200k.
pub(super) fn format_window(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        _ if count.is_multiple_of(1_048_576) => format!("{}M", count / 1_048_576),
        _ if count.is_multiple_of(1_024) => format!("{}k", count / 1_024),
        _ => format!("{}k", count / 1_000),
    }
}
