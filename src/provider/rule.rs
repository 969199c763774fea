//! One function per rule. A provider's file calls them in its order; [`super::rules`] explains them.

pub(super) mod draft;

pub(super) mod thinking;
pub(super) mod parameters;
pub(super) mod thinking_settings;
pub(super) mod tool_choice;

pub(super) mod schema;
pub(super) mod tool_names;
pub(super) mod tools;
pub(super) mod tool_ids;

pub(super) mod history;
pub(super) mod compat;
