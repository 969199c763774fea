//! Moonrelay as a person runs it: token, chain, ledger, log and metrics on.

use std::path::PathBuf;

use serde_json::json;

use crate::case::{Case, Lane};
use crate::row::{CLIENT_KEY, Launch, Place, Request, Row, UPSTREAM_KEY};

/// The real binary.
pub struct Moonrelay {
    /// The release build.
    pub binary: PathBuf,
}

impl Row for Moonrelay {
    fn name(&self) -> &'static str {
        "moonrelay"
    }

    fn launch(&self, place: &Place<'_>) -> Result<Launch, String> {
        let binary = self.binary().ok_or_else(|| {
            format!("{} is not built: cargo build --release --locked", self.binary.display())
        })?;
        let mut launch = Launch::of([binary]).file("config.json5", configuration(place));
        launch.command.extend(["gateway", "run", "--config", "config.json5"].map(Into::into));
        Ok(launch)
    }

    fn request(&self, case: Case, _: &Place<'_>) -> Option<Request> {
        let model = match case {
            Case::Translation => "translated/kimi-k2.6".to_owned(),
            Case::Fallback => "fallen".to_owned(),
            _ => format!("moonshot/{}", case.lane().path()),
        };
        Some(Request::chat(model))
    }

    fn binary(&self) -> Option<PathBuf> {
        self.binary.canonicalize().ok()
    }
}

/// Moonshot's dialect with a model for each lane, which the mock knows by a header; behind each the same fallback.
fn configuration(place: &Place<'_>) -> String {
    let fallback = "other/kimi-k2.6";
    let models: Vec<_> = Lane::ALL
        .iter()
        .map(|lane| {
            json!({
                "id": lane.path(), "input": ["text", "image"], "contextWindow": 4_000_000,
                "cost": { "input": 0.95, "output": 4.0, "cacheRead": 0.16 },
                "headers": { "x-lane": lane.path() },
            })
        })
        .collect();
    let mut routes = serde_json::Map::new();
    for lane in Lane::ALL.iter().filter(|lane| **lane != Lane::Failing) {
        let primary = format!("moonshot/{}", lane.path());
        routes.insert(primary.clone(), json!({ "primary": primary, "fallbacks": [fallback] }));
    }
    let failing = format!("moonshot/{}", Lane::Failing.path());
    routes.insert("fallen".to_owned(), json!({ "primary": failing, "fallbacks": [fallback] }));
    let model = json!([{ "id": "kimi-k2.6", "input": ["text", "image"], "contextWindow": 4_000_000 }]);
    let json_lane = place.base_url(Lane::Json);
    json!({
        "gateway": { "port": place.port, "auth": { "mode": "token", "token": CLIENT_KEY } },
        "models": {
            "providers": {
                "moonshot": { "baseUrl": format!("http://{}/v1", place.mock), "apiKey": UPSTREAM_KEY, "models": models },
                "other": {
                    "baseUrl": json_lane, "api": "openai-completions", "apiKey": UPSTREAM_KEY, "models": model,
                },
                "translated": {
                    "baseUrl": json_lane, "api": "anthropic-messages", "apiKey": UPSTREAM_KEY, "models": model,
                },
            },
            "routes": routes,
        },
        // Every request of the case `fallback` shall try the failing target, so it must not rest.
        "failover": { "attemptsPerTarget": 1, "cooldown": { "stepsSeconds": [0] } },
    })
    .to_string()
}
