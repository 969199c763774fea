//! `moonrelay doctor`: runs the checks and prints their findings.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::command::{self, CommandError};
use super::output;
use crate::doctor::{Facts, Finding, Report, Severity};
use crate::upstream::{Client, Connector};

/// For a connection to a provider.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// `moonrelay doctor`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Skip all checks that use the network
    #[arg(long)]
    offline: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the checks and prints the findings; exit 1 with at least one error.
pub async fn run(args: Args) -> ExitCode {
    let connector: Arc<dyn Connector> = Arc::new(Client::new(CONNECT_TIMEOUT));
    command::run(args.config, args.json, async |context| {
        let progress = output::progress("");
        let show = |text: &str| progress.set_message(text.to_owned());
        let (environment, config) = (context.environment.clone(), context.config.as_deref());
        let facts = Facts::gather(environment, config, &connector, args.offline, &show).await;
        progress.finish_and_clear();
        let report = Report::from_facts(&facts);
        context.report(&report, || render(&report))?;
        if report.ok { Ok(()) } else { Err(CommandError::silent()) }
    })
    .await
}

/// The findings by subject, the most severe first.
fn render(report: &Report) -> String {
    let count = |severity, name| match report.count(severity) {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    };
    let mut text = match (report.count(Severity::Error), report.count(Severity::Warning)) {
        (0, 0) => "✓ no problems found\n".to_owned(),
        _ => format!("{}, {}\n", count(Severity::Error, "error"), count(Severity::Warning, "warning")),
    };
    let mut rest: Vec<_> = report.findings.iter().collect();
    while let Some(group) = rest.first().map(|found| found.group) {
        let (mut of_group, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|found| found.group == group);
        of_group.sort_by_key(|found| found.finding.severity);
        let _ = write!(text, "\n{group}\n");
        text.extend(of_group.iter().map(|found| render_finding(found.check, &found.finding)));
        rest = others;
    }
    let _ = write!(text, "\nchecked {}: {}\n", report.check_names.len(), report.check_names.join(", "));
    for skipped in &report.checks_skipped {
        let _ = writeln!(text, "not checked: {} ({})", skipped.check, skipped.why);
    }
    text
}

/// Further lines are indented below the first.
fn render_finding(check: &str, finding: &Finding) -> String {
    // A symbol and a word, readable without colour.
    let label = match finding.severity {
        Severity::Error => "✗ error",
        Severity::Warning => "! warning",
        Severity::Info => "· info",
    };
    let indent = |text: &str| text.replace('\n', "\n             ");
    let mut out = format!("  {label:<9}  {} [{check}]\n", indent(&finding.problem));
    let _ = writeln!(out, "      found  {}", indent(&finding.evidence));
    if let Some(fix) = &finding.fix {
        let _ = writeln!(out, "      fix    {}", indent(fix));
    }
    out
}
