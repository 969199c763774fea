//! Web search through Kimi: a question becomes an answer, with the addresses of the pages that it rests on.
//!
//! Moonshot's model searches by itself, with its builtin `$web_search`: it asks for the tool, is handed its own arguments
//! back as they came, and goes on with what it found (<https://platform.kimi.ai/docs/guide/use-web-search>). What is said
//! and what it means stands in `request`, `answer` and `citations`, without I/O; `rounds` asks; [`cache`] keeps.

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
