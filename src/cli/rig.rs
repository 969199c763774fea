//! Simulated upstreams and a gateway before them, in this process and on free ports.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::settings::Settings;
use crate::gateway::listener::Listener;
use crate::routing::Sink;
use crate::runtime::{self, Observers};
use crate::simulator::{Control, Options, Simulator};
use crate::upstream::Client;

/// To connect, on the same machine.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Upstreams that serve until this is dropped.
pub(super) struct Upstreams {
    /// `http://127.0.0.1:PORT`.
    pub(super) address: String,
    pub(super) control: Control,
    serving: JoinHandle<()>,
}

/// A gateway that serves until this is dropped.
pub(super) struct Gateway {
    /// `http://127.0.0.1:PORT`.
    pub(super) address: String,
    stop: mpsc::Sender<()>,
    serving: JoinHandle<()>,
}

/// Starts the three simulated providers.
///
/// # Errors
/// Those of binding.
pub(super) async fn simulate(options: Options) -> io::Result<Upstreams> {
    let simulator = Simulator::bind(ANY_PORT, options).await?;
    let address = format!("http://{}", simulator.address());
    let control = simulator.control();
    Ok(Upstreams { address, control, serving: tokio::spawn(simulator.run(std::future::pending())) })
}

/// Starts a gateway; `sink` takes the records of its requests.
///
/// # Errors
/// Those of binding.
pub(super) async fn serve(settings: Settings, sink: Sink) -> io::Result<Gateway> {
    let listener = Listener::tcp(TcpListener::bind(ANY_PORT).await?)?;
    let address = listener.address().to_owned();
    let connector = Arc::new(Client::new(settings.failover.connect));
    let app = runtime::build(Arc::new(settings), vec![listener], connector, None, Observers::only(sink));
    let (stop, stopped) = mpsc::channel(1);
    Ok(Gateway { address, stop, serving: tokio::spawn(app.run(stopped)) })
}

impl Gateway {
    /// Waits for the answers under way.
    pub(super) async fn stop(mut self) {
        let _ = self.stop.send(()).await;
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Upstreams {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
