//! Moonrelay in a typical setup: token, chain, usage database, log and metrics on.

use std::path::PathBuf;

use serde_json::json;

use crate::case::{Case, Lane};
use crate::row::{CLIENT_KEY, Launch, Place, Request, Row, UPSTREAM_KEY};
use crate::usage::Counters;

/// A real binary.
pub struct Moonrelay {
    /// As in the table.
    pub name: &'static str,
    /// The release build.
    pub binary: PathBuf,
    /// `gateway.workerThreads`; `None` for a build that does not know it and has one.
    pub workers: Option<usize>,
}

impl Row for Moonrelay {
    fn name(&self) -> &'static str {
        self.name
    }

    fn launch(&self, place: &Place<'_>) -> Result<Launch, String> {
        let binary = self.binary().ok_or_else(|| {
            format!("{} is not built: cargo build --release --locked", self.binary.display())
        })?;
        let mut launch = Launch::of([binary]).file("config.json5", configuration(place, self.workers));
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

    fn database(&self) -> Option<Counters> {
        Some(Counters {
            waiting: "moonrelay_ledger_queue_length",
            written: "moonrelay_ledger_written_total",
            lost: "moonrelay_ledger_dropped_total",
        })
    }

    fn note(&self) -> Option<String> {
        let note = "token, chain with a fallback, metering, usage database, log and metrics on; in `fallback` the first target \
                    answers 404 instead of 500, which causes no cooldown";
        Some(note.to_owned())
    }

    fn binary(&self) -> Option<PathBuf> {
        self.binary.canonicalize().ok()
    }
}

/// The failure of the case `fallback`. After a 500 or a 429 a target is in cooldown for at least a second and
/// would be skipped. This failure causes no cooldown, so each request has its failed attempt.
const FAILURE: &str = "fail-404";

/// Moonshot's adapter with a model for each lane, which the mock recognises by a header; behind each the same
/// fallback.
fn configuration(place: &Place<'_>, workers: Option<usize>) -> String {
    let fallback = "other/kimi-k2.6";
    let lanes = Lane::ALL.map(Lane::path).into_iter().filter(|lane| *lane != Lane::Failing.path());
    let lanes: Vec<&str> = lanes.chain([FAILURE]).collect();
    let model = |lane: &&str| {
        json!({
            "id": lane, "input": ["text", "image"], "contextWindow": 4_000_000,
            "cost": { "input": 0.95, "output": 4.0, "cacheRead": 0.16 },
            "headers": { "x-lane": lane },
        })
    };
    let models: Vec<_> = lanes.iter().map(model).collect();
    let mut routes = serde_json::Map::new();
    for lane in &lanes {
        let primary = format!("moonshot/{lane}");
        let name = if *lane == FAILURE { "fallen".to_owned() } else { primary.clone() };
        routes.insert(name, json!({ "primary": primary, "fallbacks": [fallback] }));
    }
    let model = json!([{ "id": "kimi-k2.6", "input": ["text", "image"], "contextWindow": 4_000_000 }]);
    let json_lane = place.base_url(Lane::Json);
    let mut gateway = json!({ "port": place.port, "auth": { "mode": "token", "token": CLIENT_KEY } });
    if let Some(workers) = workers {
        gateway["workerThreads"] = workers.into();
    }
    json!({
        "gateway": gateway,
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
    })
    .to_string()
}
