//! Token counts, as one shape for all faces.

/// What one answer used, in tokens. `input` excludes what the cache gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Uncached input.
    pub input: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// Input that the provider's cache gave.
    pub cache_read: u64,
    /// Input that was written to the cache.
    pub cache_write: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
    /// We counted, because the provider gave no figure.
    pub estimated: bool,
    /// The provider's own figure (OpenRouter's `usage.cost`), in millionths of its currency unit.
    pub cost_micros: Option<u64>,
}
