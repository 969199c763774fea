//! Puts the other gateways where they run from.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::{ALL, Peer, Source};

/// Written last, with the recipe.
pub(super) const INSTALLED: &str = "installed";
/// Written instead, with the reason.
pub(super) const FAILED: &str = "failed";
const LOG: &str = "install.log";

/// Installs those of these names (all when there are none) and says what it does. Whether all are there at the end.
///
/// # Errors
///
/// A name that is none of theirs.
pub fn install(peers: &Path, only: &[String]) -> Result<bool, String> {
    let known = |name: &String| ALL.iter().any(|peer| peer.name == name.as_str());
    if let Some(name) = only.iter().find(|name| !known(name)) {
        let names = ALL.map(|peer| peer.name).join(", ");
        return Err(format!("no other gateway is called {name:?}; there are {names}"));
    }
    let wanted = |peer: &&Peer| only.is_empty() || only.iter().any(|name| name.as_str() == peer.name);
    let mut complete = true;
    for peer in ALL.iter().filter(wanted) {
        let directory = peer.directory(peers);
        let Peer { name, version, .. } = peer;
        if peer.is_installed(&directory) {
            println!("{name} {version}: is there");
            continue;
        }
        println!("{name} {version}: installing into {}{}", directory.display(), peer.patience());
        match peer.install(&directory) {
            Ok(()) => println!("{name} {version}: installed"),
            Err(why) => {
                complete = false;
                println!("{name} {version}: {why}");
                // The row says so too; where even this cannot be written, it says that nothing is installed.
                drop(fs::write(directory.join(FAILED), why));
            }
        }
    }
    Ok(complete)
}

impl Peer {
    fn patience(&self) -> &'static str {
        match self.source {
            Source::Cargo { .. } => " (a build of ten minutes or more)",
            Source::Python { .. } | Source::Node { .. } => "",
        }
    }

    fn install(&self, directory: &Path) -> Result<(), String> {
        let at = |error: io::Error| format!("{}: {error}", directory.display());
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(at)?;
        }
        fs::create_dir_all(directory).map_err(at)?;
        match self.source {
            Source::Python { package } => self.python(directory, package)?,
            Source::Node { package, held } => self.node(directory, package, held)?,
            Source::Cargo { package, features } => self.cargo(directory, package, features)?,
        }
        let program = directory.join(self.program);
        if !program.is_file() {
            return Err(format!("the package has no {}", program.display()));
        }
        fs::write(directory.join(INSTALLED), self.recipe()).map_err(at)
    }

    fn python(&self, directory: &Path, package: &str) -> Result<(), String> {
        let mut venv = Command::new("python3");
        run(
            venv.args(["-m", "venv"]).arg(directory),
            directory,
            "Python 3.10 or later with its module venv",
        )?;
        let requirement = format!("{package}=={}", self.version);
        let mut pip = Command::new(directory.join("bin/python"));
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", &requirement]);
        run(&mut pip, directory, "pip")
    }

    fn node(&self, directory: &Path, package: &str, held: Option<(&str, &str)>) -> Result<(), String> {
        let overrides: serde_json::Map<_, _> =
            held.into_iter().map(|(name, version)| (name.to_owned(), version.into())).collect();
        let manifest =
            json!({ "private": true, "dependencies": { package: self.version }, "overrides": overrides });
        let file = directory.join("package.json");
        fs::write(&file, manifest.to_string()).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-update-notifier"]).current_dir(directory);
        run(&mut npm, directory, "npm of Node 20 or later")
    }

    fn cargo(&self, directory: &Path, package: &str, features: &str) -> Result<(), String> {
        let build = directory.join("build");
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "--locked", "--version", self.version, "--no-default-features"]);
        cargo
            .args(["--features", features, "--bin", "gateway", package, "--root"])
            .arg(directory)
            .arg("--target-dir")
            .arg(&build);
        // Variables set by the outer `cargo run`; they refer to another package.
        cargo.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_MANIFEST_DIR").current_dir(directory);
        run(&mut cargo, directory, "cargo")?;
        fs::remove_dir_all(&build).map_err(|error| format!("{}: {error}", build.display()))
    }
}

/// Runs it to its end, its words in the log.
fn run(command: &mut Command, directory: &Path, what: &str) -> Result<(), String> {
    let log: PathBuf = directory.join(LOG);
    let open = || File::options().create(true).append(true).open(&log);
    let (out, err) =
        open().and_then(|out| Ok((out, open()?))).map_err(|error| format!("{}: {error}", log.display()))?;
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} ended with {status}: {}; see {}", last_line(&log), log.display())),
        Err(error) => Err(format!("{name} cannot be started ({error}); it takes {what}")),
    }
}

/// What a log says last about an error, or last at all.
fn last_line(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let error = lines().find(|line| line.to_ascii_lowercase().contains("error"));
    error.or_else(|| lines().next()).unwrap_or("nothing was said").to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{install, run};

    #[test]
    fn unknown_gateway_name_is_rejected() {
        let peers = tempfile::tempdir().expect("a directory");
        let why = install(peers.path(), &["nginx".to_owned()]).expect_err("nginx is none");
        assert!(why.contains("\"nginx\"") && why.contains("litellm-rs"), "{why}");
    }

    #[test]
    fn failed_command_reports_its_error() {
        let home = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'ERROR: no such version' >&2; echo bye; exit 3"]);
        let why = run(&mut command, home.path(), "sh").expect_err("it fails");
        assert!(why.contains("exit status: 3") && why.contains("ERROR: no such version"), "{why}");
    }

    #[test]
    fn missing_command_error_names_the_requirement() {
        let home = tempfile::tempdir().expect("a directory");
        let why = run(&mut Command::new("no-such-program"), home.path(), "that program")
            .expect_err("it is missing");
        assert!(why.ends_with("it takes that program"), "{why}");
    }
}
