//! Portkey's gateway for Node. Headers of each request select the upstream.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::{Case, Lane};
use crate::peers::PORTKEY;
use crate::row::{Api, Launch, Place, Request, Row, UPSTREAM_KEY};
use crate::rows::program;

/// One process.
pub struct Portkey {
    /// Where the other gateways are installed.
    pub peers: Option<PathBuf>,
}

impl Row for Portkey {
    fn name(&self) -> &'static str {
        PORTKEY.name
    }

    fn launch(&self, place: &Place<'_>) -> Result<Launch, String> {
        let script = PORTKEY.program(self.peers.as_deref())?;
        let node = program("node").ok_or("no node in $PATH; it takes Node 20 or later")?;
        let mut launch = Launch::of([node, script]).env("NODE_ENV", "production");
        launch.command.extend([format!("--port={}", place.port).into(), "--headless".into()]);
        launch.ready_within = Duration::from_secs(60);
        Ok(launch)
    }

    fn request(&self, case: Case, place: &Place<'_>) -> Option<Request> {
        let target = |provider: &str, lane: Lane| json!({ "provider": provider, "custom_host": place.base_url(lane), "api_key": UPSTREAM_KEY });
        let config: Value = match case {
            Case::Translation => target("anthropic", Lane::Json),
            Case::Fallback => json!({
                "strategy": { "mode": "fallback" },
                "targets": [target("openai", Lane::Failing), target("openai", Lane::Json)],
            }),
            _ => target("openai", case.lane()),
        };
        Some(Request {
            path: "/v1/chat/completions".to_owned(),
            headers: vec![("x-portkey-config".to_owned(), config.to_string())],
            model: "kimi-k2.6".to_owned(),
            api: Api::Chat,
        })
    }

    fn version(&self) -> Option<String> {
        Some(PORTKEY.version.to_owned())
    }

    fn note(&self) -> Option<String> {
        Some(
            "listens on every address (it has no option for that); no client key, nothing is written down"
                .to_owned(),
        )
    }
}
