//! Gateways side by side: a mock upstream, a load generator, and a row for each gateway.

pub mod acceptance;
pub mod bodies;
pub mod case;
pub mod clock;
pub mod contestant;
pub mod load;
pub mod measure;
pub mod mock;
pub mod peers;
pub mod process;
pub mod race;
pub mod report;
pub mod row;
pub mod rows;
pub mod stamp;
pub mod stats;
pub mod summary;
pub mod table;
pub mod usage;
