//! `models list`: every model with its position in the chain, and how providers' own lists differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use crate::catalog::{InputModalities, ThinkingControl, TokenPrices};
use crate::cli::command::{CommandContext, CommandError};
use crate::cli::output::{format_compact, format_count, json_list, json_text, render_table};
use crate::config::nearest::format_suggestion;
use crate::config::settings::{Provider, Reference, Settings};
use crate::doctor::provider_query::{self, ListedModel, ModelList};
use crate::upstream::Connector;
use crate::upstream::oauth::AuthenticatedConnector;

/// Prints the models; with `live`, exit 1 if every provider fails.
pub(super) async fn execute(
    provider: Option<&str>,
    live: bool,
    context: &mut CommandContext<'_>,
    connector: &Arc<dyn Connector>,
) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let only = provider.map(|id| resolve_provider(&settings, id)).transpose()?;
    let (models, rows) = list_models(&settings, only.as_deref());
    let mut list = json!({ "count": models.len(), "models": models });
    let mut listings = Vec::new();
    if live {
        listings = compare_providers(&settings, only.as_deref(), connector).await;
        list["live"] = json!(listings);
    }
    context.report(&list, || {
        let table = render_table(&["Model", "Input", "Context", "Price in/out", "Ready", "Tags"], &rows);
        let lists = listings.iter().map(|listing| format!("\n\n{}", render_listing(listing)));
        table.trim_end().to_owned() + &lists.collect::<String>()
    })?;
    let has_failed = !listings.is_empty() && listings.iter().all(|listing| listing["ok"] == false);
    if has_failed { Err(CommandError::silent()) } else { Ok(()) }
}

fn resolve_provider(settings: &Settings, id: &str) -> Result<String, CommandError> {
    let id = id.to_lowercase();
    let resolved = settings.provider_aliases.get(&id).unwrap_or(&id);
    if settings.providers.contains_key(resolved) {
        return Ok(resolved.clone());
    }
    let hint = format_suggestion(&id, settings.providers.keys().map(String::as_str));
    Err(CommandError::failure("unknown_provider", format!("there is no provider \"{id}\"{hint}")))
}

/// Each model for `--json`, and its cells in the table: the chain first, then by provider and id. Retired models, and
/// providers that need configuration, are listed only if the file names them.
fn list_models(settings: &Settings, only: Option<&str>) -> (Vec<Value>, Vec<Vec<String>>) {
    let mut references = settings.default_chain.references.clone();
    for (id, provider) in &settings.providers {
        let listed = provider.models.values().filter(|model| {
            model.is_configured || (model.model.retirement.is_none() && provider.is_enabled())
        });
        references
            .extend(listed.map(|model| Reference { provider: id.clone(), model: model.model.id.clone() }));
    }
    references.extend(settings.aliases.values().cloned());
    let mut seen = Vec::new();
    let (mut models, mut rows) = (Vec::new(), Vec::new());
    for reference in references {
        if seen.contains(&reference) || only.is_some_and(|only| only != reference.provider) {
            continue;
        }
        if let Some((model, cells)) = describe_model(settings, &reference) {
            models.push(model);
            rows.push(cells);
        }
        seen.push(reference);
    }
    (models, rows)
}

fn describe_model(settings: &Settings, reference: &Reference) -> Option<(Value, Vec<String>)> {
    let provider = settings.providers.get(&reference.provider)?;
    let model = &provider.find_model(&reference.model)?.model;
    let mut tags = model_tags(settings, reference);
    let is_available = provider.disabled_reason.is_none();
    let units = TokenPrices::millionths_to_units;
    let cost = model.prices.map(|prices| {
        json!({
            "input": units(prices.input),
            "output": units(prices.output),
            "cacheRead": units(prices.cache_read),
            "cacheWrite": units(prices.cache_write),
            "cacheWrite1h": units(prices.cache_write_1h),
        })
    });
    let mut value = json!({
        "key": reference.to_string(),
        "name": model.name,
        "input": input_text(model.input_modalities),
        "contextWindow": model.context_window,
        "maxTokens": model.max_tokens,
        "reasoning": match model.thinking_control {
            ThinkingControl::Unknown => None,
            ThinkingControl::None => Some(false),
            ThinkingControl::Switch | ThinkingControl::Always | ThinkingControl::Effort => Some(true),
        },
        "cost": cost,
        "tags": tags,
        "available": is_available,
    });
    // Its provider accepts any id.
    if !provider.models.contains_key(&reference.model) {
        value["missing"] = json!(true);
        tags.push("not in the catalog".to_owned());
    }
    let price = |prices: TokenPrices| {
        format!("{}/{} {}", units(prices.input), units(prices.output), provider.currency)
    };
    let cells = vec![
        reference.to_string(),
        input_text(model.input_modalities),
        model.context_window.map_or_else(|| "-".to_owned(), format_compact),
        model.prices.map_or_else(|| "-".to_owned(), price),
        if is_available { "yes" } else { "no" }.to_owned(),
        tags.join(", "),
    ];
    Some((value, cells))
}

