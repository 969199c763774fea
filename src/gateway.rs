//! The HTTP server: connections, authentication, limits, and the responses and errors of each API. Only this
//! module chooses the status that a client receives, and only it depends on axum.

mod response;
mod request_body;
mod client_checks;
mod error;
pub mod rejections;
pub mod app_state;
mod forwarded_headers;
mod offload;
mod completion;
mod search;
mod models;
mod health;
mod metrics;
pub mod quota;
mod requests;
mod pages;
mod page_events;
pub mod listener;
pub mod router;
mod protocol_error;
pub mod connection_limit;
mod connection;
pub mod server;
