//! `moonrelay usage`: what requests used and cost, from the ledger, and what the providers tell of their quotas.

pub(in crate::cli) mod figure;
mod notes;
mod quota;
pub(in crate::cli) mod report;
pub(in crate::cli) mod screen;
pub(in crate::cli) mod span;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::{Args as ClapArgs, ValueEnum};
use jiff::Zoned;
use serde_json::{Value, json};

use self::report::Report;
use self::screen::Screen;
use self::span::Span;
use super::console::Console;
use super::exit::{self, Ending};
use crate::config::Environment;
use crate::config::settings::Settings;
use crate::usage::{self, Store};

/// `moonrelay usage`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// How many days, today included, as days begin here
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// One row for each of these
    #[arg(long, value_enum, default_value_t = By::Model)]
    by: By,
    /// Leave out what the providers tell of their quotas: then nobody is asked
    #[arg(long)]
    no_quota: bool,
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// provider/model of each attempt
    Model,
    /// The provider of each attempt
    Provider,
    /// The client: its token's name, else its program
    Client,
    /// The day, also one without requests
    Day,
}

impl By {
    const fn of_ledger(self) -> usage::By {
        match self {
            Self::Model => usage::By::Model,
            Self::Provider => usage::By::Provider,
            Self::Client => usage::By::Client,
            Self::Day => usage::By::Day,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Client => "client",
            Self::Day => "day",
        }
    }

    const fn heading(self) -> &'static str {
        match self {
            Self::Model => "Model",
            Self::Provider => "Provider",
            Self::Client => "Client",
            Self::Day => "Day",
        }
    }
}

/// Prints the table, or JSON.
pub async fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let (environment, config, json) = (Environment::process(), args.config.clone(), args.json);
    let mut console = Console { environment, config, json, out: &mut out };
    exit::code(execute(&args, &mut console).await, json)
}

async fn execute(args: &Args, console: &mut Console<'_>) -> Result<(), Ending> {
    let settings = console.settings()?;
    let span = Span::of(args.days, Zoned::now())?;
    let store = stored(&console.environment)?;
    let report = match &store {
        Some(store) => Report::gather(store.as_ref(), &span, args.by.of_ledger()).await?,
        None => Report::default(),
    };
    let note = note(&settings, store.is_some(), &console.environment);
    let quotas = if args.no_quota { None } else { Some(quota::told(&settings).await) };
    let shown = Shown { span, by: args.by, report, note, quotas };
    if console.json {
        return console.print_json(&shown.json());
    }
    let screen = Screen::of(&console.environment);
    console.line(shown.text(screen, SystemTime::now()))
}

/// The ledger in the state directory, whether the gateway runs or not.
fn stored(environment: &Environment) -> Result<Option<Arc<dyn Store>>, Ending> {
    let directory = environment.state_directory().ok_or_else(|| {
        Ending::failure("no_state", "no place for a ledger: set HOME, XDG_STATE_HOME or STATE_DIRECTORY")
    })?;
    usage::read_only(&directory).map_err(|error| Ending::failure("ledger_error", error.to_string()))
}

/// Why there may be nothing to see, or not all.
fn note(settings: &Settings, found: bool, environment: &Environment) -> Option<String> {
    match (settings.usage.kept, found) {
        (true, true) => None,
        (true, false) => Some(format!(
            "nothing recorded yet: there is no ledger in {}; the gateway makes one there when it runs as this user \
             (of one that runs otherwise give the state directory as STATE_DIRECTORY)",
            environment.state_directory().unwrap_or_default().display()
        )),
        (false, true) => Some("usage.store is \"none\": this was recorded before that".to_owned()),
        (false, false) => Some("nothing is recorded: usage.store is \"none\"".to_owned()),
    }
}

/// All that is shown.
struct Shown {
    span: Span,
    by: By,
    report: Report,
    note: Option<String>,
    quotas: Option<Value>,
}

impl Shown {
    fn json(&self) -> Value {
        let mut value = json!({
            "days": self.span.days,
            "since": self.span.since.timestamp().to_string(),
            "timeZone": self.span.zone(),
            "by": self.by.word(),
        });
        if let Some(members) = value.as_object_mut() {
            members.extend(self.report.members());
            members.extend(self.note.iter().map(|note| ("note".to_owned(), json!(note))));
            members.extend(self.quotas.iter().map(|quotas| ("quotas".to_owned(), quotas.clone())));
        }
        value
    }

    fn text(&self, screen: Screen, now: SystemTime) -> String {
        let mut parts = Vec::new();
        if self.report.total.requests > 0 {
            parts.push(screen.wrapped(&self.title(), 0));
            parts.push(table::table(&self.report, self.by.heading(), screen));
        } else if self.note.is_none() {
            parts.push(screen.wrapped(&format!("no requests since {}", self.span.first()), 0));
        }
        let notes = notes::notes(&self.report);
        let notes = notes.iter().chain(&self.note).map(|note| screen.wrapped(note, 0));
        parts.extend(Some(notes.collect::<Vec<_>>().join("\n")).filter(|notes| !notes.is_empty()));
        if let Some(quotas) = &self.quotas {
            let lines = quota::lines(quotas, screen, now);
            let none = ["  no provider with a key tells one".to_owned()];
            let lines = if lines.is_empty() { &none[..] } else { &lines };
            parts.push(format!("Quotas\n{}", lines.join("\n")));
        }
        parts.join("\n\n")
    }

    fn title(&self) -> String {
        let (by, first, zone) = (self.by.word(), self.span.first(), self.span.zone());
        match self.span.days {
            1 => format!("Today, {first}, by {by} ({zone})"),
            days => format!("The last {days} days by {by}, since {first} ({zone})"),
        }
    }
}
