//! The client's `traceparent` (W3C Trace Context, level 2, 3.2).

use opentelemetry::trace::{SpanId, TraceFlags, TraceId};

/// The span of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ParentSpan {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    /// Whether the client's spans are kept: ours are, then.
    pub(super) is_sampled: bool,
}

/// Version, trace, span and flags, as short as version 00 has it.
const VERSION_00_LENGTH: usize = 55;

impl ParentSpan {
    /// Reads the header; `None` for what is not valid, which begins a trace of its own.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let header = header.trim_matches([' ', '\t']);
        let (known, later) = header.split_at_checked(VERSION_00_LENGTH)?;
        let mut parts = known.split('-');
        let mut part = |digits: usize| parts.next().filter(|part| part.len() == digits && is_hex(part));
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        // A later version adds at the end.
        let fits = match version {
            "ff" => false,
            "00" => later.is_empty(),
            _ => later.is_empty() || later.starts_with('-'),
        };
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let is_valid = fits && trace != TraceId::INVALID && span != SpanId::INVALID;
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
        is_valid.then_some(Self { trace_id: trace, span_id: span, is_sampled: flags.is_sampled() })
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::ParentSpan;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn reads_what_is_valid_and_nothing_else() {
        let sampled = |header: String| ParentSpan::parse(&header).map(|parent| parent.is_sampled);
        let read = ParentSpan::parse(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!(
            (read.trace_id.to_string(), read.span_id.to_string()),
            (TRACE.to_owned(), SPAN.to_owned())
        );
        assert_eq!(sampled(format!(" 00-{TRACE}-{SPAN}-03 ")), Some(true), "a random trace id, by level 2");
        assert_eq!(sampled(format!("00-{TRACE}-{SPAN}-00")), Some(false));
        assert_eq!(sampled(format!("cc-{TRACE}-{SPAN}-01-what-comes")), Some(true), "a later version");
        for wrong in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}é{SPAN}-01"),
            format!("00-{SPAN}-{TRACE}-01"),
        ] {
            assert_eq!(ParentSpan::parse(&wrong), None, "{wrong:?}");
        }
    }
}
