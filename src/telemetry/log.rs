//! Log output: fields to the journal if standard error is connected to it, otherwise lines to standard error.
//!
//! Lines wait in a bounded queue for a thread that writes them. If standard error is not read, the queue fills up;
//! further lines are dropped and counted, and requests continue.

use std::fmt::{self, Debug, Write};
use std::fs::File;
use std::io::{BufWriter, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tracing::field::Field;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt as fmt_layer, reload};

/// The target of messages that are logged at every level: the chain, and the listen address.
pub const ANNOUNCEMENT: &str = "announcement";

/// Lines that wait for standard error. A line of a request has about 600 bytes.
const QUEUE_CAPACITY: usize = 4_096;

/// Lines that wait together are one write, up to this size in bytes.
const WRITE_BUFFER: usize = 64 * 1024;

/// How long [`flush`] waits for a reader of standard error.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The process has one log, as it has one standard error.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    filter: reload::Handle<Targets, Registry>,
    /// `None` if the journal receives the log.
    dropped_lines: Option<ErrorCounter>,
    /// Ends the thread that writes lines.
    writer: Mutex<Option<WorkerGuard>>,
}

/// Starts the log at `level`. The first call counts. [`flush`] must be called before the process ends.
pub fn init(level: &str) {
    let (filter, handle) = reload::Layer::new(build_filter(level));
    let journal = if is_journal() { build_journal_layer() } else { None };
    let (lines, dropped_lines, writer) = if journal.is_none() {
        let (queue, guard) = build_line_queue();
        let dropped = queue.error_counter();
        let layer = fmt_layer::layer()
            .with_target(false)
            .with_ansi(has_colour())
            // The crate would report a closed terminal on that same terminal, and panic.
            .log_internal_errors(false)
            .fmt_fields(field_format())
            .with_writer(queue);
        (Some(layer), Some(dropped), Some(guard))
    } else {
        (None, None, None)
    };
    if tracing_subscriber::registry().with(filter).with(journal).with(lines).try_init().is_ok() {
        let _ = LOG.set(Log { filter: handle, dropped_lines, writer: Mutex::new(writer) });
    }
}

/// Changes the level of a log that [`init`] started.
pub fn set_level(level: &str) {
    if let Some(log) = LOG.get() {
        // It fails only when the subscriber is gone.
        let _ = log.filter.reload(build_filter(level));
    }
}

/// Lines that were lost because standard error was not read in time.
#[must_use]
pub fn dropped_lines() -> u64 {
    let counter = LOG.get().and_then(|log| log.dropped_lines.as_ref());
    counter.map_or(0, |counter| counter.dropped_lines() as u64)
}

/// Writes the waiting lines and ends the log. It takes at most `FLUSH_TIMEOUT`.
pub fn flush() {
    let guard = LOG.get().and_then(|log| log.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
    let Some(guard) = guard else { return };
    let (done, finished) = mpsc::channel();
    // The guard prints to standard output if its own wait timed out, and standard output may be unread, too. The process
    // does not wait for this thread when it ends.
    let flush = thread::Builder::new().name("log-flush".to_owned()).spawn(move || {
        drop(guard);
        let _ = done.send(());
    });
    if flush.is_ok() {
        let _ = finished.recv_timeout(FLUSH_TIMEOUT);
    }
}

fn build_line_queue() -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .buffered_lines_limit(QUEUE_CAPACITY)
        .lossy(true)
        .thread_name("log")
        .finish(BufWriter::with_capacity(WRITE_BUFFER, std::io::stderr()))
}

fn has_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn build_filter(level: &str) -> Targets {
    let default = level.parse().unwrap_or(LevelFilter::INFO);
    let libraries = ["hyper", "h2", "rustls"].map(|library| (library, LevelFilter::WARN));
    Targets::new().with_default(default).with_target(ANNOUNCEMENT, LevelFilter::INFO).with_targets(libraries)
}

/// Builds a layer that writes `MOONRELAY_REQUEST_ID=…`. `None` if no journal listens.
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
    let Ok(metadata) = File::from(stderr).metadata() else { return false };
    stream == format!("{}:{}", metadata.dev(), metadata.ino())
}

/// The crate's own format, with control characters escaped: `message name=value …`.
fn field_format() -> impl for<'writer> FormatFields<'writer> + 'static {
    let write = |out: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        if field.name() != "message" {
            write!(out, "{}=", field.name().trim_start_matches("r#"))?;
        }
        write!(Escaped(out), "{value:?}")
    };
    debug_fn(write).delimited(" ")
}

/// Escapes characters that a terminal would interpret as a command: clients and providers choose some values.
struct Escaped<'w, 'a>(&'w mut Writer<'a>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_command = |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
        for part in text.split_inclusive(is_command) {
            match part.chars().next_back().filter(|last| is_command(*last)) {
                None => self.0.write_str(part)?,
                Some(last) => {
                    self.0.write_str(part.trim_end_matches(last))?;
                    write!(self.0, "{}", last.escape_unicode())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_level_message_and_fields_and_control_characters_are_escaped() {
        let written = Written::default();
        let writer = written.clone();
        let layer = fmt_layer::layer()
            .with_target(false)
            .with_ansi(false)
            .fmt_fields(field_format())
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(
                id = %"4e21", model = "a \"b\" é", none = None::<&str>, some = Some("x"), count = 7_u64, ok = true,
                r#type = %"\u{1b}[2J\u{9b}2J", "\u{7}bell {:?}", "x y"
            );
        });
        let line = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let expected = "  INFO \\u{7}bell \"x y\" id=4e21 model=\"a \\\"b\\\" é\" some=\"x\" count=7 ok=true \
                        type=\\u{1b}[2J\\u{9b}2J\n";
        assert_eq!(line.split_once('Z').unwrap().1, expected);
    }
}
