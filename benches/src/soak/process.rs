//! The simulator and the gateway as processes; the gateway uses a socket that this process holds.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

const READY: Duration = Duration::from_secs(120);
/// Log lines kept for the analysis of a failure.
const LINES: usize = 40;
const MODELS: [&str; 3] = ["moonshot/kimi-k3", "kimi/kimi-for-coding", "openrouter/auto"];

/// The working directory.
pub struct Place {
    home: tempfile::TempDir,
    binary: PathBuf,
    /// Open for the whole soak test: while no gateway runs, connections wait in its backlog.
    socket: TcpListener,
    log: Arc<Mutex<VecDeque<String>>>,
}

/// A simulator that serves until it is dropped.
pub struct Simulator {
    pub base: String,
    _child: Child,
}

/// A gateway that serves until it is dropped.
pub struct Gateway {
    child: Child,
}

impl Place {
    pub fn new(binary: &Path) -> Self {
        let binary = binary.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self { home: tempfile::tempdir().expect("a directory"), binary, socket, log: Arc::default() }
    }

    /// The last log lines of the gateways.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.socket.local_addr().expect("it is bound"))
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("config.json5")
    }

    /// Writes the configuration as an editor does; `turn` changes the order of the fallbacks.
    pub fn configure(&self, upstream: &str, turn: u32) {
        let provider =
            |path: &str, key: &str| json!({ "baseUrl": format!("{upstream}{path}"), "apiKey": key });
        let fallbacks = if turn % 4 < 2 { [MODELS[1], MODELS[2]] } else { [MODELS[2], MODELS[1]] };
        let config = json!({
            "agents": { "defaults": { "model": { "primary": MODELS[0], "fallbacks": fallbacks } } },
            "models": { "providers": {
                "moonshot": provider("/moonshot/v1", "sk-soak-moonshot-000"),
                "kimi": provider("/kimi/coding/v1", "sk-kimi-soak-00000000"),
                "openrouter": provider("/openrouter/api/v1", "sk-or-v1-soak-0000000"),
            } },
            "failover": {
                "backoff": { "initialMs": 50, "maxMs": 1500 },
                "cooldown": { "stepsSeconds": [1, 2], "billingSeconds": 2 },
                "timeouts": { "connectSeconds": 2, "headSeconds": 2, "firstByteSeconds": 3, "idleSeconds": 2 },
                "keepAliveSeconds": 1,
            },
        });
        let draft = self.home.path().join("draft");
        std::fs::write(&draft, config.to_string()).expect("the file can be written");
        std::fs::rename(&draft, self.file()).expect("and put in its place");
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.home.path()).current_dir(self.home.path()).kill_on_drop(true);
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the gateway said last:\n{}", self.log().join("\n"));
        }
    }
}

/// Starts the simulated upstreams.
pub async fn simulator(place: &Place) -> Simulator {
    let mut command = place.command(&place.binary.to_string_lossy());
    command.args(["simulate", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the simulator starts");
    let output: ChildStdout = child.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(output).lines();
    let line = until(&mut lines, "simulating on ").await;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Simulator { base: line.rsplit(' ').next().unwrap_or_default().to_owned(), _child: child }
}

impl Gateway {
    /// Starts a gateway on the open socket, as systemd would.
    pub async fn start(place: &Place) -> Self {
        let socket: OwnedFd = place.socket.try_clone().expect("the socket can be shared").into();
        let script = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"";
        let mut command = place.command("sh");
        command.args(["-c", script, "sh"]).arg(&place.binary).args(["gateway", "run", "--config"]);
        command.arg(place.file()).stdin(socket).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the gateway starts");
        let output: ChildStderr = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines();
        until(&mut lines, "listening on ").await;
        let log = place.log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                if log.len() == LINES {
                    log.pop_front();
                }
                log.push_back(line);
            }
        });
        Self { child }
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        let sent = std::process::Command::new("kill").args(["-HUP", &self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the gateway is gone");
    }

    /// Sends SIGKILL and starts the next gateway.
    pub async fn kill(&mut self, place: &Place) {
        self.child.kill().await.expect("it can be killed");
        *self = Self::start(place).await;
    }
}

async fn until<R: tokio::io::AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>, text: &str) -> String {
    let found = async {
        while let Some(line) = lines.next_line().await.expect("it is text") {
            if line.contains(text) {
                return line;
            }
        }
        panic!("it ended before it said {text:?}")
    };
    timeout(READY, found).await.unwrap_or_else(|_| panic!("it did not say {text:?}"))
}
