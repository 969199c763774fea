//! claude-code-router: clients use Messages, the upstreams Chat Completions.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::{Case, Lane};
use crate::peers::CLAUDE_CODE_ROUTER;
use crate::row::{Api, CLIENT_KEY, Launch, Place, Request, Row, UPSTREAM_KEY};
use crate::rows::program;

const MODEL: &str = "kimi-k2.6";

/// One process, its log off.
pub struct ClaudeCodeRouter {
    /// Where the other gateways are installed.
    pub peers: Option<PathBuf>,
}

impl Row for ClaudeCodeRouter {
    fn name(&self) -> &'static str {
        CLAUDE_CODE_ROUTER.name
    }

    fn launch(&self, place: &Place<'_>) -> Result<Launch, String> {
        let script = CLAUDE_CODE_ROUTER.program(self.peers.as_deref())?;
        let node = program("node").ok_or("no node in $PATH; it takes Node 20 or later")?;
        let mut launch = Launch::of([node, script])
            .file(".claude-code-router/config.json", configuration(place))
            .env("NODE_ENV", "production");
        launch.command.push("start".into());
        launch.ready_within = Duration::from_secs(60);
        Ok(launch)
    }

    fn request(&self, case: Case, _: &Place<'_>) -> Option<Request> {
        // The reverse direction of this case is what all its other cases measure.
        (case != Case::Translation).then(|| Request {
            path: "/v1/messages".to_owned(),
            headers: vec![
                ("x-api-key".to_owned(), CLIENT_KEY.to_owned()),
                ("anthropic-version".to_owned(), "2023-06-01".to_owned()),
            ],
            model: format!("{},{MODEL}", case.lane().path()),
            api: Api::Messages,
        })
    }

    fn version(&self) -> Option<String> {
        Some(CLAUDE_CODE_ROUTER.version.to_owned())
    }

    fn note(&self) -> Option<String> {
        Some("every case is messages to chat, translated; nothing is written down".to_owned())
    }
}

/// A provider for each lane.
fn configuration(place: &Place<'_>) -> String {
    let provider = |lane: &Lane| {
        let url = format!("{}/chat/completions", place.base_url(*lane));
        json!({ "name": lane.path(), "api_base_url": url, "api_key": UPSTREAM_KEY, "models": [MODEL] })
    };
    let providers: Vec<Value> = Lane::ALL.iter().map(provider).collect();
    let answers = format!("{},{MODEL}", Lane::Json.path());
    json!({
        "HOST": "127.0.0.1", "PORT": place.port, "APIKEY": CLIENT_KEY,
        "LOG": false, "NON_INTERACTIVE_MODE": true, "API_TIMEOUT_MS": 600_000,
        "Providers": providers,
        "Router": { "default": answers.clone() },
        "fallback": { "default": [answers] },
    })
    .to_string()
}
