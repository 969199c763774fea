//! litellm-rs: a gateway in Rust on actix, without a database.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::{Case, Lane};
use crate::peers::LITELLM_RS;
use crate::row::{Launch, Place, Request, Row, UPSTREAM_KEY};

const TRANSLATED: &str = "claude-sonnet-4-5";
const FALLEN: &str = "fallen";

/// One worker.
pub struct LiteLlmRs {
    /// Where the other gateways are installed.
    pub peers: Option<PathBuf>,
}

impl Row for LiteLlmRs {
    fn name(&self) -> &'static str {
        LITELLM_RS.name
    }

    fn launch(&self, place: &Place<'_>) -> Result<Launch, String> {
        let program = LITELLM_RS.program(self.peers.as_deref())?;
        let mut launch = Launch::of([program]).file("gateway.yaml", configuration(place));
        launch.command.extend(["--config", "gateway.yaml", "--log-level", "error"].map(Into::into));
        launch.ready_within = Duration::from_secs(30);
        Ok(launch)
    }

    fn request(&self, case: Case, _: &Place<'_>) -> Option<Request> {
        Some(Request::chat(match case {
            Case::Translation => TRANSLATED,
            Case::Fallback => FALLEN,
            _ => case.lane().path(),
        }))
    }

    fn binary(&self) -> Option<PathBuf> {
        LITELLM_RS.program(self.peers.as_deref()).ok()
    }

    fn version(&self) -> Option<String> {
        Some(LITELLM_RS.version.to_owned())
    }

    fn note(&self) -> Option<String> {
        Some("one worker, no database: no client key is checked, nothing is written down".to_owned())
    }
}

/// A provider for each lane. What is JSON is YAML too.
fn configuration(place: &Place<'_>) -> String {
    let provider = |name: &str, kind: &str, base: String, model: &str, priority: u32| {
        let known = if kind == "openai" { "gpt-4o" } else { TRANSLATED };
        json!({
            "name": name, "provider_type": kind, "api_key": UPSTREAM_KEY, "base_url": base, "models": [model],
            // Else it refuses an upstream on loopback.
            "endpoint_access": "private_network",
            // Else it refuses a model that its catalog does not have.
            "settings": { "model_identity_mappings": { model: {
                "capability_catalog_model": known, "pricing_model": known,
            } } },
            "priority": priority, "max_retries": 0, "timeout": 300, "retry": { "base_delay": 1, "max_delay": 1 },
            "rpm": 1_000_000_000, "tpm": 4_000_000_000_u32, "max_concurrent_requests": 100_000,
        })
    };
    let mut providers: Vec<Value> = Lane::ALL
        .iter()
        .map(|lane| provider(lane.path(), "openai", place.base_url(*lane), lane.path(), 0))
        .collect();
    providers.push(provider("first", "openai", place.base_url(Lane::Failing), FALLEN, 0));
    providers.push(provider("second", "openai", place.base_url(Lane::Json), FALLEN, 10));
    providers.push(provider("messages", "anthropic", place.root_url(Lane::Json), TRANSLATED, 0));
    json!({
        "schema_version": "1.0",
        "server": {
            "host": "127.0.0.1", "port": place.port, "workers": 1, "timeout": 600, "max_body_size": 67_108_864,
        },
        "providers": providers,
        "router": {
            "strategy": "priority_based",
            // The failing target must be tried each time.
            "circuit_breaker": {
                "failure_threshold": 1_000_000_000, "recovery_timeout": 1, "min_requests": 1_000_000_000,
                "success_threshold": 1,
            },
            "load_balancer": { "health_check_enabled": false },
        },
        "storage": {
            "database": { "url": "sqlite::memory:", "enabled": false },
            "redis": { "url": "redis://127.0.0.1:1", "enabled": false },
        },
        "auth": { "enable_jwt": false, "enable_api_key": false, "allow_anonymous": true },
        "monitoring": { "metrics": { "enabled": true, "port": 9090, "path": "/metrics" }, "tracing": { "enabled": false } },
        "cache": { "enabled": false },
        // The other rows do not scan content for attacks.
        "guardrails": { "enabled": false },
        "pricing": { "source": "embedded://model_prices_extended" },
        "rate_limit": { "enabled": false },
    })
    .to_string()
}
