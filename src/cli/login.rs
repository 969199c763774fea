//! `moonrelay login` and `moonrelay logout`: Kimi Code's device login, used instead of an API key.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args as ClapArgs;
use serde_json::json;

use super::command::{self, CommandContext, CommandError};
use crate::catalog::AdapterId;
use crate::config::edit::EditError;
use crate::config::keypath::KeyPath;
use crate::config::settings::{Provider, Settings};
use crate::credentials::{Login, LoginFile};
use crate::service::signals::TerminationSignals;
use crate::upstream::oauth::{
    self, AUTH_HOST, AUTH_HOST_GLOBAL, CLIENT_ID, DeviceCode, DeviceFlowError, Issuer,
};
use crate::upstream::{Client, Connector};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `login`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    options: LoginOptions,
    /// Configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
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

/// Arguments of `logout`.
#[derive(Debug, ClapArgs)]
pub struct LogoutArgs {
    /// Provider to log out of
    #[arg(long, value_name = "ID", default_value = "kimi")]
    provider: String,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Logs in.
pub async fn run(args: Args) -> ExitCode {
    command::run(args.config, args.json, async |context| {
        let login = run_device_login(&args.options, context, &Client::new(CONNECT_TIMEOUT)).await?;
        login.print(context)
    })
    .await
}

/// Logs out.
pub async fn run_logout(args: LogoutArgs) -> ExitCode {
    command::run(args.config, args.json, async |context| log_out(&args.provider, context).await).await
}

async fn log_out(provider: &str, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    // An invalid configuration does not prevent logging out.
    let settings = context.load_settings().ok();
    let id = match &settings {
        Some(settings) => provider_id(settings, provider),
        None => provider.to_lowercase(),
    };
    if id.is_empty() || id.contains(['/', ' ']) {
        return Err(CommandError::usage(format!("{provider:?} is not a provider ID")));
    }
    let file = login_file(&id, context)?;
    // Without a login, not even a lock file is created.
    let was_logged_in = (file.lock_path().exists() || file.token_path().exists()) && {
        let lock = oauth::acquire_lock(&file).await;
        let lock = lock.map_err(|failure| CommandError::failure("lock_error", failure.message))?;
        file.remove_login(&lock).map_err(|error| file_error("remove", &file, error))?
    };
    let value = json!({ "ok": true, "provider": id, "loggedOut": was_logged_in });
    context.report(&value, || {
        if !was_logged_in {
            return format!("provider {id} was not logged in");
        }
        let provider = settings.as_ref().and_then(|settings| settings.providers.get(&id));
        let hint = if provider.is_some_and(|provider| provider.login_file.is_some()) {
            format!(
                "\nIts auth is still \"oauth\", so it is disabled. To use an API key: moonrelay config set \
                 models.providers.{id}.auth api-key"
            )
        } else {
            String::new()
        };
        format!("Logged out: the tokens of provider {id} were deleted from this machine.{hint}")
    })
}

/// Resolves a provider ID: case-insensitive, with aliases.
fn provider_id(settings: &Settings, name: &str) -> String {
    let name = name.to_lowercase();
    settings.provider_aliases.get(&name).cloned().unwrap_or(name)
}

fn login_file(provider: &str, context: &CommandContext<'_>) -> Result<LoginFile, CommandError> {
    let state = context.environment.state_directory();
    let state = state.ok_or_else(|| {
        CommandError::failure("no_home", "no directory for a login: set HOME or STATE_DIRECTORY")
    })?;
    Ok(LoginFile::new(&state, provider))
}

fn file_error(what: &str, file: &LoginFile, error: impl Display) -> CommandError {
    CommandError::failure("file_error", format!("cannot {what} {}: {error}", file.token_path().display()))
}

/// The result of a login.
pub(in crate::cli) struct LoginOutcome {
    pub(in crate::cli) provider: String,
    /// The file with the tokens.
    pub(in crate::cli) token_file: PathBuf,
    pub(in crate::cli) login: Login,
    /// The configuration, in which the provider uses the login now.
    config: PathBuf,
    /// Whether that was written. If not, it was set before, or Nix manages the configuration.
    is_changed: bool,
    /// If Nix manages the configuration: the lines that the user must add.
    pub(in crate::cli) nix_lines: Option<Vec<String>>,
}

/// Runs the device flow: prints the code, waits until the user enters it, stores the tokens, and enables the login in
/// the configuration. Ctrl-C cancels and stores nothing. With a managed configuration the tokens are stored all the
/// same, and the lines to add are returned.
pub(in crate::cli) async fn run_device_login(
    options: &LoginOptions,
    context: &mut CommandContext<'_>,
    connector: &dyn Connector,
) -> Result<LoginOutcome, CommandError> {
    let settings = context.load_settings()?;
    let id = provider_id(&settings, &options.provider);
    let Some(provider) = settings.providers.get(&id) else {
        let known: Vec<&str> = settings.providers.keys().map(String::as_str).collect();
        let message = format!("there is no provider {id:?}; there are: {}", known.join(", "));
        return Err(CommandError::failure("unknown_provider", message));
    };
    if provider.adapter != AdapterId::KimiCode {
        let message = format!("provider {id} has no login: only Kimi Code has one");
        return Err(CommandError::failure("no_login", message));
    }
    let file = login_file(&id, context)?;
    let issuer = select_issuer(options, provider, &file, context)?;
    let login = wait_for_grant(&issuer, context, connector).await?;
    // A process that refreshes the previous login finishes first.
    let lock = oauth::acquire_lock(&file).await;
    let lock = lock.map_err(|failure| CommandError::failure("lock_error", failure.message))?;
    file.start_login(&lock, &login).map_err(|error| file_error("write", &file, error))?;
    drop(lock);
    let path =
        ["models", "providers", &id, "auth"].iter().fold(KeyPath::default(), |path, key| path.join_key(key));
    let mut document = context.open_document()?;
    document.set(&path, &json!("oauth"))?;
    let (is_changed, nix_lines) = match document.save(&context.environment) {
        Ok(saved) => (saved.is_written(), None),
        Err(EditError::Managed(managed)) => (false, Some(managed.nix_lines)),
        Err(error) => return Err(error.into()),
    };
    let config = context.locate_config()?.path;
    Ok(LoginOutcome { provider: id, token_file: file.token_path(), login, config, is_changed, nix_lines })
}

fn select_issuer(
    options: &LoginOptions,
    provider: &Provider,
    file: &LoginFile,
    context: &CommandContext<'_>,
) -> Result<Issuer, CommandError> {
    let variable =
        |name: &str| context.environment.get(name).map(|value| (name.to_owned(), value.to_owned()));
    let option = options.oauth_host.clone().map(|host| ("--oauth-host".to_owned(), host));
    // Kimi's own programs use these variables (kimi-code 2.1.0).
    let given = option.or_else(|| variable("KIMI_CODE_OAUTH_HOST")).or_else(|| variable("KIMI_OAUTH_HOST"));
    // An account belongs to one region, and so does its OAuth server.
    let is_global = provider.apis.iter().any(|(_, base)| base.starts_with("https://api.kimi.ai/"));
    let default = if is_global { AUTH_HOST_GLOBAL } else { AUTH_HOST };
    let (origin, host) = given.unwrap_or_else(|| ("the default host".to_owned(), default.to_owned()));
    let device = file.load_device_id().map_err(|error| file_error("write", file, error))?;
    let client = options.client_id.as_deref().unwrap_or(CLIENT_ID);
    Issuer::new(&host, client, Some(device))
        .map_err(|why| CommandError::usage(format!("{origin}: cannot log in at {host}: {why}")))
}

/// Waits until the user has entered the code.
async fn wait_for_grant(
    issuer: &Issuer,
    context: &mut CommandContext<'_>,
    connector: &dyn Connector,
) -> Result<Login, CommandError> {
    let mut termination = TerminationSignals::install()
        .map_err(|error| CommandError::failure("signal_error", format!("cannot catch signals: {error}")))?;
    let cancelled = || CommandError::failure("cancelled", "login cancelled: nothing was stored");
    let login_failed = |failure: &dyn Display| CommandError::failure("login_failed", failure.to_string());
    let code = tokio::select! {
        code = oauth::request_code(connector, issuer) => code.map_err(|failure| login_failed(&failure))?,
        () = termination.recv() => return Err(cancelled()),
    };
    print_code(&code, context)?;
    let login = tokio::select! {
        login = oauth::wait_for_login(connector, issuer, &code, SystemTime::now) => login,
        () = termination.recv() => return Err(cancelled()),
    };
    login.map_err(|error| match error {
        DeviceFlowError::Expired => {
            CommandError::failure("expired_token", "the code expired before it was entered. Run login again.")
        }
        DeviceFlowError::Denied => {
            CommandError::failure("access_denied", "the login was denied in the browser")
        }
        DeviceFlowError::Failed(failure) => login_failed(&failure),
    })
}

fn print_code(code: &DeviceCode, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    if context.json {
        let waiting = json!({
            "userCode": code.user_code,
            "verificationUri": code.uri,
            "verificationUriComplete": code.complete_uri,
            "expiresInSeconds": code.lifetime.as_secs(),
        });
        return context.print_line(json!({ "waiting": waiting }));
    }
    let open = match &code.complete_uri {
        Some(complete) => format!("{complete}\nand compare the code, or enter it at {}", code.uri),
        None => code.uri.clone(),
    };
    let minutes = code.lifetime.as_secs().div_ceil(60);
    context.print_line(format_args!(
        "Open      {open}\nCode      {}\nWaiting for the code to be entered, at most {minutes} min; Ctrl-C cancels.",
        code.user_code
    ))
}

impl LoginOutcome {
    /// Prints the result, without a token.
    pub(in crate::cli) fn print(&self, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
        let (provider, host, tokens) = (&self.provider, &self.login.host, self.token_file.display());
        let file = self.config.display();
        if context.json {
            let expiry = self.login.expires_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            return context.print_line(json!({
                "ok": true,
                "provider": provider,
                "host": host,
                "store": self.token_file,
                "expiresAt": u64::try_from(expiry.as_millis()).ok(),
                "config": {
                    "path": self.nix_lines.is_none().then_some(&self.config),
                    "changed": self.is_changed,
                    "managed": self.nix_lines.is_some(),
                    "nix": self.nix_lines.as_deref().unwrap_or_default(),
                },
            }));
        }
        let config = match &self.nix_lines {
            Some(lines) => {
                let lines: String = lines.iter().map(|line| format!("\n  {line}")).collect();
                format!("The configuration is managed by Nix. Add these lines to use the login:{lines}")
            }
            None if self.is_changed => {
                format!("config    models.providers.{provider}.auth: \"oauth\" set in {file}")
            }
            None => format!("config    already set in {file}"),
        };
        context.print_line(format_args!(
            "logged in at {host} as provider {provider}\ntokens    {tokens} (refreshed automatically)\n{config}\n\
             Try it    moonrelay models status --probe"
        ))
    }
}
