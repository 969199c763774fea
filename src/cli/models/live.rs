//! `models list --live`: what the providers' own lists say, and what differs from ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::list::tokens;
use crate::cli::listing::{self, Listed, Listing};
use crate::config::settings::{Provider, Settings};
use crate::upstream::Connector;
use crate::upstream::oauth::Logins;

/// To connect.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Names of the many models of an open provider that a table shows.
const SHOWN: usize = 8;

/// What one provider's list says.
#[derive(Debug, PartialEq)]
pub(super) struct Live {
    provider: String,
    outcome: Result<Difference, String>,
}

/// What differs from the catalog and the file.
#[derive(Debug, Default, PartialEq)]
struct Difference {
    count: usize,
    only_there: Vec<String>,
    only_here: Vec<String>,
    /// Id, window here, window there.
    windows: Vec<(String, u64, u64)>,
}

/// Asks every provider that can be called, or the named one.
pub(super) async fn ask(
    settings: &Settings,
    only: Option<&str>,
    connector: &Arc<dyn Connector>,
) -> Vec<Live> {
    let mut answers = Vec::new();
    for provider in settings.providers.values() {
        let wanted = only.map_or(provider.off.is_none(), |only| only == provider.id);
        if !wanted {
            continue;
        }
        let outcome = match &provider.off {
            Some(why) => Err(format!("it is off: {why}")),
            None => fetch(provider, connector).await.map(|listed| difference(provider, &listed)),
        };
        answers.push(Live { provider: provider.id.clone(), outcome });
    }
    answers
}

async fn fetch(provider: &Arc<Provider>, connector: &Arc<dyn Connector>) -> Result<Vec<Listed>, String> {
    let (_, base) = listing::base(provider).ok_or("it has no address")?;
    let body = listing::get_called(provider, "/models", &Logins::new(connector.clone())).await;
    let (body, redactor) =
        body.map_err(|failure| match failure.status.and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(status) => format!("GET {base}/models answered {status}{}", hint(status)),
            None => failure.to_string(),
        })?;
    // The error may quote the body.
    let listing: Listing = serde_json::from_slice(&body).map_err(|error| {
        format!("GET {base}/models answered no list of models: {}", redactor.redact(&error.to_string()))
    })?;
    let redacted = |model: Listed| Listed { id: redactor.redact_values(&model.id), ..model };
    Ok(listing.data.into_iter().map(redacted).collect())
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => ": the key is wrong, or belongs to another host or product",
        StatusCode::NOT_FOUND => ": it has no such list",
        _ => "",
    }
}

fn difference(provider: &Provider, listed: &[Listed]) -> Difference {
    let there: BTreeMap<&str, Option<u64>> =
        listed.iter().map(|model| (model.id.as_str(), model.context_length)).collect();
    // Models that are gone are not expected there.
    let here: BTreeMap<String, Option<u64>> = provider
        .models
        .values()
        .filter(|model| model.facts.retired.is_none())
        .map(|model| (provider.wire_model(&model.facts.id), model.facts.context_window))
        .collect();
    let windows = here.iter().filter_map(|(id, window)| {
        let (here, there) = ((*window)?, (*there.get(id.as_str())?)?);
        (here != there).then(|| (id.clone(), here, there))
    });
    Difference {
        count: there.len(),
        only_there: there.keys().filter(|id| !here.contains_key(**id)).map(|id| (*id).to_owned()).collect(),
        only_here: here.keys().filter(|id| !there.contains_key(id.as_str())).cloned().collect(),
        windows: windows.collect(),
    }
}

impl Live {
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
                    .windows
                    .iter()
                    .map(|(id, here, there)| json!({ "id": id, "here": here, "there": there }));
                json!({
                    "provider": self.provider,
                    "ok": true,
                    "count": found.count,
                    "onlyThere": found.only_there,
                    "onlyHere": found.only_here,
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
        if !found.only_there.is_empty() {
            lines.push(format!("  only there: {}", shortened(&found.only_there)));
        }
        if !found.only_here.is_empty() {
            lines.push(format!("  only here: {}", found.only_here.join(", ")));
        }
        for (id, here, there) in &found.windows {
            lines.push(format!("  {id}: context {} here, {} there", tokens(*here), tokens(*there)));
        }
        if lines.len() == 1 {
            lines.push("  nothing differs".to_owned());
        }
        lines
    }
}

fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{shown} and {more} more (--json shows all)"),
        _ => shown,
    }
}
