//! Onboarding: the key is checked and stored only in the secrets file; existing settings are kept.

mod interactive;
mod keys;
mod refused;
mod search;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::common::process::{Ended, PATIENCE, command};
use crate::common::{Provider, Upstream};

/// A Moonshot key that occurs nowhere else in the output.
const KEY: &str = "sk-onboarded-0123456789abcdef";

/// A home without anything in it, and the simulated providers.
struct Desk {
    home: tempfile::TempDir,
    upstream: Upstream,
}

impl Desk {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With arguments of the simulator's.
    async fn with(arguments: &[&str]) -> Self {
        Self { home: tempfile::tempdir().unwrap(), upstream: Upstream::with(arguments).await }
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    fn config(&self) -> PathBuf {
        self.path().join("config/moonrelay/config.json5")
    }

    fn secrets(&self) -> PathBuf {
        self.path().join("config/moonrelay/env")
    }

    fn write(&self, text: &str) {
        std::fs::create_dir_all(self.config().parent().unwrap()).unwrap();
        std::fs::write(self.config(), text).unwrap();
    }

    fn text(&self, path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    /// The base URL of a simulated provider.
    fn base(&self, provider: Provider) -> String {
        format!("{}{}", self.upstream.base(), provider.path())
    }

    /// `onboard --non-interactive` with a key on standard input.
    async fn onboard(&self, key: &str, arguments: &[&str]) -> Ended {
        let ended = self.run(Some(key), arguments, &[]).await;
        assert!(key.is_empty() || !ended.both().contains(key), "the key is printed: {}", ended.both());
        ended
    }

    /// As [`Desk::onboard`], at a simulated provider; it succeeds.
    async fn set_up(&self, choice: &str, provider: Provider, key: &str) -> Value {
        let base = self.base(provider);
        let ended = self.onboard(key, &["--auth-choice", choice, "--base-url", &base, "--json"]).await;
        assert_eq!(ended.code, Some(0), "{choice}: {}", ended.both());
        ended.json()
    }

    async fn run(&self, key: Option<&str>, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let given: &[&str] = if key.is_some() { &["--api-key-stdin"] } else { &[] };
        let all = [&["onboard", "--non-interactive", "--no-install-service"], given, arguments].concat();
        let mut command = command(self.path(), all);
        let mut child = command.envs(variables.iter().copied()).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // One that is refused early reads nothing.
        let _ = input.write_all(format!("{}\n", key.unwrap_or_default()).as_bytes()).await;
        drop(input);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Everything below the home by its name and content.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path)
                } else {
                    found.push((path.clone(), std::fs::read(path).unwrap()))
                }
            }
        }
        found.sort();
        found
    }

    /// The output of a command without a key in its environment.
    async fn json(&self, arguments: &[&str]) -> Value {
        crate::common::process::run(command(self.path(), arguments)).await.json()
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
