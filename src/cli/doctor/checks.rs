//! One check a file: a function of the facts.

pub(super) mod chain;
pub(super) mod clock;
pub(super) mod configuration;
pub(super) mod gate;
pub(super) mod gateway;
pub(super) mod keys;
pub(super) mod ledger;
pub(super) mod linger;
pub(super) mod literal_keys;
pub(super) mod place;
pub(super) mod products;
pub(super) mod reach;
pub(super) mod region;
pub(super) mod rests;
pub(super) mod retired;
pub(super) mod secret_files;
pub(super) mod service_keys;
pub(super) mod state;
pub(super) mod state_link;
pub(super) mod store;
pub(super) mod unit;
