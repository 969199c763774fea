//! `moonrelay service`: the systemd user unit, for people without Nix.

mod install;
mod place;
mod uninstall;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use self::place::Files;
use super::console::Console;
use super::exit::{self, Ending};
use crate::config::Environment;

/// The verbs of `service`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the unit that `install` would write
    Show(Choices),
    /// Write the unit into ~/.config/systemd/user, enable it and start it
    Install(Install),
    /// Stop and disable the unit, and remove its files; configuration and state stay
    Uninstall {
        /// Also files that `install` did not write
        #[arg(long)]
        force: bool,
    },
}

/// What the unit depends on.
#[derive(Debug, ClapArgs)]
struct Choices {
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let systemd hold the socket that gateway.bind and gateway.port name: no client is refused during a restart
    #[arg(long)]
    socket: bool,
    /// A secret that systemd reads from a file for the gateway, for example KIMI_API_KEY=/home/me/.secrets/kimi
    #[arg(long = "credential", value_name = "NAME=FILE")]
    credentials: Vec<String>,
}

#[derive(Debug, ClapArgs)]
struct Install {
    #[command(flatten)]
    choices: Choices,
    /// Replace files that `install` did not write
    #[arg(long)]
    force: bool,
    /// Write the files and do not start
    #[arg(long)]
    no_start: bool,
}

/// Runs one of the verbs.
pub fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let config = match &args.verb {
        Verb::Show(choices) | Verb::Install(Install { choices, .. }) => choices.config.clone(),
        Verb::Uninstall { .. } => None,
    };
    let mut console = Console { environment: Environment::process(), config, json, out: &mut out };
    let outcome = match args.verb {
        Verb::Show(choices) => show(&choices, &mut console),
        Verb::Install(args) => install::install(&args, &mut console),
        Verb::Uninstall { force } => uninstall::uninstall(force, &mut console),
    };
    exit::code(outcome, json)
}

/// As `install` without any flag, for who set a provider up. How the service is then: `active`, `failed`, ….
///
/// # Errors
/// When there is no systemd, or it does not start.
pub(super) fn install_unit(console: &Console<'_>) -> Result<String, Ending> {
    let choices = Choices { config: console.config.clone(), socket: false, credentials: Vec::new() };
    let args = Install { choices, force: false, no_start: false };
    install::perform(&args, console)?;
    install::state().map(|service| service.active().to_owned())
}

fn show(choices: &Choices, console: &mut Console<'_>) -> Result<(), Ending> {
    let files = Files::of(choices, console)?;
    if console.json {
        let units = files.0.iter().map(|file| json!({ "path": file.path, "text": file.text }));
        return console.print_json(&json!({ "units": units.collect::<Vec<_>>() }));
    }
    // One file can be redirected as it is; of two each says where it belongs.
    let named = files.0.len() > 1;
    for (number, file) in files.0.iter().enumerate() {
        if named {
            let gap = if number == 0 { "" } else { "\n" };
            console.line(format_args!("{gap}# {}", file.path.display()))?;
        }
        console.line(file.text.trim_end())?;
    }
    Ok(())
}
