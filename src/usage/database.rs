//! The storage interface of the usage database. SQLite serves one person; the trait also allows for a server
//! for teams.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::tz::TimeZone;

use super::entry::UsageEntry;
use super::write_priority::WritePriority;
use crate::protocol::amount::Amount;
use crate::record::RequestId;

/// A store's answer to come.
pub type DatabaseFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, DatabaseError>> + Send + 'a>>;

/// Stores entries. A method may block on the disk; none is called while a request is handled.
pub trait UsageDatabase: Send + Sync {
    /// Takes a batch as a whole, or nothing of it. An entry that it has already (by `request_id`) is left as it is.
    fn append<'a>(&'a self, batch: &'a [Arc<UsageEntry>], pace: WritePriority) -> DatabaseFuture<'a, ()>;

    /// Removes entries from before a moment; how many.
    fn prune(&self, before: SystemTime) -> DatabaseFuture<'_, u64>;

    /// Sums, in the order of their keys.
    fn query<'a>(&'a self, question: &'a UsageQuery) -> DatabaseFuture<'a, Vec<UsageRow>>;

    /// The newest entries from before a moment, the newest first.
    fn list_before(&self, moment: SystemTime, limit: usize) -> DatabaseFuture<'_, Vec<UsageEntry>>;

    /// One entry.
    fn find_request(&self, id: RequestId) -> DatabaseFuture<'_, Option<UsageEntry>>;
}

/// What a sum is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupBy {
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
pub struct UsageQuery {
    /// From this moment on.
    pub since: SystemTime,
    /// Before this moment; `None` is until now.
    pub until: Option<SystemTime>,
    /// One sum for each combination of these; empty: one sum, if there is anything.
    pub group_by: Vec<GroupBy>,
    /// Where days begin at midnight.
    pub zone: TimeZone,
}

/// Tokens, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenTotals {
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
pub struct UsageTotals {
    /// Attempts that used tokens.
    pub attempts: u64,
    /// Of those, such that we counted ourselves, because the provider gave no figure.
    pub estimated: u64,
    /// Of those, such that have no known price (a subscription).
    pub unpriced: u64,
    /// What they used.
    pub tokens: TokenTotals,
    /// What they cost, by currency (ISO 4217).
    pub cost: BTreeMap<String, Amount>,
}

/// The sum of one combination of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// One for each `by` of the question.
    pub keys: Vec<String>,
    /// Different requests; where the keys name a model or a provider, such as were tried there.
    pub requests: u64,
    /// Attempts that failed; not what was passed over or given up.
    pub failed: u64,
    /// Attempts that answered.
    pub answered: UsageTotals,
    /// Attempts that did not answer and used tokens all the same: broken streams, hedges that lost.
    pub lost: UsageTotals,
}

/// Why a store operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("usage database {location}: {problem}")]
pub struct DatabaseError {
    /// The file, or the server.
    pub location: String,
    /// What is wrong, and what to do.
    pub problem: String,
}
