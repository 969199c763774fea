//! One case: a fresh gateway and fresh upstreams, so that no cooldown and no fault of another case is left.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::case::{Case, Phase};
use super::client::{self, ObservedResponse};
use super::report::CaseResult;
use super::setup::DrillSetup;
use super::verdict;
use crate::cli::exit::CommandError;
use crate::cli::simulation::{self, SimulatedUpstreams};
use crate::record::Record;
use crate::simulator::SimulatorOptions;
use crate::upstream::Client;

/// The record of a request comes when its answer is out; no record at all is a defect of ours.
const RECORD_TIMEOUT: Duration = Duration::from_secs(10);

/// What all cases share.
pub(super) struct DrillRunner {
    pub(super) setup: DrillSetup,
    client: Client,
    /// Answers of each target when nothing is wrong: to a plain question, and to one that wants a tool called.
    baseline: [Vec<ObservedResponse>; 2],
}

/// A gateway before its upstreams.
struct CaseEnvironment {
    gateway: simulation::InProcessGateway,
    upstreams: Vec<(String, SimulatedUpstreams)>,
    records: mpsc::UnboundedReceiver<Record>,
}

impl DrillRunner {
    /// Sends each target one request without a fault, to learn what a complete answer is.
    ///
    /// # Errors
    /// When nothing can be started, or a target does not answer even without a fault.
    pub(super) async fn new(stage: DrillSetup) -> Result<Self, CommandError> {
        let mut drill = Self {
            setup: stage,
            client: Client::new(simulation::CONNECT_TIMEOUT),
            baseline: [Vec::new(), Vec::new()],
        };
        let scene = drill.start_environment().await?;
        for reference in &drill.setup.chain.references {
            for (with_tool, into) in [false, true].into_iter().zip(&mut drill.baseline) {
                let body = client::request_body(&reference.to_string(), Phase::BeforeContent, with_tool);
                let saw = client::send_request(&drill.client, &scene.gateway.address, &body, true).await;
                let called = drill.setup.providers().iter().any(|provider| provider.id == reference.provider);
                if called && let Some(error) = saw.error.as_ref().or(saw.connection_error.as_ref()) {
                    let message = format!("{reference} does not answer even without a fault: {error}");
                    return Err(CommandError::failure("drill_error", message));
                }
                into.push(saw);
            }
        }
        Ok(drill)
    }

    async fn start_environment(&self) -> Result<CaseEnvironment, CommandError> {
        let failed =
            |error: std::io::Error| CommandError::failure("drill_error", format!("cannot start: {error}"));
        let mut upstreams = Vec::new();
        for provider in self.setup.providers() {
            let options = SimulatorOptions {
                is_strict: false,
                accepts_any_client: true,
                ..SimulatorOptions::default()
            };
            upstreams
                .push((provider.id.clone(), simulation::start_upstreams(options).await.map_err(failed)?));
        }
        let addresses: Vec<(String, String)> =
            upstreams.iter().map(|(id, simulated)| (id.clone(), simulated.address.clone())).collect();
        let (sender, records) = mpsc::unbounded_channel();
        let sink = Arc::new(move |record| {
            let _ = sender.send(record);
        });
        let gateway = simulation::start_gateway(self.setup.simulated_settings(&addresses)?, sink)
            .await
            .map_err(failed)?;
        Ok(CaseEnvironment { gateway, upstreams, records })
    }

    /// Plays one case.
    ///
    /// # Errors
    /// When the scene cannot be set; what goes wrong in it is the result.
    pub(super) async fn run_case(&self, case: &Case) -> Result<CaseResult, CommandError> {
        let mut scene = self.start_environment().await?;
        let primary = self.setup.primary_provider().unwrap_or_default();
        for (_, upstream) in scene.upstreams.iter().filter(|(id, _)| id == primary) {
            case.simulator_faults(&self.setup)?
                .into_iter()
                .for_each(|fault| upstream.control.add_fault(fault));
        }
        let with_tool = case.kind == "leak_markup";
        let body = client::request_body(&self.setup.requested_model, case.phase, with_tool);
        let saw = client::send_request(&self.client, &scene.gateway.address, &body, false).await;
        let record = timeout(RECORD_TIMEOUT, scene.records.recv()).await.ok().flatten();
        let [plain, calling] = &self.baseline;
        let verdict = verdict::evaluate(&saw, if with_tool { calling } else { plain });
        Ok(CaseResult::new(case, saw, verdict, record, &self.setup))
    }
}
