//! `moonrelay gateway status`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::Value;

use super::Place;
use super::running::Address;
use crate::cli::exit::{self, Ending};
use crate::config::{self, Environment};
use crate::upstream::Client;

/// A gateway on this machine answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

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
    let bind = args.place.bind.as_deref().map(super::bind).transpose()?;
    let bind = bind.as_ref().unwrap_or(&settings.gateway.bind);
    let address = Address::of(bind, args.place.port.unwrap_or(settings.gateway.port));
    let status = address.status(&settings, &Client::new(PATIENCE), PATIENCE).await;
    let status = status.map_err(|why| down(&address, &why))?;
    let mut out = std::io::stdout().lock();
    let text = if args.json { status.to_string() } else { describe(&status) };
    writeln!(out, "{text}").map_err(Ending::output)
}

fn down(address: &Address, why: &str) -> Ending {
    Ending::failure(
        "gateway_down",
        format!("no gateway answers on {address}: {why}; start it with: moonrelay gateway run"),
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
    if let Some(message) = status.pointer("/reload/message").and_then(Value::as_str).filter(|m| !m.is_empty())
    {
        let refused = status.pointer("/reload/ok") == Some(&Value::Bool(false));
        let what = if refused {
            "the last reload was refused, the settings before it serve on"
        } else {
            "of the last reload not everything counts"
        };
        out.push_str(&format!("\n{what}: {message}"));
    }
    for provider in status.get("providers").and_then(Value::as_array).into_iter().flatten() {
        let field = |key: &str| provider.get(key).and_then(Value::as_str).unwrap_or_default();
        out.push_str(&format!("\n  {:<12} {}", field("id"), field("state")));
        if !field("reason").is_empty() {
            out.push_str(&format!(" ({})", field("reason")));
        }
    }
    out
}
