//! `moonrelay login` and `moonrelay logout`: Kimi Code's device login, in the place of a key.

mod flow;
mod outcome;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::json;

use super::console::Console;
use super::exit::{self, Ending};
use crate::config::Environment;
use crate::config::settings::Settings;
use crate::credentials::Place;
use crate::upstream::{Client, Connector, oauth};

pub(in crate::cli) use flow::device_login;
pub(in crate::cli) use outcome::Configured;

/// To connect.
const CONNECT: Duration = Duration::from_secs(10);

/// `login`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    wish: Wish,
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON: a line with the code, and one with what came of it
    #[arg(long)]
    json: bool,
}

/// Which login is wanted.
#[derive(Clone, Debug, ClapArgs)]
pub(in crate::cli) struct Wish {
    /// The provider that gets the login: kimi, or another one of the configuration that is Kimi Code
    #[arg(long, value_name = "ID", default_value = "kimi")]
    pub(in crate::cli) provider: String,
    /// Who gives it [default: $KIMI_CODE_OAUTH_HOST, $KIMI_OAUTH_HOST, else https://auth.kimi.com, or
    /// https://auth.kimi.ai where the provider is at api.kimi.ai]
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) oauth_host: Option<String>,
    /// The client to ask as, in the place of Kimi Code's public one
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) client_id: Option<String>,
}

/// `logout`.
#[derive(Debug, ClapArgs)]
pub struct LogoutArgs {
    /// The provider whose login goes
    #[arg(long, value_name = "ID", default_value = "kimi")]
    provider: String,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Logs in.
pub async fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let mut console =
        Console { environment: Environment::process(), config: args.config, json, out: &mut out };
    let client: Arc<dyn Connector> = Arc::new(Client::new(CONNECT));
    exit::code(log_in(&args.wish, &mut console, client.as_ref()).await, json)
}

/// Logs out.
pub async fn run_logout(args: LogoutArgs) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let mut console =
        Console { environment: Environment::process(), config: args.config, json, out: &mut out };
    exit::code(log_out(&args.provider, &mut console).await, json)
}

async fn log_in(wish: &Wish, console: &mut Console<'_>, connector: &dyn Connector) -> Result<(), Ending> {
    let outcome = device_login(wish, console, connector).await?;
    outcome.print(console)
}

async fn log_out(provider: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    // Who wants to log out shall not have to mend a configuration first.
    let settings = console.settings().ok();
    let id = settings.as_ref().map_or_else(|| provider.to_lowercase(), |settings| id_of(settings, provider));
    if id.is_empty() || id.contains(['/', ' ']) {
        return Err(Ending::usage(format!("{provider:?} is no provider's id")));
    }
    let place = place(&id, console)?;
    let failed = |error: std::io::Error| {
        Ending::failure("file_error", format!("{} cannot be removed: {error}", place.tokens().display()))
    };
    // Where nobody ever logged in nothing is made.
    let was = match place.mark().exists() || place.tokens().exists() {
        true => {
            let lock = oauth::lock(&place).await;
            let lock = lock.map_err(|failure| Ending::failure("lock_error", failure.message))?;
            place.forget(&lock).map_err(failed)?
        }
        false => false,
    };
    if console.json {
        return console.print_json(&json!({ "ok": true, "provider": id, "loggedOut": was }));
    }
    if !was {
        return console.line(format_args!("nobody was logged in as provider {id}"));
    }
    console.line(format_args!("logged out: the tokens of provider {id} are gone from this machine"))?;
    let uses = settings.and_then(|settings| settings.providers.get(&id).cloned());
    if uses.is_some_and(|provider| provider.login.is_some()) {
        console.line(format_args!(
            "its auth is still \"oauth\", so it is off; with a key instead: moonrelay config set models.providers.{id}.auth api-key"
        ))?;
    }
    Ok(())
}

/// The id that is meant: case does not count, and other names of a provider do.
fn id_of(settings: &Settings, name: &str) -> String {
    let name = name.to_lowercase();
    settings.provider_aliases.get(&name).cloned().unwrap_or(name)
}

fn place(provider: &str, console: &Console<'_>) -> Result<Place, Ending> {
    let state = console.environment.state_directory();
    let state = state
        .ok_or_else(|| Ending::failure("no_home", "no place for a login: set HOME or STATE_DIRECTORY"))?;
    Ok(Place::new(&state, provider))
}
