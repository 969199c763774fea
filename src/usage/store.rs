//! What keeps the ledger. SQLite for one person; the trait has a server for teams in mind.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::tz::TimeZone;

use super::entry::Entry;
use super::pace::Pace;
use crate::protocol::amount::Amount;
use crate::record::RequestId;

/// A store's answer to come.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What keeps entries. Each method may take as long as a disk takes; none is called on a request's way.
pub trait Store: Send + Sync {
    /// Takes a batch as a whole, or nothing of it. An entry that it has already (by `request_id`) is left as it is.
    fn append<'a>(&'a self, batch: &'a [Arc<Entry>], pace: Pace) -> Pending<'a, ()>;

    /// Removes entries from before a moment; how many.
    fn prune(&self, before: SystemTime) -> Pending<'_, u64>;

    /// Sums, in the order of their keys.
    fn sums<'a>(&'a self, question: &'a Question) -> Pending<'a, Vec<Sum>>;

    /// The newest entries from before a moment, the newest first.
    fn before(&self, moment: SystemTime, limit: usize) -> Pending<'_, Vec<Entry>>;

    /// One entry.
    fn request(&self, id: RequestId) -> Pending<'_, Option<Entry>>;
}

/// What a sum is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// `provider/model` of each attempt.
    Model,
    /// The provider of each attempt.
    Provider,
    /// The client.
    Client,
    /// The day on which the request was read, `2026-11-21`, in the question's zone.
    Day,
    /// The hour in which it was read, `2026-11-21T20`, in the question's zone.
    Hour,
}

/// A question for sums.
#[derive(Clone, Debug)]
pub struct Question {
    /// From this moment on.
    pub since: SystemTime,
    /// Before this moment; `None` is until now.
    pub until: Option<SystemTime>,
    /// One sum for each combination of these; empty: one sum, if there is anything.
    pub by: Vec<By>,
    /// Where days begin at midnight.
    pub zone: TimeZone,
}

/// Tokens, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Uncached input.
    pub input: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// Input that a cache gave.
    pub cache_read: u64,
    /// Input that was written to a cache.
    pub cache_write: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
}

/// What attempts used and cost together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Attempts that used tokens.
    pub attempts: u64,
    /// Of those, such that we counted ourselves, because the provider gave no figure.
    pub estimated: u64,
    /// Of those, such that have no known price (a subscription).
    pub unpriced: u64,
    /// What they used.
    pub tokens: Tokens,
    /// What they cost, by currency (ISO 4217).
    pub cost: BTreeMap<String, Amount>,
}

/// The sum of one combination of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// One for each `by` of the question.
    pub keys: Vec<String>,
    /// Different requests; where the keys name a model or a provider, such as were tried there.
    pub requests: u64,
    /// Attempts that failed; not what was passed over or given up.
    pub failed: u64,
    /// Attempts that answered.
    pub answered: Total,
    /// Attempts that did not answer and used tokens all the same: broken streams, hedges that lost.
    pub lost: Total,
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger {place}: {problem}")]
pub struct StoreError {
    /// The file, or the server.
    pub place: String,
    /// What is wrong, and what to do.
    pub problem: String,
}
