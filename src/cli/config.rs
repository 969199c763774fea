//! `moonrelay config`: check, read, change and import the configuration.

mod import;
mod validate;
mod value;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::console::Console;
use super::exit::{self, CommandError};
use crate::config::Environment;
use crate::config::schema::json_schema;

/// The verbs of `config`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: ConfigCommand,
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Validate a file and print all errors with their paths; exit 0 when it is valid, 78 when it is not
    Validate {
        /// The file to check
        file: Option<PathBuf>,
    },
    /// Print a value, or the whole file without a path; secrets are shown as ***
    Get {
        /// For example gateway.port, or agents.defaults.models["kimi/k3"].alias
        path: Option<String>,
    },
    /// Set a value; comments are kept, and the previous file is saved as config.json5.bak
    Set {
        /// For example gateway.port
        path: String,
        /// JSON5, or plain text for a text setting
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Dry run: show the change without writing it
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove a value
    Unset {
        /// For example agents.defaults.thinkingDefault
        path: String,
        /// Dry run: show the change without writing it
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the JSON Schema of the configuration
    Schema,
    /// Print the path of the configuration file
    Path,
    /// Import models, agents.defaults, env and web search from an openclaw.json; list what is left out
    Import(import::Args),
}

/// Runs one of the verbs.
#[expect(clippy::unused_async, reason = "every verb is called alike")]
pub async fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let mut console =
        Console { environment: Environment::from_process(), config: args.config, json, out: &mut out };
    match execute(args.command, &mut console) {
        Ok(code) => code,
        Err(ending) => exit::into_exit_code(Err(ending), json),
    }
}

fn execute(verb: ConfigCommand, console: &mut Console<'_>) -> Result<ExitCode, CommandError> {
    match verb {
        ConfigCommand::Validate { file } => return validate::validate(file, console),
        ConfigCommand::Get { path } => value::get(path.as_deref().unwrap_or_default(), console)?,
        ConfigCommand::Set { path, value, dry_run } => value::set(&path, &value, dry_run, console)?,
        ConfigCommand::Unset { path, dry_run } => value::unset(&path, dry_run, console)?,
        ConfigCommand::Schema => console.print_json(&json_schema())?,
        ConfigCommand::Path => print_path(console)?,
        ConfigCommand::Import(args) => import::import(&args, console)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print_path(console: &mut Console<'_>) -> Result<(), CommandError> {
    let path = console.locate_config()?.path;
    if console.json {
        return console.print_json(&json!({ "path": path, "exists": path.exists() }));
    }
    console.print_line(path.display())
}
