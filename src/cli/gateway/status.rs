//! `moonrelay gateway status`.

mod words;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args as ClapArgs;
use jiff::tz::TimeZone;

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
    let text = if args.json {
        status.to_string()
    } else {
        words::describe(&status, SystemTime::now(), &TimeZone::system())
    };
    writeln!(out, "{text}").map_err(Ending::output)
}

fn down(address: &Address, why: &str) -> Ending {
    Ending::failure(
        "gateway_down",
        format!("no gateway answers on {address}: {why}; start it with: moonrelay gateway run"),
    )
}
