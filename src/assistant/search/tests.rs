//! Tests a search from its query to its report, over a connector with scripted answers.

mod reading;
mod script;
mod searching;
