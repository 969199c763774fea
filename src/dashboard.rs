//! The dashboard's pages and charts: pure functions from data to HTML. It knows neither axum nor the engine that the
//! data comes from.

pub(crate) mod format;
mod bar_chart;
pub(crate) mod chart_data;
pub(crate) mod charts;
pub(crate) mod page;
pub(crate) mod chain;
pub(crate) mod quota;
pub(crate) mod requests;
pub(crate) mod request;
#[cfg(test)]
mod tests;

/// The style sheet of all pages.
pub(crate) const STYLE: &str = include_str!("dashboard/style.css");
/// Live updates and the playground.
pub(crate) const SCRIPT: &str = include_str!("dashboard/app.js");
/// The icon.
pub(crate) const ICON: &str = include_str!("dashboard/icon.svg");
