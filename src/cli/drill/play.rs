//! One case: a fresh gateway and fresh upstreams, so that no cooldown and no fault of another case is left.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::case::{Case, Phase};
use super::client::{self, Saw};
use super::report::Row;
use super::stage::Stage;
use super::verdict;
use crate::cli::exit::Ending;
use crate::cli::rig::{self, Upstreams};
use crate::record::Record;
use crate::simulator::Options;
use crate::upstream::Client;

/// The record of a request comes when its answer is out; no record at all is a defect of ours.
const PATIENCE: Duration = Duration::from_secs(10);

/// What all cases share.
pub(super) struct Drill {
    pub(super) stage: Stage,
    client: Client,
    /// Answers of each target when nothing is wrong: to a plain question, and to one that wants a tool called.
    calm: [Vec<Saw>; 2],
}

/// A gateway before its upstreams.
struct Scene {
    gateway: rig::Gateway,
    upstreams: Vec<(String, Upstreams)>,
    records: mpsc::UnboundedReceiver<Record>,
}

impl Drill {
    /// Asks each target once without a fault, to know what a whole answer is.
    ///
    /// # Errors
    /// When nothing can be started, or a target does not answer even so.
    pub(super) async fn new(stage: Stage) -> Result<Self, Ending> {
        let mut drill = Self { stage, client: Client::new(rig::CONNECT), calm: [Vec::new(), Vec::new()] };
        let scene = drill.scene().await?;
        for reference in &drill.stage.chain.references {
            for (with_tool, into) in [false, true].into_iter().zip(&mut drill.calm) {
                let body = client::body(&reference.to_string(), Phase::Before, with_tool);
                let saw = client::ask(&drill.client, &scene.gateway.address, &body, true).await;
                let called = drill.stage.providers().iter().any(|provider| provider.id == reference.provider);
                if called && let Some(error) = saw.error.as_ref().or(saw.broke.as_ref()) {
                    let message = format!("{reference} does not answer even without a fault: {error}");
                    return Err(Ending::failure("drill_error", message));
                }
                into.push(saw);
            }
        }
        Ok(drill)
    }

    async fn scene(&self) -> Result<Scene, Ending> {
        let failed = |error: std::io::Error| Ending::failure("drill_error", format!("cannot start: {error}"));
        let mut upstreams = Vec::new();
        for provider in self.stage.providers() {
            let options = Options { strict: false, open: true, ..Options::default() };
            upstreams.push((provider.id.clone(), rig::simulate(options).await.map_err(failed)?));
        }
        let addresses: Vec<(String, String)> =
            upstreams.iter().map(|(id, simulated)| (id.clone(), simulated.address.clone())).collect();
        let (sender, records) = mpsc::unbounded_channel();
        let sink = Arc::new(move |record| {
            let _ = sender.send(record);
        });
        let gateway = rig::serve(self.stage.settings(&addresses)?, sink).await.map_err(failed)?;
        Ok(Scene { gateway, upstreams, records })
    }

    /// Plays one case.
    ///
    /// # Errors
    /// When the scene cannot be set; what goes wrong in it is the result.
    pub(super) async fn play(&self, case: &Case) -> Result<Row, Ending> {
        let mut scene = self.scene().await?;
        let primary = self.stage.primary().unwrap_or_default();
        for (_, upstream) in scene.upstreams.iter().filter(|(id, _)| id == primary) {
            case.faults(&self.stage)?.into_iter().for_each(|fault| upstream.control.order(fault));
        }
        let with_tool = case.kind == "leak_markup";
        let body = client::body(&self.stage.requested, case.phase, with_tool);
        let saw = client::ask(&self.client, &scene.gateway.address, &body, false).await;
        let record = timeout(PATIENCE, scene.records.recv()).await.ok().flatten();
        let [plain, calling] = &self.calm;
        let verdict = verdict::judge(&saw, if with_tool { calling } else { plain });
        Ok(Row::new(case, saw, verdict, record, &self.stage))
    }
}
