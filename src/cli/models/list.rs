//! `models list`: every model with its position in the chain, and how providers' own lists differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use crate::catalog::{InputModalities, ThinkingControl, TokenPrices};
use crate::cli::command::{CommandContext, CommandError};
use crate::cli::output::{format_compact, format_count, render_table};
use crate::config::nearest::format_suggestion;
use crate::config::settings::{Provider, ProviderModel, Reference, Settings};
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
    let rows = list_rows(&settings, only.as_deref());
    let models: Vec<Value> = rows.iter().map(row_json).collect();
    let mut list = json!({ "count": models.len(), "models": models });
    let listings =
        if live { fetch_listings(&settings, only.as_deref(), connector).await } else { Vec::new() };
    if live {
        list["live"] = listings.iter().map(ProviderListing::to_json).collect();
    }
    context.report(&list, || {
        let headings = ["Model", "Input", "Context", "Price in/out", "Ready", "Tags"];
        let table = render_table(&headings, &rows.iter().map(row_cells).collect::<Vec<_>>());
        let lists = listings.iter().map(|listing| format!("\n\n{}", listing.to_text()));
        table.trim_end().to_owned() + &lists.collect::<String>()
    })?;
    if !listings.is_empty() && listings.iter().all(|listing| listing.difference.is_err()) {
        return Err(CommandError::silent());
    }
    Ok(())
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

struct ModelRow<'s> {
    reference: Reference,
    model: Arc<ProviderModel>,
    provider: &'s Provider,
    tags: Vec<String>,
    /// Neither the catalog nor the file has it; its provider accepts any id.
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
        references
            .extend(listed.map(|model| Reference { provider: id.clone(), model: model.model.id.clone() }));
    }
    references.extend(settings.aliases.values().cloned());
    let mut rows: Vec<ModelRow<'s>> = Vec::new();
    for reference in references {
        let is_listed = rows.iter().any(|row| row.reference == reference);
        if is_listed || only.is_some_and(|only| only != reference.provider) {
            continue;
        }
        let Some(provider) = settings.providers.get(&reference.provider) else { continue };
        let Some(model) = provider.find_model(&reference.model) else { continue };
        let is_missing = !provider.models.contains_key(&reference.model);
        rows.push(ModelRow {
            tags: model_tags(settings, &reference),
            reference,
            model,
            provider,
            is_missing,
        });
    }
    rows
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

fn row_json(row: &ModelRow<'_>) -> Value {
    let model = &row.model.model;
    let reasoning = match model.thinking_control {
        ThinkingControl::Unknown => None,
        ThinkingControl::None => Some(false),
        ThinkingControl::Switch | ThinkingControl::Always | ThinkingControl::Effort => Some(true),
    };
    let cost = model.prices.map(|prices| {
        json!({
            "input": TokenPrices::millionths_to_units(prices.input),
            "output": TokenPrices::millionths_to_units(prices.output),
            "cacheRead": TokenPrices::millionths_to_units(prices.cache_read),
            "cacheWrite": TokenPrices::millionths_to_units(prices.cache_write),
        })
    });
    let mut value = json!({
        "key": row.reference.to_string(),
        "name": model.name,
        "input": input_text(model.input_modalities),
        "contextWindow": model.context_window,
        "maxTokens": model.max_tokens,
        "reasoning": reasoning,
        "cost": cost,
        "tags": row.tags,
        "available": row.provider.disabled_reason.is_none(),
    });
    if row.is_missing {
        value["missing"] = json!(true);
    }
    value
}

fn input_text(inputs: InputModalities) -> String {
    let mut words = vec!["text"];
    words.extend(inputs.image.then_some("image"));
    words.extend(inputs.video.then_some("video"));
    words.join("+")
}

fn row_cells(row: &ModelRow<'_>) -> Vec<String> {
    let model = &row.model.model;
    let price = |prices: TokenPrices| {
        let units = TokenPrices::millionths_to_units;
        format!("{}/{} {}", units(prices.input), units(prices.output), row.provider.currency)
    };
    let mut tags = row.tags.clone();
    tags.extend(row.is_missing.then(|| "not in the catalog".to_owned()));
    vec![
        row.reference.to_string(),
        input_text(model.input_modalities),
        model.context_window.map_or_else(|| "-".to_owned(), format_compact),
        model.prices.map_or_else(|| "-".to_owned(), price),
        if row.provider.disabled_reason.is_none() { "yes" } else { "no" }.to_owned(),
        tags.join(", "),
    ]
}

