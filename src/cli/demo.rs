//! `moonrelay demo`: the whole of it on this machine. No key, no network.

mod conversation;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use serde_json::json;

use self::conversation::{Asked, ask};
use super::exit::{self, Ending};
use super::rig;
use crate::config::{self, Environment};
use crate::service::signals::Termination;
use crate::simulator::{self, Control};
use crate::telemetry::log;
use crate::upstream::Client;

const PRIMARY: &str = "moonshot/kimi-k3";
const FALLBACK: &str = "openrouter/auto";

/// `demo`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Keep serving afterwards, until Ctrl-C (on a terminal it does so anyway)
    #[arg(long)]
    serve: bool,
}

/// Runs the demonstration.
pub async fn run(args: Args) -> ExitCode {
    exit::code(show(args).await, false)
}

async fn show(args: Args) -> Result<(), Ending> {
    let failed =
        |what: &str, error: &dyn std::fmt::Display| Ending::failure("demo_error", format!("{what}: {error}"));
    let mut termination = Termination::install().map_err(|error| failed("cannot catch signals", &error))?;
    let upstreams = rig::simulate(simulator::Options::default())
        .await
        .map_err(|error| failed("cannot start the simulated upstreams", &error))?;
    // So that one sees it stream.
    order(&upstreams.control, "drip:40")?;
    let settings = config::from_text(&configuration(&upstreams.address), None, &Environment::default())?;
    let gateway = rig::serve(settings, Arc::new(|record| log::request(&record)))
        .await
        .map_err(|error| failed("cannot listen", &error))?;
    converse(&gateway.address, &upstreams.address, &upstreams.control).await?;
    if args.serve || (std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        say("\nServing until Ctrl-C.")?;
        termination.received().await;
    } else {
        say("\nWith `demo --serve` it keeps running for the curl line.")?;
    }
    gateway.stop().await;
    Ok(())
}

/// What a user would write, but for the base URLs.
fn configuration(simulated: &str) -> String {
    json!({
        "agents": {"defaults": {"model": {"primary": PRIMARY, "fallbacks": [FALLBACK]}}},
        "models": {"providers": {
            "moonshot": {"baseUrl": format!("{simulated}/moonshot/v1"), "apiKey": "sk-demo-moonshot-key"},
            "openrouter": {"baseUrl": format!("{simulated}/openrouter/api/v1"), "apiKey": "sk-or-v1-demo-key"},
        }},
    })
    .to_string()
}

async fn converse(gateway: &str, simulated: &str, control: &Control) -> Result<(), Ending> {
    let client = Client::new(rig::CONNECT);
    say(&format!(
        "gateway    {gateway}/v1\nupstreams  {simulated} (simulated)\nchain      {PRIMARY} → {FALLBACK}\n"
    ))?;
    say("1. Kimi is well.")?;
    tell(&ask(&client, gateway, "What is the moon made of?").await?)?;
    say("\n2. Kimi fails: every call gets a 429, engine overloaded.")?;
    order(control, "moonshot:overloaded")?;
    tell(&ask(&client, gateway, "And what is it made of now?").await?)?;
    say("\n3. The same again: Kimi rests, the fallback is asked at once.")?;
    tell(&ask(&client, gateway, "Once more, please.").await?)?;
    let body = json!({"model": PRIMARY, "stream": true, "messages": [{"role": "user", "content": "Hello"}]});
    say(&format!(
        "\nTry it:\n  curl -N {gateway}/v1/chat/completions -H 'content-type: application/json' \\\n    -d '{body}'"
    ))
}

fn order(control: &Control, fault: &str) -> Result<(), Ending> {
    let fault = fault.parse().map_err(|error| Ending::failure("demo_error", format!("{fault}: {error}")))?;
    control.order(fault);
    Ok(())
}

/// The headers that say who answered.
fn tell(asked: &Asked) -> Result<(), Ending> {
    say(&format!(
        "   x-moonrelay-model: {}\n   x-moonrelay-attempts: {}\n   first byte {:.1} ms, whole answer {:.1} ms",
        asked.model,
        asked.attempts,
        asked.first_byte.as_secs_f64() * 1e3,
        asked.took.as_secs_f64() * 1e3,
    ))
}

fn say(line: &str) -> Result<(), Ending> {
    writeln!(std::io::stdout(), "{line}").map_err(Ending::output)
}
