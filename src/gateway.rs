//! The HTTP server: connections, authentication, limits, and the responses and errors of each API. Only this
//! module chooses the status that a client receives, and only it depends on axum.

pub mod app_state;
mod auth;
mod client_api;
mod completion;
mod connection;
pub mod connection_slots;
mod count_tokens;
mod dashboard;
mod error;
mod forwarded_headers;
pub mod handler;
mod health;
mod io;
pub mod listener;
mod metrics;
mod models;
mod origin;
mod phase;
pub mod probe;
mod protocol_error;
pub mod quota;
pub mod rejections;
mod request_body;
mod requests;
mod response;
mod router;
mod search;
pub mod server;
