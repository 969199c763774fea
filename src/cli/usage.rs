//! `moonrelay usage`: usage and cost of requests from the usage database, and the quotas that providers report.

pub(in crate::cli) mod date_range;
mod notes;
pub(in crate::cli) mod number_format;
pub(in crate::cli) mod output_style;
mod quota;
pub(in crate::cli) mod report;
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

use self::date_range::DateRange;
use self::output_style::OutputStyle;
use self::report::UsageReport;
use super::console::Console;
use super::exit::{self, CommandError};
use crate::config::Environment;
use crate::config::settings::Settings;
use crate::usage::{self, UsageDatabase};

/// Arguments of `moonrelay usage`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Number of days, including today, in local time
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Group rows by this
    #[arg(long, value_enum, default_value_t = GroupByArg::Model)]
    by: GroupByArg,
    /// Skip quota requests to providers
    #[arg(long)]
    no_quota: bool,
    /// Configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The grouping of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GroupByArg {
    /// Provider and model of each attempt
    Model,
    /// Provider of each attempt
    Provider,
    /// Client: its token's name, else its program
    Client,
    /// Day, including days without requests
    Day,
}

impl GroupByArg {
    const fn to_group_by(self) -> usage::GroupBy {
        match self {
            Self::Model => usage::GroupBy::Model,
            Self::Provider => usage::GroupBy::Provider,
            Self::Client => usage::GroupBy::Client,
            Self::Day => usage::GroupBy::Day,
        }
    }

    const fn as_str(self) -> &'static str {
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

/// Prints the usage table, or JSON.
pub async fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let (environment, config, json) = (Environment::from_process(), args.config.clone(), args.json);
    let mut console = Console { environment, config, json, out: &mut out };
    exit::into_exit_code(execute(&args, &mut console).await, json)
}

async fn execute(args: &Args, console: &mut Console<'_>) -> Result<(), CommandError> {
    let settings = console.load_settings()?;
    let span = DateRange::last_days(args.days, Zoned::now())?;
    let store = open_usage(&console.environment)?;
    let report = match &store {
        Some(store) => UsageReport::gather(store.as_ref(), &span, args.by.to_group_by()).await?,
        None => UsageReport::default(),
    };
    let note = data_note(&settings, store.is_some(), &console.environment);
    let quotas = if args.no_quota { None } else { Some(quota::fetch_quotas(&settings).await) };
    let shown = UsageView { span, by: args.by, report, note, quotas };
    if console.json {
        return console.print_json(&shown.to_json());
    }
    let screen = OutputStyle::from_environment(&console.environment);
    console.print_line(shown.to_text(screen, SystemTime::now()))
}

/// Opens the usage database in the state directory, whether or not the gateway runs.
fn open_usage(environment: &Environment) -> Result<Option<Arc<dyn UsageDatabase>>, CommandError> {
    let directory = environment.state_directory().ok_or_else(|| {
        CommandError::failure(
            "no_state",
            "no place for a ledger: set HOME, XDG_STATE_HOME or STATE_DIRECTORY",
        )
    })?;
    usage::open_read_only(&directory)
        .map_err(|error| CommandError::failure("ledger_error", error.to_string()))
}

/// Explains why records may be missing or incomplete.
fn data_note(settings: &Settings, found: bool, environment: &Environment) -> Option<String> {
    match (settings.usage.is_enabled, found) {
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

/// The complete report.
struct UsageView {
    span: DateRange,
    by: GroupByArg,
    report: UsageReport,
    note: Option<String>,
    quotas: Option<Value>,
}

impl UsageView {
    fn to_json(&self) -> Value {
        let mut value = json!({
            "days": self.span.days,
            "since": self.span.since.timestamp().to_string(),
            "timeZone": self.span.zone_name(),
            "by": self.by.as_str(),
        });
        if let Some(members) = value.as_object_mut() {
            members.extend(self.report.to_json_members());
            members.extend(self.note.iter().map(|note| ("note".to_owned(), json!(note))));
            members.extend(self.quotas.iter().map(|quotas| ("quotas".to_owned(), quotas.clone())));
        }
        value
    }

    fn to_text(&self, screen: OutputStyle, now: SystemTime) -> String {
        let mut parts = Vec::new();
        if self.report.total.requests > 0 {
            parts.push(screen.wrap_text(&self.title(), 0));
            parts.push(table::render_table(&self.report, self.by.heading(), screen));
        } else if self.note.is_none() {
            parts.push(screen.wrap_text(&format!("no requests since {}", self.span.first_date()), 0));
        }
        let notes = notes::table_notes(&self.report);
        let notes = notes.iter().chain(&self.note).map(|note| screen.wrap_text(note, 0));
        parts.extend(Some(notes.collect::<Vec<_>>().join("\n")).filter(|notes| !notes.is_empty()));
        if let Some(quotas) = &self.quotas {
            let lines = quota::quota_lines(quotas, screen, now);
            let none = ["  no provider with a key tells one".to_owned()];
            let lines = if lines.is_empty() { &none[..] } else { &lines };
            parts.push(format!("Quotas\n{}", lines.join("\n")));
        }
        parts.join("\n\n")
    }

    fn title(&self) -> String {
        let (by, first, zone) = (self.by.as_str(), self.span.first_date(), self.span.zone_name());
        match self.span.days {
            1 => format!("Today, {first}, by {by} ({zone})"),
            days => format!("The last {days} days by {by}, since {first} ({zone})"),
        }
    }
}
