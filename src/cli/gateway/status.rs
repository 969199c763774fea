//! `moonrelay gateway status`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args as ClapArgs;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use tokio::time::timeout;

use super::Place;
use crate::cli::exit::{self, Ending};
use crate::config::settings::{Bind, Settings};
use crate::config::{self, Environment};
use crate::upstream::{Call, Client, Connector, read_whole};

/// A gateway on this machine answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST: usize = 1024 * 1024;

/// `gateway status`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> ExitCode {
    let json = args.json;
    exit::code(ask(args).await, json)
}

async fn ask(args: Args) -> Result<(), Ending> {
    let settings = config::load(args.place.config.as_deref(), &Environment::process())?;
    let base = base(&settings, &args.place)?;
    let status = timeout(PATIENCE, fetch(&settings, &base))
        .await
        .map_err(|_| down(&base, "no answer within 5 s"))?
        .map_err(|why| down(&base, &why))?;
    let mut out = std::io::stdout().lock();
    let text = if args.json { status.to_string() } else { describe(&status) };
    writeln!(out, "{text}").map_err(Ending::output)
}

fn base(settings: &Settings, place: &Place) -> Result<String, Ending> {
    let bind = match &place.bind {
        Some(bind) => super::bind(bind)?,
        None => settings.gateway.bind.clone(),
    };
    let port = place.port.unwrap_or(settings.gateway.port);
    match bind {
        Bind::Loopback | Bind::All => Ok(format!("http://127.0.0.1:{port}")),
        Bind::Address(ip) => Ok(format!("http://{}", std::net::SocketAddr::new(ip, port))),
        Bind::Unix(path) => Err(Ending::failure(
            "unix_socket",
            format!("ask it with: curl --unix-socket {} http://localhost/status", path.display()),
        )),
    }
}

async fn fetch(settings: &Settings, base: &str) -> Result<Value, String> {
    let mut headers = HeaderMap::new();
    if let Some((_, token)) = settings.gateway.tokens.first()
        && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
    {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let call = Call { method: Method::GET, url: format!("{base}/status"), headers, body: Vec::new() };
    let client = Client::new(PATIENCE);
    let response = client.send(call).await.map_err(|failure| failure.message)?;
    let status = response.status;
    let body = read_whole(response.body, LARGEST).await.map_err(|failure| failure.message)?;
    if !status.is_success() {
        return Err(format!("it answered {status}"));
    }
    serde_json::from_slice(&body).map_err(|_| "what answers there is not moonrelay".to_owned())
}

fn down(base: &str, why: &str) -> Ending {
    Ending::failure(
        "gateway_down",
        format!("no gateway answers on {base}: {why}; start it with: moonrelay gateway run"),
    )
}

fn describe(status: &Value) -> String {
    let text = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or("none").to_owned();
    let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or_default();
    let mut out = format!(
        "moonrelay {} on {}\nup {} s, {} under way\nconfiguration: {}",
        text("version"),
        text("address"),
        number("uptimeSeconds"),
        number("inFlight"),
        text("config"),
    );
    for provider in status.get("providers").and_then(Value::as_array).into_iter().flatten() {
        let field = |key: &str| provider.get(key).and_then(Value::as_str).unwrap_or_default();
        out.push_str(&format!("\n  {:<12} {}", field("id"), field("state")));
        if !field("reason").is_empty() {
            out.push_str(&format!(" ({})", field("reason")));
        }
    }
    out
}
