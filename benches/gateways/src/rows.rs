//! The gateways. A new one is a file here and a line in [`all`].

use std::path::{Path, PathBuf};

use crate::row::Row;

mod direct;
mod floor;
mod moonrelay;
mod nginx;

/// Every row, in the order of the table.
///
/// `binary` is Moonrelay's; `peers` is the directory that the other gateways were installed into.
#[must_use]
pub fn all(binary: &Path, peers: Option<&Path>) -> Vec<Box<dyn Row>> {
    let _ = peers;
    vec![
        Box::new(direct::Direct),
        Box::new(nginx::Nginx),
        Box::new(floor::Floor),
        Box::new(moonrelay::Moonrelay { binary: binary.to_owned() }),
    ]
}

/// The first of these names that is an executable file in `$PATH` or in the places of system administrators.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    places.map(|place| place.join(name)).find(|file| file.is_file())
}
