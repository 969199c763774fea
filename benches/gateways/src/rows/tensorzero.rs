//! `TensorZero`'s gateway in Rust, started by its Python package, without its databases.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::case::{Case, Lane};
use crate::peers::TENSORZERO;
use crate::row::{Launch, Place, Request, Row, UPSTREAM_KEY};

const TRANSLATED: &str = "translated";
const FALLEN: &str = "fallen";
/// It binds a port of its own choice, whatever the configuration says, and writes it to this file.
const PORT_FILE: &str = "port";
const START: &str = "\
import os, signal, sys, urllib.parse, tensorzero
gateway = tensorzero._start_http_gateway(
    config_file='tensorzero.toml', clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False)
with open('port.new', 'w') as file:
    file.write(str(urllib.parse.urlsplit(gateway.base_url).port))
os.rename('port.new', sys.argv[1])
signal.pause()
";

/// The HTTP gateway in a Python process that does nothing else.
pub struct TensorZero {
    /// Where the other gateways are installed.
    pub peers: Option<PathBuf>,
}

impl Row for TensorZero {
    fn name(&self) -> &'static str {
        TENSORZERO.name
    }

    fn launch(&self, place: &Place<'_>) -> Result<Launch, String> {
        let python = TENSORZERO.program(self.peers.as_deref())?;
        let mut launch = Launch::of([python.as_os_str(), "start.py".as_ref(), PORT_FILE.as_ref()])
            .file("start.py", START)
            .file("tensorzero.toml", configuration(place))
            .env("UPSTREAM_KEY", UPSTREAM_KEY)
            .env("TENSORZERO_DISABLE_PSEUDONYMOUS_USAGE_ANALYTICS", "1")
            .env("RUST_LOG", "error");
        launch.port_file = Some(PORT_FILE.into());
        launch.ready_within = Duration::from_secs(60);
        Ok(launch)
    }

    fn request(&self, case: Case, _: &Place<'_>) -> Option<Request> {
        let model = match case {
            Case::Translation => TRANSLATED,
            Case::Fallback => FALLEN,
            _ => case.lane().path(),
        };
        let mut request = Request::chat(format!("tensorzero::model_name::{model}"));
        request.path = "/openai/v1/chat/completions".to_owned();
        Some(request)
    }

    fn version(&self) -> Option<String> {
        Some(TENSORZERO.version.to_owned())
    }

    fn note(&self) -> Option<String> {
        Some("no database: no client key is checked, nothing is metered or written down".to_owned())
    }
}

fn configuration(place: &Place<'_>) -> String {
    let mut text = "\
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true

[object_storage]
type = \"disabled\"
"
    .to_owned();
    for lane in Lane::ALL {
        model(&mut text, lane.path(), &[("openai", "kimi-k2.6", place.base_url(lane))]);
    }
    let answers = ("openai", "kimi-k2.6", place.base_url(Lane::Json));
    model(&mut text, FALLEN, &[("openai", "kimi-k2.6", place.base_url(Lane::Failing)), answers]);
    // It requires the model's output limit, or one in the request.
    model(&mut text, TRANSLATED, &[("anthropic", "claude-sonnet-4-5", place.base_url(Lane::Json))]);
    text
}

/// A model and its providers in the order in which they are tried: kind, name there, base URL.
fn model(text: &mut String, name: &str, providers: &[(&str, &str, String)]) {
    let order: Vec<String> = (0..providers.len()).map(|index| format!("\"p{index}\"")).collect();
    // Writing to a string does not fail.
    let _ = writeln!(text, "\n[models.{name}]\nrouting = [{}]", order.join(", "));
    for (index, (kind, model, base)) in providers.iter().enumerate() {
        let _ = writeln!(
            text,
            "[models.{name}.providers.p{index}]\ntype = \"{kind}\"\nmodel_name = \"{model}\"\napi_base = \"{base}/\"\n\
             api_key_location = \"env::UPSTREAM_KEY\""
        );
    }
}
