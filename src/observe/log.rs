//! The log: one line a request, nothing of prompts or answers, never a key. Fields where the journal reads, else lines.

mod line;
mod lines;

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use tracing::{info, warn};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::record::{Outcome, Record, attempts_header};

pub use lines::together;

/// The target of what is told at every level: the chain, and where the gateway listens.
pub const ANNOUNCEMENT: &str = "announcement";

/// The process has one log, as it has one standard error.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Logs from `level` on, and [`ANNOUNCEMENT`]s at every level: to the journal where standard error is the journal, else
/// as lines to standard error. The first call counts.
pub fn start(level: &str) {
    let (filter, handle) = reload::Layer::new(filter(level));
    let logs = tracing_subscriber::registry().with(filter);
    // The layers are options, of which one is there.
    let journal = if is_journal() { journal() } else { None };
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    // The crate would tell of a terminal that is gone on that same terminal, and panic.
    let coloured = (journal.is_none() && colour)
        .then(|| fmt::layer().with_target(false).log_internal_errors(false).with_writer(lines::writer));
    let plain = (journal.is_none() && !colour).then(|| {
        let layer = fmt::layer().log_internal_errors(false).with_writer(lines::writer);
        layer.with_ansi(false).event_format(line::Line)
    });
    if logs.with(journal).with(coloured).with(plain).try_init().is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// Logs from this level on from now on, where [`start`] was called.
pub fn change(level: &str) {
    if let Some(handle) = FILTER.get() {
        // It fails only when the subscriber is gone.
        let _ = handle.reload(filter(level));
    }
}

fn filter(level: &str) -> Targets {
    let loudest = level.parse().unwrap_or(LevelFilter::INFO);
    let quiet = ["hyper", "h2", "rustls"].map(|library| (library, LevelFilter::WARN));
    Targets::new().with_default(loudest).with_target(ANNOUNCEMENT, LevelFilter::INFO).with_targets(quiet)
}

/// `MOONRELAY_REQUEST_ID=…`. `None` where no journal listens.
fn journal() -> Option<tracing_journald::Layer> {
    // An ordinary line is `info` there; the crate would make it `notice`, which is shown in bold.
    let priorities =
        PriorityMappings { info: Priority::Informational, debug: Priority::Debug, ..PriorityMappings::new() };
    let layer = tracing_journald::layer().ok()?;
    let layer = layer.with_field_prefix(Some("MOONRELAY".to_owned())).with_priority_mappings(priorities);
    Some(layer.with_syslog_identifier("moonrelay".to_owned()))
}

/// systemd.exec(5): `JOURNAL_STREAM` names device and inode of what it connected; standard error may have been
/// redirected since.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = std::io::stderr().as_fd().try_clone_to_owned() else { return false };
    let Ok(there) = File::from(stderr).metadata() else { return false };
    stream == format!("{}:{}", there.dev(), there.ino())
}

/// One request. What failed is told with its cause, once.
pub fn request(record: &Record) {
    for attempt in &record.attempts {
        if let Outcome::Failed(reason) = attempt.outcome {
            warn!(
                request_id = %record.request_id,
                target_model = %attempt.reference,
                reason = %reason,
                ms = attempt.took.as_millis(),
                "attempt failed: {}",
                attempt.detail
            );
        }
    }
    let usage = record.usage.unwrap_or_default();
    info!(
        request_id = %record.request_id,
        client = %record.client,
        requested = %record.requested,
        model = record.answered.as_deref().unwrap_or("none"),
        attempts = %attempts_header(&record.attempts),
        face = record.face.api(),
        called = record.called.map(|face| face.api()),
        rules = %record.rules.join(","),
        dropped = %record.dropped.join(","),
        thinking = record.thinking.map(|level| level.as_str()),
        streamed = record.streamed,
        input = usage.input,
        cached = usage.cache_read,
        output = usage.output,
        estimated = usage.estimated,
        first_byte_ms = record.first_byte.map(|took| took.as_millis()),
        ms = record.took.as_millis(),
        abandoned = record.abandoned,
        failed = record.failed.map(|reason| reason.as_str()),
        "{}",
        summary(record)
    );
}

/// The journal shows nothing but this unless it is asked for more.
fn summary(record: &Record) -> String {
    let ms = record.took.as_millis();
    match (&record.answered, record.failed) {
        (Some(model), None) if record.abandoned => {
            format!("{model} was answering {:?}, and the client went away after {ms} ms", record.requested)
        }
        (Some(model), None) => {
            let thinking =
                record.thinking.map_or_else(String::new, |level| format!(", thinking {}", level.as_str()));
            format!("{model} answered {:?} in {ms} ms{thinking}", record.requested)
        }
        (Some(model), Some(reason)) => {
            format!("{model} broke off its answer to {:?} after {ms} ms: {reason}", record.requested)
        }
        (None, Some(reason)) => format!("nobody answered {:?} in {ms} ms: {reason}", record.requested),
        (None, None) => format!("the client that asked for {:?} went away after {ms} ms", record.requested),
    }
}
