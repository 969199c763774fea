//! Web search through Kimi: answers a question and returns the addresses of its sources.
//!
//! Moonshot's model searches with its builtin tool `$web_search`. It calls the tool, receives its own arguments
//! back unchanged, and continues with the results (<https://platform.kimi.ai/docs/guide/use-web-search>).
//! `search_config` and `answer` build and parse messages without I/O; [`cache`] stores results.

mod answer;
pub mod cache;
mod conversation;
mod remote;
mod result;
mod search_config;
mod searcher;
#[cfg(test)]
mod tests;
pub mod tool;

pub use result::{SearchCosts, SearchFailure, SearchFailureKind, SearchResult, SearchUsage};
pub use searcher::Searcher;
