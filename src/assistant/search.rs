//! Web search through Kimi: answers a question and returns the addresses of its sources.
//!
//! Moonshot's model searches with its builtin tool `$web_search`. It calls the tool, receives its own arguments
//! back unchanged, and continues with the results (<https://platform.kimi.ai/docs/guide/use-web-search>).

mod result;
pub mod cache;
mod config;
mod answer;
mod conversation;
mod gateway_search;
mod searcher;
pub mod tool;
#[cfg(test)]
mod tests;

pub use result::{SearchCosts, SearchFailure, SearchFailureKind, SearchResult, SearchUsage};
pub use searcher::Searcher;
