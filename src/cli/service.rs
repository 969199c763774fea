//! `moonrelay service`: the systemd user unit, for people without Nix.

mod install;
mod uninstall;
mod unit_files;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use self::unit_files::RenderedUnits;
use super::console::Console;
use super::exit::{self, CommandError};
use crate::config::Environment;

/// The verbs of `service`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: ServiceCommand,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ServiceCommand {
    /// Print the unit that `install` would write
    Show(UnitOptions),
    /// Write the unit into ~/.config/systemd/user, enable it and start it
    Install(InstallArgs),
    /// Stop and disable the unit and remove its files; keep configuration and state
    Uninstall {
        /// Also remove files that `install` did not write
        #[arg(long)]
        force: bool,
    },
}

/// Settings of the unit.
#[derive(Debug, ClapArgs)]
struct UnitOptions {
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use a systemd socket on gateway.bind and gateway.port, so that restarts refuse no client
    #[arg(long)]
    socket: bool,
    /// Secret that systemd loads from a file, for example KIMI_API_KEY=/home/me/.secrets/kimi
    #[arg(long = "credential", value_name = "NAME=FILE")]
    credentials: Vec<String>,
}

#[derive(Debug, ClapArgs)]
struct InstallArgs {
    #[command(flatten)]
    options: UnitOptions,
    /// Replace files that `install` did not write
    #[arg(long)]
    force: bool,
    /// Write the files without starting the unit
    #[arg(long)]
    no_start: bool,
}

/// Runs one of the verbs.
pub fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let config = match &args.command {
        ServiceCommand::Show(choices) | ServiceCommand::Install(InstallArgs { options: choices, .. }) => {
            choices.config.clone()
        }
        ServiceCommand::Uninstall { .. } => None,
    };
    let mut console = Console { environment: Environment::from_process(), config, json, out: &mut out };
    let outcome = match args.command {
        ServiceCommand::Show(choices) => show(&choices, &mut console),
        ServiceCommand::Install(args) => install::install(&args, &mut console),
        ServiceCommand::Uninstall { force } => uninstall::uninstall(force, &mut console),
    };
    exit::into_exit_code(outcome, json)
}

/// As `install` without any flag, for who set a provider up. How the service is then: `active`, `failed`, ….
///
/// # Errors
/// When there is no systemd, or it does not start.
pub(super) fn install_unit(console: &Console<'_>) -> Result<String, CommandError> {
    let choices = UnitOptions { config: console.config.clone(), socket: false, credentials: Vec::new() };
    let args = InstallArgs { options: choices, force: false, no_start: false };
    install::install_files(&args, console)?;
    install::query_state().map(|service| service.active_state().to_owned())
}

fn show(choices: &UnitOptions, console: &mut Console<'_>) -> Result<(), CommandError> {
    let files = RenderedUnits::render(choices, console)?;
    if console.json {
        let units = files.0.iter().map(|file| json!({ "path": file.path, "text": file.text }));
        return console.print_json(&json!({ "units": units.collect::<Vec<_>>() }));
    }
    // One file can be redirected as it is; of two each says where it belongs.
    let named = files.0.len() > 1;
    for (number, file) in files.0.iter().enumerate() {
        if named {
            let gap = if number == 0 { "" } else { "\n" };
            console.print_line(format_args!("{gap}# {}", file.path.display()))?;
        }
        console.print_line(file.text.trim_end())?;
    }
    Ok(())
}
