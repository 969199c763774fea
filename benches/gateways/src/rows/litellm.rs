//! `LiteLLM`'s proxy, as its page on production has it, without a database.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::{Case, Lane};
use crate::peers::LITELLM;
use crate::row::{Launch, Place, Request, Row, UPSTREAM_KEY};

/// Weaker ones are refused at the start.
const MASTER_KEY: &str = "sk-9f1c7a54e2b04d7c8a6f3e1d5b9c0a72";
const TRANSLATED: &str = "translated";
const FALLEN: &str = "fallen";

/// One worker of uvicorn.
pub struct LiteLlm {
    /// Where the other gateways are installed.
    pub peers: Option<PathBuf>,
}

impl Row for LiteLlm {
    fn name(&self) -> &'static str {
        LITELLM.name
    }

    fn launch(&self, place: &Place<'_>) -> Result<Launch, String> {
        let program = LITELLM.program(self.peers.as_deref())?;
        let mut launch = Launch::of([program])
            .file("config.yaml", configuration(place))
            .env("LITELLM_MODE", "PRODUCTION")
            .env("LITELLM_LOG", "ERROR")
            // Else it fetches the prices from GitHub, with three attempts.
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("NO_DOCS", "True");
        let arguments =
            ["--config", "config.yaml", "--host", "127.0.0.1", "--num_workers", "1", "--telemetry", "False"];
        launch.command.extend(arguments.map(Into::into));
        launch.command.extend(["--port".into(), place.port.to_string().into()]);
        launch.ready_within = Duration::from_secs(120);
        Ok(launch)
    }

    fn request(&self, case: Case, _: &Place<'_>) -> Option<Request> {
        let mut request = Request::chat(match case {
            Case::Translation => TRANSLATED,
            Case::Fallback => FALLEN,
            _ => case.lane().path(),
        });
        request.headers = vec![("authorization".to_owned(), format!("Bearer {MASTER_KEY}"))];
        Some(request)
    }

    fn version(&self) -> Option<String> {
        Some(LITELLM.version.to_owned())
    }

    fn note(&self) -> Option<String> {
        Some("one worker, no database: its key is checked, nothing is written down".to_owned())
    }
}

/// A group of models for each lane. What is JSON is YAML too.
fn configuration(place: &Place<'_>) -> String {
    let model = |name: &str, kind: &str, base: String| {
        json!({
            "model_name": name,
            "litellm_params": { "model": format!("{kind}/kimi-k2.6"), "api_base": base, "api_key": UPSTREAM_KEY },
        })
    };
    let mut models: Vec<Value> =
        Lane::ALL.iter().map(|lane| model(lane.path(), "openai", place.base_url(*lane))).collect();
    models.push(model(FALLEN, "openai", place.base_url(Lane::Failing)));
    models.push(model(TRANSLATED, "anthropic", place.root_url(Lane::Json)));
    json!({
        "model_list": models,
        "general_settings": { "master_key": MASTER_KEY, "disable_error_logs": true },
        "litellm_settings": { "request_timeout": 600, "set_verbose": false, "json_logs": true, "telemetry": false },
        // The failing target must be tried each time: no retry and no cooldown for it.
        "router_settings": {
            "num_retries": 0, "disable_cooldowns": true, "fallbacks": [{ FALLEN: [Lane::Json.path()] }],
        },
    })
    .to_string()
}
