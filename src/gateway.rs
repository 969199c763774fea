//! The HTTP side: connections, authentication, limits, and each face's answers and errors. Only this room chooses the
//! status that a client sees, and only it knows axum.

mod answer;
mod auth;
mod completion;
mod connection;
mod count;
mod dashboard;
mod error;
mod face;
pub mod gate;
mod health;
mod hygiene;
mod io;
mod limits;
pub mod listener;
mod metrics;
mod models;
mod origin;
mod phase;
pub mod places;
pub mod probe;
pub mod quota;
pub mod refusals;
mod requests;
mod router;
mod search;
pub mod server;
pub mod shared;
mod unheard;
