//! One check a file: a function of the facts.

pub(super) mod chain;
pub(super) mod client_gate;
pub(super) mod clock;
pub(super) mod config;
pub(super) mod cooldowns;
pub(super) mod gateway;
pub(super) mod key_product;
pub(super) mod key_region;
pub(super) mod keys;
pub(super) mod linger;
pub(super) mod listen_address;
pub(super) mod literal_keys;
pub(super) mod nix_store;
pub(super) mod reachability;
pub(super) mod retired_models;
pub(super) mod secret_files;
pub(super) mod service_keys;
pub(super) mod state_directory;
pub(super) mod state_link;
pub(super) mod unit;
pub(super) mod usage;
