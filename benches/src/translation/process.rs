//! The simulator and gateways, each in its own process on a free port, until they are dropped.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const READY: Duration = Duration::from_secs(30);

/// A process.
pub struct Served {
    /// `http://127.0.0.1:PORT`.
    pub base: String,
    /// Its process.
    pub pid: u32,
    _child: Child,
    _home: tempfile::TempDir,
}

/// The simulated providers.
pub async fn simulator(binary: &Path) -> Served {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = command(binary, &home);
    command.args(["simulate", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the simulator starts");
    let base = address(child.stdout.take().expect("it is piped"), "simulating on ").await;
    Served { base, pid: child.id().expect("it runs"), _child: child, _home: home }
}

/// A gateway with this configuration.
pub async fn gateway(binary: &Path, config: &Value) -> Served {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("config.json5");
    std::fs::write(&file, config.to_string()).expect("the file can be written");
    let mut command = command(binary, &home);
    command.args(["gateway", "run", "--port", "0", "--config"]).arg(file);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the gateway starts");
    let base = address(child.stderr.take().expect("it is piped"), "listening on ").await;
    Served { base, pid: child.id().expect("it runs"), _child: child, _home: home }
}

fn command(binary: &Path, home: &tempfile::TempDir) -> Command {
    let binary = binary.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    let mut command = Command::new(binary);
    command.env_clear().env("HOME", home.path()).current_dir(home.path()).kill_on_drop(true);
    command.stdin(Stdio::null());
    command
}

/// The address in the line that reports readiness; later output is read and discarded.
async fn address<R: AsyncRead + Unpin + Send + 'static>(output: R, text: &str) -> String {
    let mut lines = BufReader::new(output).lines();
    let line = timeout(READY, until(&mut lines, text)).await;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let line = line.unwrap_or_else(|_| panic!("it did not say {text:?}"));
    line.rsplit(' ').next().unwrap_or_default().to_owned()
}

async fn until<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>, text: &str) -> String {
    while let Some(line) = lines.next_line().await.expect("it is text") {
        if line.contains(text) {
            return line;
        }
    }
    panic!("it ended before it said {text:?}")
}
