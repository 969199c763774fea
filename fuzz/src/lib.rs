//! What must hold for any input, one module a target; each panics where it does not hold.
//!
//! `targets/` gives these functions to libFuzzer, `tests/gateway/corpora.rs` replays the corpora through them. They
//! judge from outside: by `serde_json` and by lists of their own, never by the code that they judge.

pub mod answers;
pub mod config;
pub mod events;
pub mod headers;
pub mod request;
pub mod translate;

/// Takes a byte off the front; 0 where none is left.
pub fn take(data: &mut &[u8]) -> u8 {
    let Some((first, rest)) = data.split_first() else { return 0 };
    *data = rest;
    *first
}
