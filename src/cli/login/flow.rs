//! The device login from the question to the configuration.

use std::time::SystemTime;

use serde_json::json;

use super::outcome::{Configured, LoggedIn};
use super::{Wish, id_of, place};
use crate::catalog::DialectId;
use crate::cli::console::{Console, refused};
use crate::cli::exit::Ending;
use crate::config::edit::{EditError, Saved};
use crate::config::keypath::KeyPath;
use crate::config::settings::Provider;
use crate::credentials::{Login, Place};
use crate::failure::Failure;
use crate::service::signals::Termination;
use crate::upstream::Connector;
use crate::upstream::oauth::{self, CLIENT_ID, Code, HOST, HOST_GLOBAL, Issuer, NoLogin};

/// Logs in: shows the code, waits until it is entered, keeps the tokens, and lets the configuration use them. Ctrl-C
/// gives up, and nothing is kept then. On a managed configuration the tokens are kept all the same, as they are no
/// configuration, and the lines to add come back.
///
/// # Errors
/// When the configuration is bad, there is no such provider, or there is no login.
pub(in crate::cli) async fn device_login(
    wish: &Wish,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<LoggedIn, Ending> {
    let settings = console.settings()?;
    let id = id_of(&settings, &wish.provider);
    let Some(provider) = settings.providers.get(&id) else {
        let known: Vec<&str> = settings.providers.keys().map(String::as_str).collect();
        let message = format!("there is no provider {id:?}; there are: {}", known.join(", "));
        return Err(Ending::failure("unknown_provider", message));
    };
    if provider.dialect != DialectId::KimiCode {
        let message = format!("only Kimi Code has a login, and provider {id} is none");
        return Err(Ending::failure("no_login", message));
    }
    let place = place(&id, console)?;
    let issuer = issuer(wish, provider, &place, console)?;
    let login = granted(&issuer, console, connector).await?;
    keep(&place, &login).await?;
    let configured = configure(&id, console)?;
    Ok(LoggedIn { provider: id, store: place.tokens(), login, configured })
}

fn issuer(wish: &Wish, provider: &Provider, place: &Place, console: &Console<'_>) -> Result<Issuer, Ending> {
    let variable =
        |name: &str| console.environment.get(name).map(|value| (name.to_owned(), value.to_owned()));
    let flag = wish.oauth_host.clone().map(|host| ("--oauth-host".to_owned(), host));
    // The names are those of Kimi's own programs (kimi-code 2.1.0).
    let given = flag.or_else(|| variable("KIMI_CODE_OAUTH_HOST")).or_else(|| variable("KIMI_OAUTH_HOST"));
    let (name, host) = given.unwrap_or_else(|| ("the host".to_owned(), host_of(provider).to_owned()));
    let device = place.device().map_err(|error| unkept(place, &error))?;
    let client = wish.client_id.as_deref().unwrap_or(CLIENT_ID);
    Issuer::new(&host, client, Some(device))
        .map_err(|why| Ending::usage(format!("{name}: no login can come from {host}: {why}")))
}

/// An account is of one region, and so is who gives logins to it.
fn host_of(provider: &Provider) -> &'static str {
    let is_global = provider.faces.iter().any(|(_, base)| base.starts_with("https://api.kimi.ai/"));
    if is_global { HOST_GLOBAL } else { HOST }
}

/// The login, once the person has entered the code.
async fn granted(
    issuer: &Issuer,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<Login, Ending> {
    let no_signals = |error| Ending::failure("signal_error", format!("cannot catch signals: {error}"));
    let mut termination = Termination::install().map_err(no_signals)?;
    let given_up = || Ending::failure("cancelled", "given up: nobody was logged in, and nothing was kept");
    let code = tokio::select! {
        code = oauth::ask(connector, issuer) => code.map_err(|failure| failed(&failure))?,
        () = termination.received() => return Err(given_up()),
    };
    show(&code, console)?;
    tokio::select! {
        login = oauth::wait(connector, issuer, &code, SystemTime::now) => login.map_err(|why| no_login(&why)),
        () = termination.received() => Err(given_up()),
    }
}

fn show(code: &Code, console: &mut Console<'_>) -> Result<(), Ending> {
    if console.json {
        let waiting = json!({
            "userCode": code.user_code,
            "verificationUri": code.uri,
            "verificationUriComplete": code.complete,
            "expiresInSeconds": code.good_for.as_secs(),
        });
        return console.line(json!({ "waiting": waiting }));
    }
    match &code.complete {
        Some(complete) => {
            console.line(format_args!("Open      {complete}"))?;
            console.line(format_args!("and compare the code, or enter it at {}", code.uri))?;
        }
        None => console.line(format_args!("Open      {}", code.uri))?,
    }
    console.line(format_args!("Code      {}", code.user_code))?;
    let minutes = code.good_for.as_secs().div_ceil(60);
    console.line(format_args!("Waiting until it is entered, {minutes} min at most; Ctrl-C gives up."))
}

fn failed(failure: &Failure) -> Ending {
    Ending::failure("login_failed", failure.to_string())
}

fn no_login(why: &NoLogin) -> Ending {
    match why {
        NoLogin::Expired => {
            Ending::failure("expired_token", "the code was not entered in time: start again for a new one")
        }
        NoLogin::Denied => {
            Ending::failure("access_denied", "the login was refused where the code was entered")
        }
        NoLogin::Failed(failure) => failed(failure),
    }
}

/// Another process that refreshes the login before this one has its say first.
async fn keep(place: &Place, login: &Login) -> Result<(), Ending> {
    let lock = oauth::lock(place).await.map_err(|failure| Ending::failure("lock_error", failure.message))?;
    place.begin(&lock, login).map_err(|error| unkept(place, &error))
}

fn unkept(place: &Place, error: &std::io::Error) -> Ending {
    Ending::failure("file_error", format!("{} cannot be kept: {error}", place.tokens().display()))
}

/// Lets the provider use its login, comments kept.
fn configure(id: &str, console: &Console<'_>) -> Result<Configured, Ending> {
    let path = ["models", "providers", id, "auth"].iter().fold(KeyPath::default(), |path, key| path.key(key));
    let mut document = console.document()?;
    document.set(&path, &json!("oauth")).map_err(|error| refused(&error))?;
    let file = console.location()?.path;
    match document.save(&console.environment) {
        Ok(Saved::Written { .. }) => Ok(Configured::Written(file)),
        Ok(Saved::Unchanged) => Ok(Configured::Already(file)),
        Err(EditError::Managed(managed)) => Ok(Configured::Managed(managed.lines)),
        Err(error) => Err(refused(&error)),
    }
}
