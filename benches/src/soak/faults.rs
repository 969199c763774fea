//! What goes wrong, and when.

use serde_json::{Value, json};

/// One stream in so many.
const ONE_IN: u32 = 5;

/// Kinds that come before the first byte, that break a stream, and that only look odd; with the number that they take.
const KINDS: [(&str, Option<u64>); 22] = [
    ("server_error", None),
    ("truncate", Some(20)),
    ("refuse", None),
    // Each piece has its pause: some 500 of them make a long stream, and cut events anywhere.
    ("split", Some(101)),
    ("stall", Some(12)),
    ("overloaded", None),
    ("reset_after", Some(6000)),
    ("no_head", None),
    ("malformed_json", Some(15)),
    ("status", Some(503)),
    ("error_chunk_after", Some(25)),
    ("html_200", None),
    ("no_first_byte", None),
    ("truncate_no_done", None),
    ("reset_before", None),
    ("malformed_sse", Some(10)),
    ("error_in_200", None),
    ("role_then_stall", None),
    ("crlf", None),
    ("error_chunk_first", None),
    ("gzip_error", None),
    ("empty", None),
];

/// Among so many streams in turn each kind has come once.
pub const CYCLE: u32 = ONE_IN * KINDS.len() as u32;

/// Holds for all: a pause before each chunk, so that streams last and overlap.
pub fn pace() -> Value {
    json!({ "kind": "drip", "value": 10 })
}

/// For one request of any provider, whichever comes next.
pub fn for_stream(number: u32) -> Option<Value> {
    let (kind, value) = KINDS[(number / ONE_IN) as usize % KINDS.len()];
    (number % ONE_IN == ONE_IN - 1).then(|| json!({ "kind": kind, "value": value, "times": 1 }))
}
