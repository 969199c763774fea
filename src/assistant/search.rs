//! Web search through Kimi: answers a question and returns the addresses of its sources.
//!
//! Moonshot's model searches with its builtin tool `$web_search`. It calls the tool, receives its own arguments
//! back unchanged, and continues with the results (<https://platform.kimi.ai/docs/guide/use-web-search>).
//! `request`, `answer` and `citations` build and parse messages without I/O; [`cache`] stores results.

mod answer;
pub mod cache;
mod citations;
mod conversation;
mod failure;
mod recorder;
mod remote;
mod request;
mod result;
mod search_config;
mod searcher;
#[cfg(test)]
mod tests;
pub mod tool;
mod usage;

pub use failure::{SearchFailure, SearchFailureKind};
pub use result::SearchResult;
pub use searcher::Searcher;
pub use usage::{SearchCosts, SearchUsage};