fn model_tags(settings: &Settings, reference: &Reference) -> Vec<String> {
    let position = settings.default_chain.references.iter().position(|other| other == reference);
    let position = position.map(|position| match position {
        0 => "default".to_owned(),
        position => format!("fallback#{position}"),
    });
    let aliases = settings.aliases.iter().filter(|(_, other)| *other == reference);
    position.into_iter().chain(aliases.map(|(alias, _)| format!("alias:{alias}"))).collect()
}

fn input_text(inputs: InputModalities) -> String {
    let mut words = vec!["text"];
    words.extend(inputs.image.then_some("image"));
    words.extend(inputs.video.then_some("video"));
    words.join("+")
}

/// Compares the list of every available provider, or of the named one, with the catalog and the file.
async fn compare_providers(
    settings: &Settings,
    only: Option<&str>,
    connector: &Arc<dyn Connector>,
) -> Vec<Value> {
    let mut listings = Vec::new();
    for provider in settings.providers.values() {
        if !only.map_or(provider.disabled_reason.is_none(), |only| only == provider.id) {
            continue;
        }
        let listed = match &provider.disabled_reason {
            Some(why) => Err(format!("disabled: {why}")),
            None => fetch_list(provider, connector).await,
        };
        listings.push(match listed {
            Ok(listed) => compare_lists(provider, &listed),
            Err(error) => json!({ "provider": provider.id, "ok": false, "error": error }),
        });
    }
    listings
}

async fn fetch_list(
    provider: &Arc<Provider>,
    connector: &Arc<dyn Connector>,
) -> Result<Vec<ListedModel>, String> {
    let (_, base) = provider_query::api_base(provider).ok_or("it has no base URL")?;
    let logins = AuthenticatedConnector::new(connector.clone());
    let body = provider_query::fetch_with_login(provider, "/models", &logins).await;
    let (body, redactor) =
        body.map_err(|failure| match failure.status.and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(status) => format!("GET {base}/models returned {status}{}", status_hint(status)),
            None => failure.to_string(),
        })?;
    // The error may quote the body.
    let list: ModelList = serde_json::from_slice(&body).map_err(|error| {
        format!("GET {base}/models returned no model list: {}", redactor.redact(&error.to_string()))
    })?;
    let redacted = |model: ListedModel| ListedModel { id: redactor.redact_values(&model.id), ..model };
    Ok(list.data.into_iter().map(redacted).collect())
}

fn status_hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => ": the key is wrong, or belongs to another host or product",
        StatusCode::NOT_FOUND => ": it has no model list",
        _ => "",
    }
}

fn compare_lists(provider: &Provider, listed: &[ListedModel]) -> Value {
    let theirs: BTreeMap<&str, Option<u64>> =
        listed.iter().map(|model| (model.id.as_str(), model.context_length)).collect();
    // Retired models are not expected in the list.
    let ours = provider.models.values().filter(|model| model.model.retirement.is_none());
    let ours: BTreeMap<String, Option<u64>> =
        ours.map(|model| (provider.upstream_model_id(&model.model.id), model.model.context_window)).collect();
    let windows = ours.iter().filter_map(|(id, window)| {
        let (ours, theirs) = ((*window)?, (*theirs.get(id.as_str())?)?);
        (ours != theirs).then(|| json!({ "id": id, "here": ours, "there": theirs }))
    });
    json!({
        "provider": provider.id,
        "ok": true,
        "count": theirs.len(),
        "onlyThere": theirs.keys().filter(|id| !ours.contains_key(**id)).collect::<Vec<_>>(),
        "onlyHere": ours.keys().filter(|id| !theirs.contains_key(id.as_str())).collect::<Vec<_>>(),
        "contextDiffers": windows.collect::<Vec<_>>(),
    })
}

/// Names of a provider with many models that the text shows.
const MAX_NAMES_SHOWN: usize = 8;

fn render_listing(listing: &Value) -> String {
    let provider = json_text(listing, "provider");
    if let Some(error) = listing["error"].as_str() {
        return format!("{provider}: {error}");
    }
    let names = |key| json_list(listing, key).filter_map(Value::as_str).collect::<Vec<_>>();
    let window = |value: &Value| format_compact(value.as_u64().unwrap_or_default());
    let count = listing["count"].as_u64().unwrap_or_default();
    let mut lines = vec![format!("{provider} lists {}", format_count(count, "model"))];
    let (theirs, ours) = (names("onlyThere"), names("onlyHere"));
    if !theirs.is_empty() {
        let shown = theirs.iter().take(MAX_NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
        let more = match theirs.len().checked_sub(MAX_NAMES_SHOWN) {
            Some(more @ 1..) => format!(" and {more} more (--json shows all)"),
            _ => String::new(),
        };
        lines.push(format!("  only at the provider: {shown}{more}"));
    }
    if !ours.is_empty() {
        lines.push(format!("  only in the catalog: {}", ours.join(", ")));
    }
    for differing in json_list(listing, "contextDiffers") {
        let (id, here, there) =
            (json_text(differing, "id"), window(&differing["here"]), window(&differing["there"]));
        lines.push(format!("  {id}: context {here} in the catalog, {there} at the provider"));
    }
    if lines.len() == 1 {
        lines.push("  no differences".to_owned());
    }
    lines.join("\n")
}
