//! Kimi Code by a login: who says so at Kimi is logged in, and then it gets its place in the chain.

use serde_json::json;

use super::choice::Choice;
use super::provider::settings_of;
use super::report::Report;
use super::setup::Setup;
use super::{Args, chain, interview, report, unit};
use crate::cli::console::{Console, refused};
use crate::cli::exit::Ending;
use crate::cli::login::{Configured, Wish, device_login};
use crate::config::edit::Document;
use crate::upstream::Connector;

/// Sets it up.
///
/// # Errors
/// When there is no login, or something cannot be written.
pub(super) async fn set_up(
    args: &Args,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<(), Ending> {
    let choice = Choice::KimiCodeOauth;
    let setup = interview::setup(choice, args).await?;
    let wish = Wish { provider: setup.id.clone(), oauth_host: args.oauth_host.clone(), client_id: None };
    let mut outcome = device_login(&wish, console, connector).await?;
    if let Configured::Managed(lines) = &mut outcome.configured {
        let mut document = console.reading()?;
        plan(&setup, &mut document, console)?;
        *lines = document.nix_lines();
        return outcome.print(console);
    }
    let mut document = console.document()?;
    plan(&setup, &mut document, console)?;
    let saved = console.save(&document)?;
    drop(document);
    let unit = unit::offer(args, console).await;
    let report = Report {
        what: choice.word(),
        said: format!("logged in at {}; the tokens are in {}", outcome.login.host, outcome.store.display()),
        check: json!({ "login": { "host": outcome.login.host, "store": outcome.store } }),
        provider: outcome.provider,
        secrets: None,
        saved,
        warnings: Vec::new(),
    };
    report::tell(report, unit, console, connector).await
}

/// What the configuration says of it.
fn plan(setup: &Setup, document: &mut Document, console: &Console<'_>) -> Result<(), Ending> {
    let auth = ["models", "providers", &setup.id, "auth"];
    let auth =
        auth.iter().fold(Default::default(), |path: crate::config::keypath::KeyPath, key| path.key(key));
    document.set(&auth, &json!("oauth")).map_err(|error| refused(&error))?;
    setup.apply(false, document).map_err(|error| refused(&error))?;
    let settings = settings_of(setup, None, document, console)?;
    let chosen = chain::reference(setup, &settings)?;
    chain::apply(setup, &chosen, &settings, document)
}