/// Names of a provider with many models that the text shows.
const MAX_NAMES_SHOWN: usize = 8;

/// A provider's own model list, compared with the catalog and the file.
struct ProviderListing {
    provider: String,
    difference: Result<CatalogDifference, String>,
}

struct CatalogDifference {
    count: usize,
    only_at_provider: Vec<String>,
    only_in_catalog: Vec<String>,
    /// Id, window in the catalog, window at the provider.
    windows: Vec<(String, u64, u64)>,
}

/// Fetches the list of every available provider, or of the named one.
async fn fetch_listings(
    settings: &Settings,
    only: Option<&str>,
    connector: &Arc<dyn Connector>,
) -> Vec<ProviderListing> {
    let mut listings = Vec::new();
    for provider in settings.providers.values() {
        if !only.map_or(provider.disabled_reason.is_none(), |only| only == provider.id) {
            continue;
        }
        let difference = match &provider.disabled_reason {
            Some(why) => Err(format!("disabled: {why}")),
            None => fetch_list(provider, connector).await.map(|listed| compare_lists(provider, &listed)),
        };
        listings.push(ProviderListing { provider: provider.id.clone(), difference });
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

fn compare_lists(provider: &Provider, listed: &[ListedModel]) -> CatalogDifference {
    let theirs: BTreeMap<&str, Option<u64>> =
        listed.iter().map(|model| (model.id.as_str(), model.context_length)).collect();
    // Retired models are not expected in the list.
    let ours = provider.models.values().filter(|model| model.model.retirement.is_none());
    let ours: BTreeMap<String, Option<u64>> =
        ours.map(|model| (provider.upstream_model_id(&model.model.id), model.model.context_window)).collect();
    let windows = ours.iter().filter_map(|(id, window)| {
        let (ours, theirs) = ((*window)?, (*theirs.get(id.as_str())?)?);
        (ours != theirs).then(|| (id.clone(), ours, theirs))
    });
    let only_at_provider = theirs.keys().filter(|id| !ours.contains_key(**id));
    CatalogDifference {
        count: theirs.len(),
        only_at_provider: only_at_provider.map(|id| (*id).to_owned()).collect(),
        only_in_catalog: ours.keys().filter(|id| !theirs.contains_key(id.as_str())).cloned().collect(),
        windows: windows.collect(),
    }
}

impl ProviderListing {
    fn to_json(&self) -> Value {
        match &self.difference {
            Err(error) => json!({ "provider": self.provider, "ok": false, "error": error }),
            Ok(found) => {
                let windows = found.windows.iter();
                let windows =
                    windows.map(|(id, ours, theirs)| json!({ "id": id, "here": ours, "there": theirs }));
                json!({
                    "provider": self.provider,
                    "ok": true,
                    "count": found.count,
                    "onlyThere": found.only_at_provider,
                    "onlyHere": found.only_in_catalog,
                    "contextDiffers": windows.collect::<Vec<_>>(),
                })
            }
        }
    }

    fn to_text(&self) -> String {
        let found = match &self.difference {
            Err(error) => return format!("{}: {error}", self.provider),
            Ok(found) => found,
        };
        let mut lines =
            vec![format!("{} lists {}", self.provider, format_count(found.count as u64, "model"))];
        if !found.only_at_provider.is_empty() {
            lines.push(format!("  only at the provider: {}", shorten_names(&found.only_at_provider)));
        }
        if !found.only_in_catalog.is_empty() {
            lines.push(format!("  only in the catalog: {}", found.only_in_catalog.join(", ")));
        }
        for (id, ours, theirs) in &found.windows {
            let (ours, theirs) = (format_compact(*ours), format_compact(*theirs));
            lines.push(format!("  {id}: context {ours} in the catalog, {theirs} at the provider"));
        }
        if lines.len() == 1 {
            lines.push("  no differences".to_owned());
        }
        lines.join("\n")
    }
}

fn shorten_names(names: &[String]) -> String {
    let shown = names.iter().take(MAX_NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MAX_NAMES_SHOWN) {
        Some(more @ 1..) => format!("{shown} and {more} more (--json shows all)"),
        _ => shown,
    }
}
