//! Lines without colour, as the crate would write them: time, level, message, fields. A request has two dozen fields, and
//! the crate styles, escapes and formats each by itself, which was a tenth of what a small request costs.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use itoa::Integer;
use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// A line of a request has less.
const USUAL: usize = 640;

/// Formats one event as one line. There are no spans.
pub(super) struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        time(&mut out, SystemTime::now())?;
        out.write_str(match *event.metadata().level() {
            Level::ERROR => " ERROR",
            Level::WARN => "  WARN",
            Level::INFO => "  INFO",
            Level::DEBUG => " DEBUG",
            Level::TRACE => " TRACE",
        })?;
        let mut fields = Fields { text: String::with_capacity(USUAL) };
        event.record(&mut fields);
        fields.text.push('\n');
        out.write_str(&fields.text)
    }
}

/// In UTC with six digits behind the second. The second is put into words once for all lines of it.
fn time(out: &mut Writer<'_>, now: SystemTime) -> fmt::Result {
    thread_local! {
        static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    LAST.with_borrow_mut(|(second, words)| {
        if *second != since.as_secs() {
            *second = since.as_secs();
            let whole = i64::try_from(*second).ok().and_then(|second| Timestamp::from_second(second).ok());
            *words = whole.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S").to_string();
        }
        write!(out, "{words}.{:06}Z", since.subsec_micros())
    })
}

/// The message, and `name=value` of each other field, each behind a space.
struct Fields {
    text: String,
}

impl Fields {
    /// Begins a field; the message has no name.
    fn begin(&mut self, field: &Field) {
        self.text.push(' ');
        let name = field.name();
        if name != "message" {
            self.text.push_str(name.strip_prefix("r#").unwrap_or(name));
            self.text.push('=');
        }
    }

    fn number(&mut self, field: &Field, value: impl Integer) {
        self.begin(field);
        self.text.push_str(itoa::Buffer::new().format(value));
    }

    /// What a terminal would take for a command is escaped, whoever said it.
    fn harmless_from(&mut self, start: usize) {
        let is_harmful = |character: char| {
            matches!(character, '\x07' | '\x08' | '\x0c' | '\x1b' | '\x7f' | '\u{80}'..='\u{9f}')
        };
        // Of such characters all are single control bytes, or begin with this byte.
        let may_be = |byte: u8| (byte < 0x20) | (byte == 0x7f) | (byte == 0xc2);
        let written = self.text.get(start..).unwrap_or_default();
        // No early return: this way the compiler looks at many bytes at a time.
        if !written.bytes().fold(false, |any, byte| any | may_be(byte)) || !written.contains(is_harmful) {
            return;
        }
        let written = self.text.split_off(start);
        for character in written.chars() {
            match character {
                harmful if is_harmful(harmful) => self.text.extend(harmful.escape_unicode()),
                other => self.text.push(other),
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.begin(field);
        let start = self.text.len();
        // Text takes whatever is written.
        let _ = write!(self.text, "{value:?}");
        self.harmless_from(start);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.record_debug(field, &format_args!("{value}"));
            return;
        }
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
        if !value.bytes().fold(true, |all, byte| all & is_plain(byte)) {
            self.record_debug(field, &value);
            return;
        }
        self.begin(field);
        for part in ["\"", value, "\""] {
            self.text.push_str(part);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.begin(field);
        self.text.push_str(if value { "true" } else { "false" });
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Everything that was written.
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

    /// What stands behind the time.
    fn line(
        format: impl FnOnce(Written) -> Box<dyn tracing::Subscriber + Send + Sync>,
        tell: fn(),
    ) -> String {
        let written = Written::default();
        tracing::subscriber::with_default(format(written.clone()), tell);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.split_once('Z').unwrap().1.to_owned()
    }

    fn ours(written: Written) -> Box<dyn tracing::Subscriber + Send + Sync> {
        let layer = fmt::layer().event_format(Line).with_writer(move || written.clone());
        Box::new(tracing_subscriber::registry().with(layer))
    }

    fn the_crates(written: Written) -> Box<dyn tracing::Subscriber + Send + Sync> {
        let layer = fmt::layer().with_target(false).with_ansi(false).with_writer(move || written.clone());
        Box::new(tracing_subscriber::registry().with(layer))
    }

    #[test]
    fn a_line_is_that_of_the_crate() {
        let tellings: [fn(); 3] = [
            || {
                tracing::info!(
                    request_id = %"4e21", model = "a \"b\" \\ é\n", none = None::<&str>, some = Some("x"), count = 7_u64,
                    ms = 12_u128, yes = true, less = -1_i64, ratio = 0.5, r#type = "t", "kimi/k3 answered {:?}", "x y"
                );
            },
            || tracing::warn!("only words"),
            || tracing::error!(why = ?io::ErrorKind::Other, "kept"),
        ];
        for tell in tellings {
            assert_eq!(line(ours, tell), line(the_crates, tell));
        }
    }

    #[test]
    fn times_are_in_words_to_the_microsecond() {
        let told = |micros| {
            let mut words = String::new();
            time(&mut Writer::new(&mut words), UNIX_EPOCH + Duration::from_micros(micros)).unwrap();
            words
        };
        for (micros, words) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_348_800_000_007, "2026-11-22T12:00:00.000007Z"),
            (1_795_348_800_999_999, "2026-11-22T12:00:00.999999Z"),
            (1_795_348_801_000_000, "2026-11-22T12:00:01.000000Z"),
        ] {
            assert_eq!(told(micros), words);
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let told = line(ours, || tracing::info!(said = %"\u{1b}[2J\u{9b}2J", "\u{7}bell é"));
        assert_eq!(told, "  INFO \\u{7}bell é said=\\u{1b}[2J\\u{9b}2J\n");
    }
}
