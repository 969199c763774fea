//! Simulated providers, and a gateway that uses them, in this process and on free ports.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::config::settings::Settings;
use crate::failure::Failure;
use crate::gateway::listener::Listener;
use crate::routing::RecordSink;
use crate::runtime::{self, TelemetryBuilder};
use crate::upstream::{Client, Connector, UpstreamRequest, UpstreamResponse};
use moonrelay_simulator::{Control, Simulator, SimulatorOptions};

/// For a connection on the same machine.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Simulated providers; they stop when this is dropped.
pub(super) struct SimulatedUpstreams {
    /// `http://127.0.0.1:PORT`.
    pub(super) address: String,
    pub(super) control: Control,
    _task: AbortOnDropHandle<()>,
}

/// A gateway; it stops when this is dropped.
pub(super) struct InProcessGateway {
    /// `http://127.0.0.1:PORT`.
    pub(super) address: String,
    stop: mpsc::Sender<()>,
    task: AbortOnDropHandle<()>,
}

/// Starts the simulated providers.
pub(super) async fn start_upstreams(options: SimulatorOptions) -> io::Result<SimulatedUpstreams> {
    let simulator = Simulator::bind(ANY_PORT, options).await?;
    let address = format!("http://{}", simulator.address());
    let control = simulator.control();
    let task = tokio::spawn(simulator.run(std::future::pending()));
    Ok(SimulatedUpstreams { address, control, _task: AbortOnDropHandle::new(task) })
}

/// Starts a gateway; `sink` receives the records of its requests.
pub(super) async fn start_gateway(settings: Settings, sink: RecordSink) -> io::Result<InProcessGateway> {
    let listener = Listener::from_tcp(TcpListener::bind(ANY_PORT).await?)?;
    let address = listener.address().to_owned();
    let connector = Arc::new(Client::new(settings.failover.connect_timeout));
    let telemetry = TelemetryBuilder::from_sink(sink);
    let app = runtime::build(Arc::new(settings), vec![listener], connector, None, telemetry);
    let (stop, stopped) = mpsc::channel(1);
    let task = AbortOnDropHandle::new(tokio::spawn(app.run(stopped)));
    Ok(InProcessGateway { address, stop, task })
}

/// Sends a Chat Completions request to a gateway, with one more header if given.
pub(super) async fn send_chat(
    client: &Client,
    gateway: &str,
    body: &Value,
    header: Option<(&'static str, &'static str)>,
) -> Result<UpstreamResponse, Failure> {
    let headers = [("content-type", "application/json")].into_iter().chain(header);
    let headers = headers
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let url = format!("{gateway}/v1/chat/completions").into();
    let body = vec![Bytes::from(body.to_string())];
    client.send(UpstreamRequest { method: Method::POST, url, headers, body }).await
}

impl InProcessGateway {
    /// Waits for active requests.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(()).await;
        let _ = self.task.await;
    }
}
