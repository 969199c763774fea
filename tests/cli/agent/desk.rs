//! A home directory with a configuration from which turns are run.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::common::process::{Ended, command, run};
use crate::common::{Gateway, Provider, Setup, Upstream};

/// See the module.
pub(crate) struct Desk {
    pub(crate) home: tempfile::TempDir,
}

impl Desk {
    /// With this configuration.
    pub(crate) fn with(setup: &Setup) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config.json5"), setup.text()).unwrap();
        Self { home }
    }

    /// A chain of these providers, without a gateway.
    pub(crate) fn chain(upstream: &Upstream, chain: &[Provider]) -> Self {
        Self::with(&Setup::chain(upstream, chain))
    }

    /// The same configuration as a running gateway, which the command finds by it.
    pub(crate) async fn beside(setup: Setup) -> (Self, Gateway) {
        let gateway = setup.clone().start().await;
        let port: u16 = gateway.serving.authority().rsplit(':').next().unwrap().parse().unwrap();
        (Self::with(&setup.set("gateway.port", port.into())), gateway)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// `moonrelay agent` with these arguments.
    pub(crate) fn agent(&self, arguments: &[&str]) -> tokio::process::Command {
        self.command(&[&["agent"], arguments].concat())
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = command(self.home.path(), arguments);
        command.env("MOONRELAY_CONFIG", self.home.path().join("config.json5"));
        command.env("STATE_DIRECTORY", self.state());
        command
    }

    /// A turn to its end.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Ended {
        run(self.agent(arguments)).await
    }

    /// A turn with a message from a pipe.
    pub(crate) async fn pipe(&self, message: &[u8], arguments: &[&str]) -> Ended {
        let mut command = self.agent(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(message).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A turn that succeeds, as JSON.
    pub(crate) async fn reported(&self, arguments: &[&str]) -> Value {
        let ended = self.ask(&[arguments, &["--json"]].concat()).await;
        assert_eq!(ended.code, Some(0), "{}", ended.both());
        ended.json()
    }

    /// The lines of a session's transcript.
    pub(crate) fn transcript(&self, id: &str) -> Vec<Value> {
        let text =
            std::fs::read_to_string(self.state().join("sessions").join(format!("{id}.jsonl"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The sessions' files.
    pub(crate) fn sessions(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.state().join("sessions")) else { return Vec::new() };
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".jsonl")).collect()
    }
}

/// The bodies that reached a simulated provider, in their order.
pub(crate) async fn bodies(upstream: &Upstream) -> Vec<Value> {
    let requests = upstream.requests().await;
    let posted = requests.iter().filter(|request| request["method"] == "POST");
    posted.map(|request| serde_json::from_str(request["body"].as_str().unwrap()).unwrap()).collect()
}

/// How often a text occurs in a body.
pub(crate) fn count(body: &Value, text: &str) -> usize {
    body.to_string().matches(text).count()
}
