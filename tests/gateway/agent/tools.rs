//! Tools that a model calls during a turn.
