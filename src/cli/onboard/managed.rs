//! A configuration that Nix writes: what to add to it, instead of writing anything.

use serde_json::json;

use super::chain;
use super::provider::settings_of;
use super::setup::Setup;
use crate::cli::console::{Console, refused};
use crate::cli::exit::Ending;
use crate::config::edit::{Document, EditError, Managed, managed};

/// The lines for a provider, where somebody else manages the file.
///
/// # Errors
/// Where it is managed: exit 1.
pub(super) fn refuse(setup: &Setup, console: &Console<'_>) -> Result<(), Ending> {
    let path = console.location()?.path;
    let Some(managed) = managed(&path, &console.environment) else { return Ok(()) };
    let mut document = console.reading()?;
    let name = (!setup.keyless()).then(|| setup.variable(&document).name);
    setup.apply(true, &mut document).map_err(|error| refused(&error))?;
    let settings = settings_of(setup, None, &document, console)?;
    let chosen = chain::reference(setup, &settings)?;
    chain::apply(setup, &chosen, &settings, &mut document)?;
    Err(told(managed, name.as_deref(), &document))
}

/// The lines of a change, and for a key how it gets to where the modules read it. `LoadCredential=` hands the file to the
/// gateway (nix/modules/unit.nix); home-manager's sandbox leaves `~/.config/moonrelay` visible, so a key in its `env`
/// file is found too (nix/modules/sandbox.nix).
pub(super) fn told(managed: Managed, name: Option<&str>, document: &Document) -> Ending {
    let mut lines = document.nix_lines();
    if let Some(name) = name {
        // A line for it may be there already, with a place to fill in.
        lines.retain(|line| !line.starts_with(&format!("services.moonrelay.credentials.{name} ")));
        let file = format!("%h/.secrets/{}", name.to_lowercase());
        lines.push(format!("services.moonrelay.credentials.{name} = {};", json!(file)));
    }
    let ending = refused(&EditError::Managed(Managed { lines, ..managed }));
    let Some(name) = name else { return ending };
    let file = format!("~/.secrets/{}", name.to_lowercase());
    Ending::failure(
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
