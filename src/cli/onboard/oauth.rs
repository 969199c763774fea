//! Sets up Kimi Code with a login: the user approves it at Kimi, then the provider is added to the chain.

use serde_json::json;

use super::choice::Choice;
use super::provider_config::ProviderSetup;
use super::provider_setup::resolve_settings;
use super::report::SetupReport;
use super::{Args, chain, questions, report, service_unit};
use crate::cli::console::{Console, edit_error};
use crate::cli::exit::CommandError;
use crate::cli::login::{ConfigChange, LoginOptions, run_device_login};
use crate::config::edit::Document;
use crate::upstream::Connector;

/// Sets up the provider.
///
/// # Errors
/// When the login fails, or a file cannot be written.
pub(super) async fn set_up(
    args: &Args,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<(), CommandError> {
    let choice = Choice::KimiCodeOauth;
    let setup = questions::ask_setup(choice, args).await?;
    let wish =
        LoginOptions { provider: setup.id.clone(), oauth_host: args.oauth_host.clone(), client_id: None };
    let mut outcome = run_device_login(&wish, console, connector).await?;
    if let ConfigChange::Managed(lines) = &mut outcome.config_change {
        let mut document = console.read_document()?;
        apply_to_document(&setup, &mut document, console)?;
        *lines = document.nix_lines();
        return outcome.print(console);
    }
    let mut document = console.open_document()?;
    apply_to_document(&setup, &mut document, console)?;
    let saved = console.save(&document)?;
    drop(document);
    let unit = service_unit::offer_unit(args, console).await;
    let report = SetupReport {
        subject: choice.as_str(),
        check_text: format!(
            "logged in at {}; the tokens are in {}",
            outcome.login.host,
            outcome.token_file.display()
        ),
        check_json: json!({ "login": { "host": outcome.login.host, "store": outcome.token_file } }),
        provider: outcome.provider,
        secrets: None,
        save_result: saved,
        warnings: Vec::new(),
    };
    report::print_report(report, unit, console, connector).await
}

/// What the configuration says of it.
fn apply_to_document(
    setup: &ProviderSetup,
    document: &mut Document,
    console: &Console<'_>,
) -> Result<(), CommandError> {
    let auth = ["models", "providers", &setup.id, "auth"];
    let auth =
        auth.iter().fold(Default::default(), |path: crate::config::keypath::KeyPath, key| path.join_key(key));
    document.set(&auth, &json!("oauth")).map_err(|error| edit_error(&error))?;
    setup.apply_to_document(false, document).map_err(|error| edit_error(&error))?;
    let settings = resolve_settings(setup, None, document, console)?;
    let chosen = chain::chosen_model(setup, &settings)?;
    chain::add_to_chain(setup, &chosen, &settings, document)
}
