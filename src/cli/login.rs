//! `moonrelay login` and `moonrelay logout`: Kimi Code's device login, in the place of a key.

mod device_flow;
mod outcome;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::json;

use super::console::Console;
use super::exit::{self, CommandError};
use crate::config::Environment;
use crate::config::settings::Settings;
use crate::credentials::LoginFile;
use crate::upstream::{Client, Connector, oauth};

pub(in crate::cli) use device_flow::run_device_login;
pub(in crate::cli) use outcome::ConfigChange;

/// Connect timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// `login`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    options: LoginOptions,
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON: one line with the code, one with the result
    #[arg(long)]
    json: bool,
}

/// Login settings.
#[derive(Clone, Debug, ClapArgs)]
pub(in crate::cli) struct LoginOptions {
    /// Provider to log in to: kimi, or another configured Kimi Code provider
    #[arg(long, value_name = "ID", default_value = "kimi")]
    pub(in crate::cli) provider: String,
    /// OAuth server [default: $KIMI_CODE_OAUTH_HOST, $KIMI_OAUTH_HOST, else https://auth.kimi.com, or
    /// https://auth.kimi.ai for a provider at api.kimi.ai]
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) oauth_host: Option<String>,
    /// OAuth client ID to use instead of Kimi Code's public one
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) client_id: Option<String>,
}

/// `logout`.
#[derive(Debug, ClapArgs)]
pub struct LogoutArgs {
    /// Provider to log out of
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
        Console { environment: Environment::from_process(), config: args.config, json, out: &mut out };
    let client: Arc<dyn Connector> = Arc::new(Client::new(CONNECT_TIMEOUT));
    exit::into_exit_code(log_in(&args.options, &mut console, client.as_ref()).await, json)
}

/// Logs out.
pub async fn run_logout(args: LogoutArgs) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let mut console =
        Console { environment: Environment::from_process(), config: args.config, json, out: &mut out };
    exit::into_exit_code(log_out(&args.provider, &mut console).await, json)
}

async fn log_in(
    wish: &LoginOptions,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<(), CommandError> {
    let outcome = run_device_login(wish, console, connector).await?;
    outcome.print(console)
}

async fn log_out(provider: &str, console: &mut Console<'_>) -> Result<(), CommandError> {
    // Who wants to log out shall not have to mend a configuration first.
    let settings = console.load_settings().ok();
    let id =
        settings.as_ref().map_or_else(|| provider.to_lowercase(), |settings| provider_id(settings, provider));
    if id.is_empty() || id.contains(['/', ' ']) {
        return Err(CommandError::usage(format!("{provider:?} is no provider's id")));
    }
    let place = login_file(&id, console)?;
    let failed = |error: std::io::Error| {
        CommandError::failure(
            "file_error",
            format!("{} cannot be removed: {error}", place.token_path().display()),
        )
    };
    // Where nobody ever logged in nothing is made.
    let was = match place.lock_path().exists() || place.token_path().exists() {
        true => {
            let lock = oauth::acquire_lock(&place).await;
            let lock = lock.map_err(|failure| CommandError::failure("lock_error", failure.message))?;
            place.remove_login(&lock).map_err(failed)?
        }
        false => false,
    };
    if console.json {
        return console.print_json(&json!({ "ok": true, "provider": id, "loggedOut": was }));
    }
    if !was {
        return console.print_line(format_args!("nobody was logged in as provider {id}"));
    }
    console.print_line(format_args!("logged out: the tokens of provider {id} are gone from this machine"))?;
    let uses = settings.and_then(|settings| settings.providers.get(&id).cloned());
    if uses.is_some_and(|provider| provider.login_file.is_some()) {
        console.print_line(format_args!(
            "its auth is still \"oauth\", so it is off; with a key instead: moonrelay config set models.providers.{id}.auth api-key"
        ))?;
    }
    Ok(())
}

/// Resolves a provider ID: case-insensitive, with aliases.
fn provider_id(settings: &Settings, name: &str) -> String {
    let name = name.to_lowercase();
    settings.provider_aliases.get(&name).cloned().unwrap_or(name)
}

fn login_file(provider: &str, console: &Console<'_>) -> Result<LoginFile, CommandError> {
    let state = console.environment.state_directory();
    let state = state.ok_or_else(|| {
        CommandError::failure("no_home", "no place for a login: set HOME or STATE_DIRECTORY")
    })?;
    Ok(LoginFile::new(&state, provider))
}
