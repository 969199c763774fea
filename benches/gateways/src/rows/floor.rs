//! The least that a gateway of axum and reqwest costs: `src/bin/floor.rs`.

use std::path::PathBuf;

use crate::case::Case;
use crate::row::{Launch, Place, Request, Row, UPSTREAM_KEY};
use crate::rows::direct;

/// The bare proxy.
pub struct Floor;

impl Row for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn launch(&self, place: &Place<'_>) -> Result<Launch, String> {
        let binary = self.binary().ok_or("not built: cargo build --release -p moonrelay-gateways")?;
        let mut launch = Launch::of([binary]);
        launch.command.push(format!("127.0.0.1:{}", place.port).into());
        launch.command.push(format!("http://{}", place.mock).into());
        Ok(launch.env("UPSTREAM_KEY", UPSTREAM_KEY))
    }

    fn request(&self, case: Case, _: &Place<'_>) -> Option<Request> {
        (!matches!(case, Case::Translation | Case::Fallback)).then(|| direct::through(case)).flatten()
    }

    fn binary(&self) -> Option<PathBuf> {
        let beside = std::env::current_exe().ok()?.with_file_name("floor");
        beside.is_file().then_some(beside)
    }
}
