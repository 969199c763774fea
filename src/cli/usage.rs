//! `moonrelay usage`: usage and cost of requests from the usage database, and the quotas that providers report.

pub(in crate::cli) mod report;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::{Args as ClapArgs, ValueEnum};
use jiff::{Span, ToSpan, Zoned};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use self::report::{UsageReport, database_error};
use super::command::{self, CommandContext, CommandError};
use super::output::OutputStyle;
use crate::config::settings::Settings;
use crate::gateway::quota::to_json;
use crate::routing::quota::QuotaCache;
use crate::upstream::Client;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::oauth::AuthenticatedConnector;
use crate::usage::{self, GroupBy, UsageDatabase};

/// The gateway waits at most 5 s for the providers, and so does this command if no gateway runs.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(6);
/// For both: a server that is not a gateway and never responds leaves less time for the providers.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(8);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
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
    /// For the usage database and for a heading.
    const fn names(self) -> (GroupBy, &'static str) {
        match self {
            Self::Model => (GroupBy::Model, "Model"),
            Self::Provider => (GroupBy::Provider, "Provider"),
            Self::Client => (GroupBy::Client, "Client"),
            Self::Day => (GroupBy::Day, "Day"),
        }
    }
}

pub(super) async fn run(args: Args) -> ExitCode {
    command::run(args.config.clone(), args.json, async |context| execute(&args, context).await).await
}

async fn execute(args: &Args, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let range = DateRange::last_days(args.days, Zoned::now())?;
    let state = context.state_directory("the usage database")?;
    let database = open_usage(&state)?;
    let (by, heading) = args.by.names();
    let report = match &database {
        Some(database) => UsageReport::gather(database.as_ref(), &range, by).await?,
        None => UsageReport::default(),
    };
    let note = data_note(&settings, database.is_some(), &state);
    let quotas = if args.no_quota { None } else { Some(fetch_quotas(&settings).await) };
    let view = UsageView { range, heading, report, note, quotas };
    let style = OutputStyle::from_environment(&context.environment);
    context.report(&view.to_json(), || view.to_text(style, SystemTime::now()))
}

/// Opens the usage database in the state directory, whether or not the gateway runs.
pub(in crate::cli) fn open_usage(state: &Path) -> Result<Option<Arc<dyn UsageDatabase>>, CommandError> {
    usage::open_read_only(state).map_err(database_error)
}

/// Explains why records may be missing or incomplete.
fn data_note(settings: &Settings, has_database: bool, state: &Path) -> Option<String> {
    match (settings.usage.is_enabled, has_database) {
        (true, true) => None,
        (true, false) => Some(format!(
            "Nothing is recorded yet: {} has no usage database. The gateway creates it when it runs as this user. If \
             it runs as another user, set STATE_DIRECTORY to its state directory.",
            state.display()
        )),
        (false, true) => Some("usage.store is \"none\": these are earlier records.".to_owned()),
        (false, false) => Some("Nothing is recorded: usage.store is \"none\".".to_owned()),
    }
}

/// The providers of `/usage/quota` of the running gateway, otherwise from the providers themselves. Never fails: a
/// provider that reports nothing has an `error`.
async fn fetch_quotas(settings: &Settings) -> Value {
    let end = Instant::now() + TOTAL_TIMEOUT;
    let client = Arc::new(Client::new(CONNECT_TIMEOUT));
    let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
    let response = address.get_json("/usage/quota", settings, client.as_ref(), GATEWAY_TIMEOUT).await;
    let mut quotas = match response {
        Ok(quotas) if quotas.get("providers").is_some_and(Value::is_array) => quotas,
        _ => {
            let direct = QuotaCache::new(Arc::new(AuthenticatedConnector::new(client)));
            to_json(&timeout_at(end, direct.refresh(settings)).await.unwrap_or_default())
        }
    };
    quotas["providers"].take()
}

/// Whole days up to now, in the local time zone.
pub(in crate::cli) struct DateRange {
    /// Midnight of the first day.
    pub(in crate::cli) since: Zoned,
    pub(in crate::cli) now: Zoned,
    /// Number of days, including today.
    days: u32,
}

impl DateRange {
    /// The last `days` days, including today. Fails if the calendar does not reach back that far.
    pub(in crate::cli) fn last_days(days: u32, now: Zoned) -> Result<Self, CommandError> {
        let back = Span::new().try_days(days.saturating_sub(1));
        let first = back.and_then(|back| now.date().checked_sub(back)?.to_zoned(now.time_zone().clone()));
        let since = first.map_err(|_| {
            CommandError::usage(format!("--days {days} is out of range: the calendar starts later"))
        })?;
        Ok(Self { since, now, days })
    }

    /// Each day, as named in the usage database.
    fn dates(&self) -> Vec<String> {
        let series = self.since.date().series(1.day());
        series.take_while(|date| *date <= self.now.date()).map(|date| date.to_string()).collect()
    }

    /// `Europe/Berlin`, or `+01` for a time zone without a name.
    fn zone_name(&self) -> String {
        let zone = self.now.time_zone();
        match zone.iana_name() {
            // Days are in UTC if the time zone is unknown.
            None if self.now.offset().is_zero() => "UTC".to_owned(),
            _ if zone.is_unknown() => "UTC".to_owned(),
            Some(name) => name.to_owned(),
            None => self.now.offset().to_string(),
        }
    }
}

/// Everything that the command prints.
struct UsageView {
    range: DateRange,
    /// Of the first column.
    heading: &'static str,
    report: UsageReport,
    note: Option<String>,
    quotas: Option<Value>,
}

impl UsageView {
    fn to_json(&self) -> Value {
        let mut value = json!({
            "days": self.range.days,
            "since": self.range.since.timestamp().to_string(),
            "timeZone": self.range.zone_name(),
            "by": self.heading.to_ascii_lowercase(),
            "rows": self.report.keyed_rows(),
            "total": self.report.total,
        });
        if let Some(note) = &self.note {
            value["note"] = json!(note);
        }
        if let Some(quotas) = &self.quotas {
            value["quotas"] = quotas.clone();
        }
        value
    }

    fn to_text(&self, style: OutputStyle, now: SystemTime) -> String {
        let (by, zone) = (self.heading.to_ascii_lowercase(), self.range.zone_name());
        let first = self.range.since.date();
        let mut parts = Vec::new();
        if self.report.total.requests > 0 {
            parts.push(match self.range.days {
                1 => format!("Today, {first}, by {by} ({zone})"),
                days => format!("The last {days} days by {by}, since {first} ({zone})"),
            });
            parts.push(self.report.to_table(self.heading, style));
        } else if self.note.is_none() {
            parts.push(format!("no requests since {first}"));
        }
        let notes: Vec<String> = self.report.notes().into_iter().chain(self.note.clone()).collect();
        parts.extend((!notes.is_empty()).then(|| notes.join("\n")));
        if let Some(quotas) = &self.quotas {
            parts.push(format!("Quotas\n{}", report::render_quotas(quotas, style, now)));
        }
        parts.join("\n\n")
    }
}
