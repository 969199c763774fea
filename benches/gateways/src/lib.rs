//! Gateways side by side: a mock upstream, a load generator, and a row for each gateway.

pub mod case;
pub mod peers;
pub mod row;
pub mod rows;
