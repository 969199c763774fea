//! The binary under test as a child process.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Nothing here waits for time to pass; this only ends a test that would hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_moonrelay");

/// A command with nothing of the caller's environment but `PATH`, and its directories inside `home`.
pub(crate) fn command<I, S>(home: &Path, args: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    // Another build of the program, where a debug build is too slow for the test.
    let binary = std::env::var_os("MOONRELAY_TEST_BINARY");
    let mut command = Command::new(binary.as_deref().unwrap_or(OsStr::new(BINARY)));
    command
        .args(args)
        .env_clear()
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_STATE_HOME", home.join("state"))
        .env("XDG_RUNTIME_DIR", home.join("runtime"))
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// The result of a command that ends by itself.
pub(crate) struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// All of it.
    pub(crate) stdout: String,
    /// All of it.
    pub(crate) stderr: String,
}

impl Ended {
    /// Both outputs, for messages.
    pub(crate) fn both(&self) -> String {
        format!("exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    /// stdout as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON ({e}): {}", self.both()))
    }
}

/// Runs to the end.
pub(crate) async fn run(mut command: Command) -> Ended {
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .expect("the command ends by itself")
        .expect("the binary starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// A process that serves until it is dropped.
pub(crate) struct Serving {
    child: Child,
    output: Arc<Mutex<String>>,
    /// Reads it to its end.
    readers: Vec<JoinHandle<()>>,
    /// Lines that no test has waited for yet.
    seen: mpsc::UnboundedReceiver<String>,
    /// Its address: `http://127.0.0.1:PORT`.
    pub(crate) base: String,
}

impl Serving {
    /// Starts it and waits for the line with its address.
    pub(crate) async fn start(mut command: Command, announcement: &str) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let output = Arc::new(Mutex::new(String::new()));
        let (lines, mut seen) = mpsc::unbounded_channel();
        let readers = vec![
            collect(child.stdout.take(), &output, lines.clone()),
            collect(child.stderr.take(), &output, lines),
        ];
        let found = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = seen.recv().await {
                if let Some(base) = address(&line, announcement) {
                    return Some(base);
                }
            }
            None
        })
        .await;
        let Ok(Some(base)) = found else {
            let code = child.try_wait();
            panic!("no line {announcement:?} ({code:?}):\n{}", output.lock().unwrap());
        };
        Self { child, output, readers, seen, base }
    }

    /// Everything that it printed so far, stdout and stderr as they came.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits for a line that holds this text.
    pub(crate) async fn said(&mut self, text: &str) {
        let found = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = self.seen.recv().await {
                if line.contains(text) {
                    return true;
                }
            }
            false
        });
        assert_eq!(found.await, Ok(true), "nothing was said of {text:?}");
    }

    /// Waits for this text unless it was printed already, even before the address.
    pub(crate) async fn has_said(&mut self, text: &str) {
        if !self.output().contains(text) {
            self.said(text).await;
        }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> &str {
        self.base.strip_prefix("http://").expect("the base is http")
    }

    /// Waits for its end, and that of its output.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.expect("it ends").expect("it can be awaited");
        for reader in self.readers.drain(..) {
            let read = tokio::time::timeout(PATIENCE, reader).await;
            read.expect("its output ends with it").expect("all of it was read");
        }
        status
    }

    /// Ends it with SIGTERM and returns everything it printed. Before that, [`Self::output`] can lack log lines
    /// of the last answers, which are written after the answer.
    pub(crate) async fn stop(&mut self) -> String {
        signal("-TERM", self.pid()).await;
        assert!(self.ended().await.success(), "{}", self.output());
        self.output()
    }
}

/// `text announcement http://127.0.0.1:PORT more` gives the URL, with or without colour codes around it.
fn address(line: &str, announcement: &str) -> Option<String> {
    let (_, rest) = line.split_once(announcement)?;
    let url: String =
        rest.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || ".:/[]".contains(*c)).collect();
    url.starts_with("http://").then(|| url.trim_end_matches('/').to_owned())
}

fn collect(
    source: Option<impl AsyncRead + Unpin + Send + 'static>,
    into: &Arc<Mutex<String>>,
    lines: mpsc::UnboundedSender<String>,
) -> JoinHandle<()> {
    let source = source.expect("the output is piped");
    let into = Arc::clone(into);
    tokio::spawn(async move {
        let mut reader = BufReader::new(source).lines();
        while let Some(line) = reader.next_line().await.expect("its output is text, in UTF-8") {
            {
                let mut text = into.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
            // After the address is known no test waits for lines.
            let _ = lines.send(line);
        }
    })
}

/// Makes a named pipe.
pub(crate) async fn mkfifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().await.unwrap();
    assert!(made.success());
}

/// Sends a signal, by its name for kill(1).
pub(crate) async fn signal(name: &str, pid: u32) {
    let done = Command::new("kill").args([name, &pid.to_string()]).status().await.unwrap();
    assert!(done.success(), "kill {name} {pid}");
}
