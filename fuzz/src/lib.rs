//! Properties for arbitrary input, one module per target; each panics on a violation.
//!
//! `targets/` runs these functions with libFuzzer, `tests/translation/corpora.rs` replays the corpora. The checks
//! are independent of the code under test: they use `serde_json` and lists of their own.

pub mod answers;
pub mod config;
pub mod events;
pub mod headers;
pub mod request;
pub mod strict;
pub mod translate;

/// Removes the first byte; 0 if there is none.
pub fn take(data: &mut &[u8]) -> u8 {
    let Some((first, rest)) = data.split_first() else { return 0 };
    *data = rest;
    *first
}
