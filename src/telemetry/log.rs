//! The log: one line a request, nothing of prompts or answers, never a key. Fields where the journal reads, else lines.

mod plain_format;
mod stderr_writer;

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::{Level, enabled, info, warn};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use self::plain_format::{LineFields, MESSAGE};
use crate::failure::Reason;
use crate::protocol::api::Api;
use crate::record::{AttemptOutcome, Record, render_attempts_header};

pub use stderr_writer::batch_writes;

/// The target of messages that are logged at every level: the chain, and the listen address.
pub const ANNOUNCEMENT: &str = "announcement";

/// The process has one log, as it has one standard error.
static FILTER_HANDLE: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Where the log is lines without colour: a request's is written without an event.
static IS_PLAIN: AtomicBool = AtomicBool::new(false);

/// Logs from `level` on, and [`ANNOUNCEMENT`]s at every level: to the journal where standard error is the journal, else
/// as lines to standard error. The first call counts.
pub fn init(level: &str) {
    let (filter, handle) = reload::Layer::new(build_filter(level));
    let logs = tracing_subscriber::registry().with(filter);
    // The layers are options, of which one is there.
    let journal = if is_journal() { build_journal_layer() } else { None };
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    // The crate would report a closed terminal on that same terminal, and panic.
    let coloured = (journal.is_none() && colour).then(|| {
        fmt::layer().with_target(false).log_internal_errors(false).with_writer(stderr_writer::writer)
    });
    let plain = (journal.is_none() && !colour).then(|| {
        let layer = fmt::layer().log_internal_errors(false).with_writer(stderr_writer::writer);
        layer.with_ansi(false).event_format(plain_format::PlainFormat)
    });
    let is_plain = plain.is_some();
    if logs.with(journal).with(coloured).with(plain).try_init().is_ok() {
        let _ = FILTER_HANDLE.set(handle);
        IS_PLAIN.store(is_plain, Ordering::Relaxed);
    }
}

/// Logs from this level on from now on, where [`init`] was called.
pub fn set_level(level: &str) {
    if let Some(handle) = FILTER_HANDLE.get() {
        // It fails only when the subscriber is gone.
        let _ = handle.reload(build_filter(level));
    }
}

fn build_filter(level: &str) -> Targets {
    let loudest = level.parse().unwrap_or(LevelFilter::INFO);
    let quiet = ["hyper", "h2", "rustls"].map(|library| (library, LevelFilter::WARN));
    Targets::new().with_default(loudest).with_target(ANNOUNCEMENT, LevelFilter::INFO).with_targets(quiet)
}

/// `MOONRELAY_REQUEST_ID=…`. `None` where no journal listens.
fn build_journal_layer() -> Option<tracing_journald::Layer> {
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

/// Logs one request. Each failure is logged with its cause, once.
pub fn log_request(record: &Record) {
    for attempt in &record.attempts {
        if let AttemptOutcome::Failed(reason) = attempt.outcome {
            warn!(
                request_id = %record.request_id,
                target_model = %attempt.reference,
                reason = %reason,
                ms = attempt.duration.as_millis(),
                "attempt failed: {}",
                attempt.detail
            );
        }
    }
    if !IS_PLAIN.load(Ordering::Relaxed) {
        log_as_event(record);
    } else if enabled!(Level::INFO) {
        // If standard error is closed, the error cannot be reported anywhere.
        let _ = stderr_writer::writer().write_all(format_line(record).as_bytes());
    }
}

/// The fields of a request in their order: `shown` is text as it is, `quoted` text in quotes.
macro_rules! fields {
    ($tell:ident of $record:ident) => {
        let (usage, digits) = ($record.usage.unwrap_or_default(), $record.request_id.to_hex());
        $tell! {
            shown request_id = std::str::from_utf8(&digits).unwrap_or_default();
            shown client = &$record.client;
            shown requested = &$record.requested_model;
            quoted model = Some($record.served_by.as_deref().unwrap_or("none"));
            shown attempts = &render_attempts_header(&$record.attempts);
            quoted face = Some($record.api.as_str());
            quoted called = $record.upstream_api.map(Api::as_str);
            shown rules = &$record.applied_rules.join(",");
            shown dropped = &$record.losses.join(",");
            quoted thinking = $record.thinking.map(|level| level.as_str());
            flag streamed = Some($record.is_streaming);
            number input = Some(usage.input);
            number cached = Some(usage.cache_read);
            number output = Some(usage.output);
            flag estimated = Some(usage.is_estimated);
            number first_byte_ms = $record.time_to_first_byte.map(to_millis);
            number ms = Some(to_millis($record.duration));
            flag abandoned = Some($record.client_disconnected);
            quoted failed = $record.failure_reason.map(Reason::as_str);
        }
    };
}

/// For consumers that read fields one by one.
fn log_as_event(record: &Record) {
    macro_rules! value {
        (shown $value:expr) => {
            tracing::field::display($value)
        };
        ($kind:ident $value:expr) => {
            $value
        };
    }
    macro_rules! tell {
        ($($kind:ident $name:ident = $value:expr;)*) => {
            info!($($name = value!($kind $value),)* "{}", RequestSummary(record))
        };
    }
    fields!(tell of record);
}

/// The same as a line without colour.
fn format_line(record: &Record) -> String {
    let mut fields = LineFields::of(Level::INFO);
    fields.written(MESSAGE, format_args!("{}", RequestSummary(record)));
    macro_rules! tell {
        ($($kind:ident $name:ident = $value:expr;)*) => {
            $(tell!($kind stringify!($name), $value);)*
        };
        (shown $name:expr, $value:expr) => {
            fields.shown($name, $value)
        };
        ($kind:ident $name:expr, $value:expr) => {
            if let Some(value) = $value {
                fields.$kind($name, value);
            }
        };
    }
    fields!(tell of record);
    fields.line()
}

fn to_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The journal shows only this by default.
struct RequestSummary<'r>(&'r Record);

impl std::fmt::Display for RequestSummary<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let record = self.0;
        let (ms, requested) = (record.duration.as_millis(), &record.requested_model);
        match (&record.served_by, record.failure_reason) {
            (Some(model), None) if record.client_disconnected => {
                write!(out, "{model} was answering {requested:?}, and the client went away after {ms} ms")
            }
            (Some(model), None) => {
                write!(out, "{model} answered {requested:?} in {ms} ms")?;
                let level = record.thinking.map(|level| level.as_str());
                level.map_or(Ok(()), |level| write!(out, ", thinking {level}"))
            }
            (Some(model), Some(reason)) => {
                write!(out, "{model} broke off its answer to {requested:?} after {ms} ms: {reason}")
            }
            (None, Some(reason)) => write!(out, "nobody answered {requested:?} in {ms} ms: {reason}"),
            (None, None) => write!(out, "the client that asked for {requested:?} went away after {ms} ms"),
        }
    }
}
