//! The injected faults and their schedule.

use serde_json::{Value, json};

/// One stream in this many.
const ONE_IN: u32 = 5;

/// Faults before the first byte, faults that interrupt a stream, and harmless peculiarities; each with its
/// parameter.
const KINDS: [(&str, Option<u64>); 22] = [
    ("server_error", None),
    ("truncate", Some(20)),
    ("refuse", None),
    // Each piece is delayed: about 500 of them make a long stream, and cut events at any byte.
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

/// After this many streams each kind has occurred once.
pub const CYCLE: u32 = ONE_IN * KINDS.len() as u32;

/// For all requests: a pause before each chunk, so that streams last and overlap.
pub fn pace() -> Value {
    json!({ "kind": "drip", "value": 10 })
}

/// For the next request to any provider.
pub fn for_stream(number: u32) -> Option<Value> {
    let (kind, value) = KINDS[(number / ONE_IN) as usize % KINDS.len()];
    (number % ONE_IN == ONE_IN - 1).then(|| json!({ "kind": kind, "value": value, "times": 1 }))
}
