//! The answer to a request, independent of the API: one shape for requests and one for answers.
//!
//! The providers' own services work like that: they translate their other APIs to Chat Completions, as texts
//! such as `reasoning_content is missing in assistant tool call message` on the Messages API show. So the shape
//! is that of Chat Completions.

pub(crate) mod from_messages;
pub(crate) mod from_responses;
pub(crate) mod request;
pub(crate) mod prompt;
pub(crate) mod sample;
pub(crate) mod answer;
