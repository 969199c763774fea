//! The gateways. A new one is a file here and a line in [`all`].

use std::path::{Path, PathBuf};

use self::moonrelay::Moonrelay;
use crate::row::Row;

mod claude_code_router;
mod direct;
mod floor;
mod litellm;
mod litellm_rs;
mod moonrelay;
mod nginx;
mod portkey;
mod tensorzero;

/// Every row, in the order of the table.
///
/// `binary` is Moonrelay's, and `before` that of a build to compare it with; `peers` is the directory that the other
/// gateways were installed into.
#[must_use]
pub fn all(binary: &Path, before: Option<&Path>, peers: Option<&Path>) -> Vec<Box<dyn Row>> {
    let peers = || peers.map(Path::to_owned);
    let moonrelay = |name, binary: &Path, workers| Moonrelay { name, binary: binary.to_owned(), workers };
    let before = before.map(|before| Box::new(moonrelay("moonrelay-before", before, None)) as Box<dyn Row>);
    let mut rows: Vec<Box<dyn Row>> = vec![
        Box::new(direct::Direct),
        Box::new(nginx::Nginx),
        Box::new(floor::Floor),
        Box::new(moonrelay("moonrelay", binary, Some(1))),
        Box::new(moonrelay("moonrelay-2-workers", binary, Some(2))),
        Box::new(litellm_rs::LiteLlmRs { peers: peers() }),
        Box::new(tensorzero::TensorZero { peers: peers() }),
        Box::new(portkey::Portkey { peers: peers() }),
        Box::new(claude_code_router::ClaudeCodeRouter { peers: peers() }),
        Box::new(litellm::LiteLlm { peers: peers() }),
    ];
    rows.extend(before);
    rows
}

/// The first of these names that is an executable file in `$PATH` or in the places of system administrators.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    places.map(|place| place.join(name)).find(|file| file.is_file())
}
