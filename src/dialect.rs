//! What is peculiar to one provider: how its requests must look, what its answers and errors mean. Pure functions.

pub mod answer;
pub mod classify;
pub mod rewrite;
