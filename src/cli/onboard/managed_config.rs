//! A configuration that Nix writes: what to add to it, instead of writing anything.

use serde_json::json;

use super::chain;
use super::provider_config::ProviderSetup;
use super::provider_setup::resolve_settings;
use crate::cli::console::{Console, edit_error};
use crate::cli::exit::CommandError;
use crate::config::edit::{Document, EditError, ManagedFile, find_manager};

/// Refuses, with the lines for a provider, if the file is managed externally.
///
/// # Errors
/// If the file is managed: exit 1.
pub(super) fn refuse_if_managed(setup: &ProviderSetup, console: &Console<'_>) -> Result<(), CommandError> {
    let path = console.locate_config()?.path;
    let Some(managed) = find_manager(&path, &console.environment) else { return Ok(()) };
    let mut document = console.read_document()?;
    let name = (!setup.is_keyless()).then(|| setup.key_variable(&document).name);
    setup.apply_to_document(true, &mut document).map_err(|error| edit_error(&error))?;
    let settings = resolve_settings(setup, None, &document, console)?;
    let chosen = chain::chosen_model(setup, &settings)?;
    chain::add_to_chain(setup, &chosen, &settings, &mut document)?;
    Err(managed_error(managed, name.as_deref(), &document))
}

/// The lines of a change, and for a key how it gets to where the modules read it. `LoadCredential=` hands the file to the
/// gateway (nix/modules/unit.nix); home-manager's sandbox leaves `~/.config/moonrelay` visible, so a key in its `env`
/// file is found too (nix/modules/sandbox.nix).
pub(super) fn managed_error(managed: ManagedFile, name: Option<&str>, document: &Document) -> CommandError {
    let mut lines = document.nix_lines();
    if let Some(name) = name {
        // A line for it may be there already, with a place to fill in.
        lines.retain(|line| !line.starts_with(&format!("services.moonrelay.credentials.{name} ")));
        let file = format!("%h/.secrets/{}", name.to_lowercase());
        lines.push(format!("services.moonrelay.credentials.{name} = {};", json!(file)));
    }
    let ending = edit_error(&EditError::Managed(ManagedFile { nix_lines: lines, ..managed }));
    let Some(name) = name else { return ending };
    let file = format!("~/.secrets/{}", name.to_lowercase());
    CommandError::failure(
        "managed_config",
        format!(
            "{}\nand put the key, alone, into that file (then switch):\n  \
             (umask 077; mkdir -p ~/.secrets; cat >{file})   # paste it, Enter, Ctrl-D\n\
             Of home-manager's service, and of every command here, a line {name}=… in ~/.config/moonrelay/env (mode 0600) is \
             found too; Nix does not manage that file. Nothing was changed.",
            ending.message()
        ),
    )
}
