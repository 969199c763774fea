//! The other gateways: which versions, and how they get into the directory they run from.
//!
//! Each has a directory of its own there, `NAME-VERSION`, made by the package manager of its language. What that one
//! said is in `install.log` in it; `installed` is written last and holds the recipe, so that a changed recipe installs
//! anew and an unchanged one does nothing.

use std::fs;
use std::path::{Path, PathBuf};

mod install;

pub use install::install;

/// A gateway that a package registry gives.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// As its row is called.
    pub name: &'static str,
    /// The version that is installed.
    pub version: &'static str,
    source: Source,
    /// What is started, below its directory.
    program: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    /// A virtual environment with this package.
    Python { package: &'static str },
    /// A directory with this package, and its dependency held at a version.
    Node { package: &'static str, held: Option<(&'static str, &'static str)> },
    /// A crate's program, built here.
    Cargo { package: &'static str, features: &'static str },
}

/// `BerriAI`'s proxy in Python.
pub const LITELLM: Peer = Peer {
    name: "litellm",
    version: "1.106.2",
    source: Source::Python { package: "litellm[proxy]" },
    program: "bin/litellm",
};

/// `TensorZero`'s gateway in Rust, as the Python package embeds it.
pub const TENSORZERO: Peer = Peer {
    name: "tensorzero",
    version: "2026.6.0",
    source: Source::Python { package: "tensorzero" },
    program: "bin/python",
};

/// Portkey's gateway for Node. With a later server library than this a stream ends in an error.
pub const PORTKEY: Peer = Peer {
    name: "portkey",
    version: "1.15.2",
    source: Source::Node { package: "@portkey-ai/gateway", held: Some(("@hono/node-server", "1.13.8")) },
    program: "node_modules/@portkey-ai/gateway/build/start-server.js",
};

/// The last version of claude-code-router for Node 20.
pub const CLAUDE_CODE_ROUTER: Peer = Peer {
    name: "claude-code-router",
    version: "2.0.0",
    source: Source::Node { package: "@musistudio/claude-code-router", held: None },
    program: "node_modules/@musistudio/claude-code-router/dist/cli.js",
};

/// A gateway in Rust of nearly the same name.
pub const LITELLM_RS: Peer = Peer {
    name: "litellm-rs",
    version: "0.9.0",
    source: Source::Cargo { package: "litellm-rs", features: "sqlite,metrics,tracing" },
    program: "bin/gateway",
};

/// All of them, the quickest to install first.
pub const ALL: [Peer; 5] = [TENSORZERO, PORTKEY, CLAUDE_CODE_ROUTER, LITELLM, LITELLM_RS];

/// Where they are installed unless `--peers` says otherwise: `moonrelay/peers` in the user's cache directory.
#[must_use]
pub fn default_directory() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("moonrelay/peers"))
}

impl Peer {
    /// Its directory below that of all.
    #[must_use]
    pub fn directory(&self, peers: &Path) -> PathBuf {
        peers.join(format!("{}-{}", self.name, self.version))
    }

    /// What is started, if it is installed.
    ///
    /// # Errors
    ///
    /// Why it is not, with the command that installs it.
    pub fn program(&self, peers: Option<&Path>) -> Result<PathBuf, String> {
        let Some(peers) = peers else {
            return Err("no directory for the other gateways: give --peers DIR".to_owned());
        };
        let mut command =
            format!("cargo run --release -p moonrelay-gateways -- --install --only {}", self.name);
        if default_directory().as_deref() != Some(peers) {
            command.push_str(&format!(" --peers {}", peers.display()));
        }
        let directory = self.directory(peers);
        if self.is_installed(&directory) {
            return Ok(directory.join(self.program));
        }
        Err(match fs::read_to_string(directory.join(install::FAILED)) {
            Ok(why) => format!("could not be installed ({}); again: {command}", why.trim()),
            Err(_) => format!("not installed: {command}"),
        })
    }

    fn is_installed(&self, directory: &Path) -> bool {
        let recipe = fs::read_to_string(directory.join(install::INSTALLED));
        recipe.is_ok_and(|recipe| recipe == self.recipe()) && directory.join(self.program).is_file()
    }

    fn recipe(&self) -> String {
        format!("{self:?}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, LITELLM};

    #[test]
    fn missing_gateway_error_names_the_install_command() {
        let empty = tempfile::tempdir().expect("a directory");
        for peer in ALL {
            let why = peer.program(Some(empty.path())).expect_err("nothing is there");
            let command = format!("-- --install --only {} --peers {}", peer.name, empty.path().display());
            assert!(why.ends_with(&command), "{why}");
        }
    }

    #[test]
    fn partial_installation_does_not_count() {
        let peers = tempfile::tempdir().expect("a directory");
        let directory = LITELLM.directory(peers.path());
        std::fs::create_dir_all(directory.join("bin")).expect("a directory");
        std::fs::write(directory.join("bin/litellm"), "").expect("a file");
        assert!(LITELLM.program(Some(peers.path())).is_err());
        std::fs::write(directory.join("installed"), "another recipe").expect("a file");
        assert!(LITELLM.program(Some(peers.path())).is_err());
        std::fs::write(directory.join("installed"), LITELLM.recipe()).expect("a file");
        assert_eq!(LITELLM.program(Some(peers.path())), Ok(directory.join("bin/litellm")));
    }

    #[test]
    fn page_lists_the_pinned_versions() {
        let page = include_str!("../../README.md").replace('\n', " ").to_lowercase();
        for peer in ALL {
            assert!(
                page.contains(&format!("{} {}", peer.name, peer.version)),
                "{} {}",
                peer.name,
                peer.version
            );
        }
    }

    #[test]
    fn failure_reason_is_reported() {
        let peers = tempfile::tempdir().expect("a directory");
        let directory = LITELLM.directory(peers.path());
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join("failed"), "no network\n").expect("a file");
        let why = LITELLM.program(Some(peers.path())).expect_err("it is not there");
        assert!(why.starts_with("could not be installed (no network); again: "), "{why}");
    }
}
