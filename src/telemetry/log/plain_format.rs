//! Lines without colour, as the crate would write them: time, level, message, fields. A request has two dozen fields, and
//! the crate styles, escapes and formats each by itself, which was a tenth of what a small request costs; another twentieth
//! was to take them through an event.

#[cfg(test)]
mod tests;

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

/// The field that has no name.
pub(super) const MESSAGE: &str = "message";

/// Formats one event as one line. Spans are not used.
pub(super) struct PlainFormat;

impl<S, N> FormatEvent<S, N> for PlainFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = LineFields::of(*event.metadata().level());
        event.record(&mut fields);
        out.write_str(&fields.line())
    }
}

/// In UTC with six digits behind the second. The second is put into words once for all lines of it.
fn time(out: &mut String, now: SystemTime) {
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
        out.push_str(words);
        // Adding a million gives seven digits with a first digit other than zero.
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(1_000_000 + since.subsec_micros());
        out.push('.');
        out.push_str(digits.get(1..).unwrap_or_default());
        out.push('Z');
    });
}

/// The message, and `name=value` of each other field, each behind a space.
pub(super) struct LineFields {
    text: String,
}

impl LineFields {
    /// Starts a line that is logged now with its time and level.
    pub(super) fn of(level: Level) -> Self {
        let mut text = String::with_capacity(USUAL);
        time(&mut text, SystemTime::now());
        text.push_str(match level {
            Level::ERROR => " ERROR",
            Level::WARN => "  WARN",
            Level::INFO => "  INFO",
            Level::DEBUG => " DEBUG",
            Level::TRACE => " TRACE",
        });
        Self { text }
    }

    /// The whole line.
    pub(super) fn line(mut self) -> String {
        self.make_harmless();
        self.text.push('\n');
        self.text
    }

    /// Begins a field; the message has no name.
    fn begin(&mut self, name: &str) {
        self.text.push(' ');
        if name != MESSAGE {
            self.text.push_str(name);
            self.text.push('=');
        }
    }

    /// Text as it is.
    pub(super) fn shown(&mut self, name: &str, value: &str) {
        self.begin(name);
        self.text.push_str(value);
    }

    /// Text in quotes.
    pub(super) fn quoted(&mut self, name: &str, value: &str) {
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
        if !value.bytes().fold(true, |all, byte| all & is_plain(byte)) {
            self.written(name, format_args!("{value:?}"));
            return;
        }
        self.begin(name);
        for part in ["\"", value, "\""] {
            self.text.push_str(part);
        }
    }

    pub(super) fn number(&mut self, name: &str, value: impl Integer) {
        self.begin(name);
        self.text.push_str(itoa::Buffer::new().format(value));
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.begin(name);
        self.text.push_str(if value { "true" } else { "false" });
    }

    /// What puts itself into words.
    pub(super) fn written(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.begin(name);
        // Text takes whatever is written.
        let _ = self.text.write_fmt(value);
    }

    /// Escapes what a terminal would interpret as a command, whatever its source.
    fn make_harmless(&mut self) {
        let is_harmful = |character: char| {
            matches!(character, '\x07' | '\x08' | '\x0c' | '\x1b' | '\x7f' | '\u{80}'..='\u{9f}')
        };
        // Of such characters all are single control bytes, or begin with this byte.
        let may_be = |byte: u8| (byte < 0x20) | (byte == 0x7f) | (byte == 0xc2);
        // No early return: this lets the compiler check many bytes at a time.
        if !self.text.bytes().fold(false, |any, byte| any | may_be(byte)) {
            return;
        }
        for character in std::mem::take(&mut self.text).chars() {
            match character {
                harmful if is_harmful(harmful) => self.text.extend(harmful.escape_unicode()),
                other => self.text.push(other),
            }
        }
    }
}

/// The field's name. The prefix of a raw identifier is removed.
fn name(field: &Field) -> &'static str {
    field.name().strip_prefix("r#").unwrap_or(field.name())
}

impl Visit for LineFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.written(name(field), format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match name(field) {
            MESSAGE => self.shown(MESSAGE, value),
            name => self.quoted(name, value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(name(field), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(name(field), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.number(name(field), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.flag(name(field), value);
    }
}
