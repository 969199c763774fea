//! A search from its question to what is told, over a connector that has its answers from a script.

mod reading;
mod script;
mod searching;
