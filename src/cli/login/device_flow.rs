//! The device login from the question to the configuration.

use std::time::SystemTime;

use serde_json::json;

use super::outcome::{ConfigChange, LoginOutcome};
use super::{LoginOptions, login_file, provider_id};
use crate::catalog::AdapterId;
use crate::cli::console::{Console, edit_error};
use crate::cli::exit::CommandError;
use crate::config::edit::{EditError, SaveOutcome};
use crate::config::keypath::KeyPath;
use crate::config::settings::Provider;
use crate::credentials::{Login, LoginFile};
use crate::failure::Failure;
use crate::service::signals::TerminationSignals;
use crate::upstream::Connector;
use crate::upstream::oauth::{
    self, AUTH_HOST, AUTH_HOST_GLOBAL, CLIENT_ID, DeviceCode, DeviceFlowError, Issuer,
};

/// Logs in: shows the code, waits until it is entered, keeps the tokens, and lets the configuration use them. Ctrl-C
/// gives up, and nothing is kept then. On a managed configuration the tokens are kept all the same, as they are no
/// configuration, and the lines to add come back.
///
/// # Errors
/// When the configuration is bad, there is no such provider, or there is no login.
pub(in crate::cli) async fn run_device_login(
    wish: &LoginOptions,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<LoginOutcome, CommandError> {
    let settings = console.load_settings()?;
    let id = provider_id(&settings, &wish.provider);
    let Some(provider) = settings.providers.get(&id) else {
        let known: Vec<&str> = settings.providers.keys().map(String::as_str).collect();
        let message = format!("there is no provider {id:?}; there are: {}", known.join(", "));
        return Err(CommandError::failure("unknown_provider", message));
    };
    if provider.adapter != AdapterId::KimiCode {
        let message = format!("only Kimi Code has a login, and provider {id} is none");
        return Err(CommandError::failure("no_login", message));
    }
    let place = login_file(&id, console)?;
    let issuer = select_issuer(wish, provider, &place, console)?;
    let login = wait_for_grant(&issuer, console, connector).await?;
    store_login(&place, &login).await?;
    let configured = enable_login(&id, console)?;
    Ok(LoginOutcome { provider: id, token_file: place.token_path(), login, config_change: configured })
}

fn select_issuer(
    wish: &LoginOptions,
    provider: &Provider,
    place: &LoginFile,
    console: &Console<'_>,
) -> Result<Issuer, CommandError> {
    let variable =
        |name: &str| console.environment.get(name).map(|value| (name.to_owned(), value.to_owned()));
    let flag = wish.oauth_host.clone().map(|host| ("--oauth-host".to_owned(), host));
    // The names are those of Kimi's own programs (kimi-code 2.1.0).
    let given = flag.or_else(|| variable("KIMI_CODE_OAUTH_HOST")).or_else(|| variable("KIMI_OAUTH_HOST"));
    let (name, host) = given.unwrap_or_else(|| ("the host".to_owned(), default_host(provider).to_owned()));
    let device = place.load_device_id().map_err(|error| store_error(place, &error))?;
    let client = wish.client_id.as_deref().unwrap_or(CLIENT_ID);
    Issuer::new(&host, client, Some(device))
        .map_err(|why| CommandError::usage(format!("{name}: no login can come from {host}: {why}")))
}

/// An account is of one region, and so is who gives logins to it.
fn default_host(provider: &Provider) -> &'static str {
    let is_global = provider.apis.iter().any(|(_, base)| base.starts_with("https://api.kimi.ai/"));
    if is_global { AUTH_HOST_GLOBAL } else { AUTH_HOST }
}

/// The login, once the person has entered the code.
async fn wait_for_grant(
    issuer: &Issuer,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<Login, CommandError> {
    let no_signals = |error| CommandError::failure("signal_error", format!("cannot catch signals: {error}"));
    let mut termination = TerminationSignals::install().map_err(no_signals)?;
    let given_up =
        || CommandError::failure("cancelled", "given up: nobody was logged in, and nothing was kept");
    let code = tokio::select! {
        code = oauth::request_code(connector, issuer) => code.map_err(|failure| login_error(&failure))?,
        () = termination.recv() => return Err(given_up()),
    };
    print_code(&code, console)?;
    tokio::select! {
        login = oauth::wait_for_login(connector, issuer, &code, SystemTime::now) => login.map_err(|why| device_flow_error(&why)),
        () = termination.recv() => Err(given_up()),
    }
}

fn print_code(code: &DeviceCode, console: &mut Console<'_>) -> Result<(), CommandError> {
    if console.json {
        let waiting = json!({
            "userCode": code.user_code,
            "verificationUri": code.uri,
            "verificationUriComplete": code.complete_uri,
            "expiresInSeconds": code.lifetime.as_secs(),
        });
        return console.print_line(json!({ "waiting": waiting }));
    }
    match &code.complete_uri {
        Some(complete) => {
            console.print_line(format_args!("Open      {complete}"))?;
            console.print_line(format_args!("and compare the code, or enter it at {}", code.uri))?;
        }
        None => console.print_line(format_args!("Open      {}", code.uri))?,
    }
    console.print_line(format_args!("Code      {}", code.user_code))?;
    let minutes = code.lifetime.as_secs().div_ceil(60);
    console.print_line(format_args!("Waiting until it is entered, {minutes} min at most; Ctrl-C gives up."))
}

fn login_error(failure: &Failure) -> CommandError {
    CommandError::failure("login_failed", failure.to_string())
}

fn device_flow_error(why: &DeviceFlowError) -> CommandError {
    match why {
        DeviceFlowError::Expired => CommandError::failure(
            "expired_token",
            "the code was not entered in time: start again for a new one",
        ),
        DeviceFlowError::Denied => {
            CommandError::failure("access_denied", "the login was refused where the code was entered")
        }
        DeviceFlowError::Failed(failure) => login_error(failure),
    }
}

/// Another process that refreshes the login before this one has its say first.
async fn store_login(place: &LoginFile, login: &Login) -> Result<(), CommandError> {
    let lock = oauth::acquire_lock(place)
        .await
        .map_err(|failure| CommandError::failure("lock_error", failure.message))?;
    place.start_login(&lock, login).map_err(|error| store_error(place, &error))
}

fn store_error(place: &LoginFile, error: &std::io::Error) -> CommandError {
    CommandError::failure("file_error", format!("{} cannot be kept: {error}", place.token_path().display()))
}

/// Lets the provider use its login, comments kept.
fn enable_login(id: &str, console: &Console<'_>) -> Result<ConfigChange, CommandError> {
    let path =
        ["models", "providers", id, "auth"].iter().fold(KeyPath::default(), |path, key| path.join_key(key));
    let mut document = console.open_document()?;
    document.set(&path, &json!("oauth")).map_err(|error| edit_error(&error))?;
    let file = console.locate_config()?.path;
    match document.save(&console.environment) {
        Ok(SaveOutcome::Written { .. }) => Ok(ConfigChange::Written(file)),
        Ok(SaveOutcome::Unchanged) => Ok(ConfigChange::Unchanged(file)),
        Err(EditError::Managed(managed)) => Ok(ConfigChange::Managed(managed.nix_lines)),
        Err(error) => Err(edit_error(&error)),
    }
}
