//! The storage interface of the usage database. SQLite serves one person; the trait also allows for a server
//! for teams.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::entry::UsageEntry;
use crate::protocol::amount::Amount;
use crate::record::RequestId;

/// The future result of a store operation.
pub type DatabaseFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, DatabaseError>> + Send + 'a>>;

/// Stores entries. A method may block on the disk; none is called while a request is handled.
pub trait UsageDatabase: Send + Sync {
    /// Writes a batch as a whole, or nothing of it. An existing entry (by `request_id`) is left as it is.
    fn append<'a>(&'a self, batch: &'a [Arc<UsageEntry>]) -> DatabaseFuture<'a, ()>;

    /// Removes entries from before a moment and returns their number.
    fn prune(&self, before: SystemTime) -> DatabaseFuture<'_, u64>;

    /// Returns sums in the order of their keys.
    fn query<'a>(&'a self, query: &'a UsageQuery) -> DatabaseFuture<'a, Vec<UsageRow>>;

    /// Returns the newest entries from before a moment, the newest first.
    fn list_before(&self, moment: SystemTime, limit: usize) -> DatabaseFuture<'_, Vec<UsageEntry>>;

    /// Returns one entry.
    fn find_request(&self, id: RequestId) -> DatabaseFuture<'_, Option<UsageEntry>>;
}

/// What usage is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupBy {
    /// `provider/model` of each attempt.
    Model,
    /// The provider of each attempt.
    Provider,
    /// The client.
    Client,
    /// The day on which the request was read, `2026-11-21`, in the query's time zone.
    Day,
    /// The hour in which it was read, `2026-11-21T20`, in the query's time zone.
    Hour,
}

/// A query for sums.
#[derive(Clone, Debug)]
pub struct UsageQuery {
    /// From this moment on.
    pub since: SystemTime,
    /// Before this moment; `None` is until now.
    pub until: Option<SystemTime>,
    /// One row for each combination of these. Empty: one row, if there is any request.
    pub group_by: Vec<GroupBy>,
    /// The time zone of days and hours.
    pub zone: TimeZone,
}

/// Tokens, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenTotals {
    /// Uncached input.
    pub input: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache.
    pub cache_write: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
}

/// Tokens and cost of several attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UsageTotals {
    /// Attempts that used tokens.
    pub attempts: u64,
    /// Of those, attempts whose tokens the gateway estimated, because the provider reported none.
    pub estimated: u64,
    /// Of those, attempts without a known price (a subscription).
    pub unpriced: u64,
    /// Their tokens.
    pub tokens: TokenTotals,
    /// Their cost by currency (ISO 4217).
    pub cost: BTreeMap<String, Amount>,
}

/// The sums of one combination of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    /// One for each entry of `group_by`.
    #[serde(skip)]
    pub keys: Vec<String>,
    /// Distinct requests. If the keys name a model or a provider: requests that were attempted there.
    pub requests: u64,
    /// Failed attempts, without skipped and cancelled ones.
    pub failed: u64,
    /// Attempts that answered.
    pub answered: UsageTotals,
    /// Attempts that used tokens without answering: interrupted streams, hedges that lost.
    pub lost: UsageTotals,
}

/// Why a store operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("usage database {location}: {problem}")]
pub struct DatabaseError {
    /// The file, or the server.
    pub location: String,
    /// What is wrong, and the fix.
    pub problem: String,
}

impl DatabaseError {
    /// An error of a file.
    pub(super) fn at_path(path: &Path, problem: &str) -> Self {
        Self { location: path.display().to_string(), problem: problem.to_owned() }
    }

    /// The thread that worked on the database panicked.
    pub(super) fn task_failed(location: impl Into<String>, error: &tokio::task::JoinError) -> Self {
        Self { location: location.into(), problem: format!("the work on it was interrupted: {error}") }
    }
}
