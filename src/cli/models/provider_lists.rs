//! `models list --live`: the providers' own lists, and differences from the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::list::format_window;
use crate::cli::provider_query::{self, ListedModel, ModelList};
use crate::config::settings::{Provider, Settings};
use crate::upstream::Connector;
use crate::upstream::oauth::AuthenticatedConnector;

/// To connect.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Names of the many models of an open provider that a table shows.
const MAX_NAMES_SHOWN: usize = 8;

/// The model list of one provider.
#[derive(Debug, PartialEq)]
pub(super) struct ProviderListing {
    provider: String,
    outcome: Result<CatalogDifference, String>,
}

/// What differs from the catalog and the file.
#[derive(Debug, Default, PartialEq)]
struct CatalogDifference {
    count: usize,
    only_at_provider: Vec<String>,
    only_in_catalog: Vec<String>,
    /// Id, window here, window there.
    window_differences: Vec<(String, u64, u64)>,
}

/// Fetches the list of every available provider, or of the named one.
pub(super) async fn fetch_lists(
    settings: &Settings,
    only: Option<&str>,
    connector: &Arc<dyn Connector>,
) -> Vec<ProviderListing> {
    let mut answers = Vec::new();
    for provider in settings.providers.values() {
        let wanted = only.map_or(provider.disabled_reason.is_none(), |only| only == provider.id);
        if !wanted {
            continue;
        }
        let outcome = match &provider.disabled_reason {
            Some(why) => Err(format!("it is off: {why}")),
            None => fetch_list(provider, connector).await.map(|listed| compare_lists(provider, &listed)),
        };
        answers.push(ProviderListing { provider: provider.id.clone(), outcome });
    }
    answers
}

async fn fetch_list(
    provider: &Arc<Provider>,
    connector: &Arc<dyn Connector>,
) -> Result<Vec<ListedModel>, String> {
    let (_, base) = provider_query::api_base(provider).ok_or("it has no address")?;
    let body = provider_query::fetch_with_login(
        provider,
        "/models",
        &AuthenticatedConnector::new(connector.clone()),
    )
    .await;
    let (body, redactor) =
        body.map_err(|failure| match failure.status.and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(status) => format!("GET {base}/models answered {status}{}", status_hint(status)),
            None => failure.to_string(),
        })?;
    // The error may quote the body.
    let listing: ModelList = serde_json::from_slice(&body).map_err(|error| {
        format!("GET {base}/models answered no list of models: {}", redactor.redact(&error.to_string()))
    })?;
    let redacted = |model: ListedModel| ListedModel { id: redactor.redact_values(&model.id), ..model };
    Ok(listing.data.into_iter().map(redacted).collect())
}

fn status_hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => ": the key is wrong, or belongs to another host or product",
        StatusCode::NOT_FOUND => ": it has no such list",
        _ => "",
    }
}

fn compare_lists(provider: &Provider, listed: &[ListedModel]) -> CatalogDifference {
    let there: BTreeMap<&str, Option<u64>> =
        listed.iter().map(|model| (model.id.as_str(), model.context_length)).collect();
    // Retired models are not expected in the list.
    let here: BTreeMap<String, Option<u64>> = provider
        .models
        .values()
        .filter(|model| model.model.retirement.is_none())
        .map(|model| (provider.upstream_model_id(&model.model.id), model.model.context_window))
        .collect();
    let windows = here.iter().filter_map(|(id, window)| {
        let (here, there) = ((*window)?, (*there.get(id.as_str())?)?);
        (here != there).then(|| (id.clone(), here, there))
    });
    CatalogDifference {
        count: there.len(),
        only_at_provider: there
            .keys()
            .filter(|id| !here.contains_key(**id))
            .map(|id| (*id).to_owned())
            .collect(),
        only_in_catalog: here.keys().filter(|id| !there.contains_key(id.as_str())).cloned().collect(),
        window_differences: windows.collect(),
    }
}

impl ProviderListing {
    /// Whether the provider answered.
    pub(super) const fn is_ok(&self) -> bool {
        self.outcome.is_ok()
    }

    /// For `--json`.
    pub(super) fn as_json(&self) -> Value {
        match &self.outcome {
            Err(error) => json!({ "provider": self.provider, "ok": false, "error": error }),
            Ok(found) => {
                let windows = found
                    .window_differences
                    .iter()
                    .map(|(id, here, there)| json!({ "id": id, "here": here, "there": there }));
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

    /// For people.
    pub(super) fn as_lines(&self) -> Vec<String> {
        let found = match &self.outcome {
            Err(error) => return vec![format!("{}: {error}", self.provider)],
            Ok(found) => found,
        };
        let mut lines = vec![format!("{} lists {} models", self.provider, found.count)];
        if !found.only_at_provider.is_empty() {
            lines.push(format!("  only there: {}", shorten_names(&found.only_at_provider)));
        }
        if !found.only_in_catalog.is_empty() {
            lines.push(format!("  only here: {}", found.only_in_catalog.join(", ")));
        }
        for (id, here, there) in &found.window_differences {
            lines.push(format!(
                "  {id}: context {} here, {} there",
                format_window(*here),
                format_window(*there)
            ));
        }
        if lines.len() == 1 {
            lines.push("  nothing differs".to_owned());
        }
        lines
    }
}

fn shorten_names(names: &[String]) -> String {
    let shown = names.iter().take(MAX_NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MAX_NAMES_SHOWN) {
        Some(more @ 1..) => format!("{shown} and {more} more (--json shows all)"),
        _ => shown,
    }
}
