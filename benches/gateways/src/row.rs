//! The interface of a gateway row: how to start it and send requests to it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::case::{Case, Lane};
use crate::usage::Counters;

/// The key that every upstream is given, and that the mock insists on (as a bearer token or as `x-api-key`).
pub const UPSTREAM_KEY: &str = "sk-upstream-0123456789abcdef";
/// The token that clients send where the gateway checks one.
pub const CLIENT_KEY: &str = "sk-client-0123456789abcdef";

/// A gateway. One file in `rows/` each.
pub trait Row {
    /// As `--only` takes it, and as the table shows it.
    fn name(&self) -> &'static str;

    /// How it is started in this place, or why it cannot run here (shown as `skipped: why`; say what to do about it).
    /// Looks only; nothing is started and nothing written.
    fn launch(&self, place: &Place<'_>) -> Result<Launch, String>;

    /// How a client asks it, running in this place, for this case; `None` when the gateway cannot do that (`–` in the
    /// table).
    fn request(&self, case: Case, place: &Place<'_>) -> Option<Request>;

    /// Its one executable file, where it is one: for the table's size.
    fn binary(&self) -> Option<PathBuf> {
        None
    }

    /// Its version for the table, where it is known.
    fn version(&self) -> Option<String> {
        None
    }

    /// What its `/metrics` tell of its usage database, where it keeps one: a right answer that is not in it is wrong.
    fn database(&self) -> Option<Counters> {
        None
    }

    /// What a reader of the table must know of this row: what is off, what differs.
    fn note(&self) -> Option<String> {
        None
    }
}

/// Where a gateway is to run.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// A directory of its own, empty and made anew; also `$HOME`.
    pub home: &'a Path,
    /// The loopback port to listen on.
    pub port: u16,
    /// The mock upstream.
    pub mock: SocketAddr,
}

impl Place<'_> {
    /// The base URL of a lane up to and with `/v1`: `http://127.0.0.1:PORT/LANE/v1`.
    #[must_use]
    pub fn base_url(&self, lane: Lane) -> String {
        format!("{}/v1", self.root_url(lane))
    }

    /// The same without `/v1`, as Anthropic's base URLs are written.
    #[must_use]
    pub fn root_url(&self, lane: Lane) -> String {
        format!("http://{}/{}", self.mock, lane.path())
    }
}

/// How a gateway is started.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// Program and arguments. It must stay in the foreground and listen on 127.0.0.1:port. Its own children are found
    /// and counted with it.
    pub command: Vec<OsString>,
    /// The whole environment but for `HOME`, `PATH` and `TMPDIR`, which are given.
    pub env: Vec<(String, String)>,
    /// Written before the start; relative paths are below the home.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// It is ready when it answers the request of `Case::Small` with 200; longest time for that. 10 s when it is zero.
    pub ready_within: Duration,
    /// It listens on a port of its own choice and writes that into this file below the home, in one step.
    pub port_file: Option<PathBuf>,
    /// Not a process: the mock itself (row `direct`).
    pub nothing: bool,
}

impl Launch {
    /// Of a command without environment and files.
    pub fn of<S: Into<OsString>>(command: impl IntoIterator<Item = S>) -> Self {
        Self { command: command.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// With another file.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), text.into()));
        self
    }

    /// With another variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }
}

/// How a client asks: the rest of the request is the harness's, and the same for all.
#[derive(Clone, Debug)]
pub struct Request {
    /// The path, query included.
    pub path: String,
    /// Beside `host`, `content-type` and `content-length`.
    pub headers: Vec<(String, String)>,
    /// What stands in `model`.
    pub model: String,
    /// The protocol of the body and of the answer.
    pub api: Api,
}

impl Request {
    /// Chat completions at the usual path with `Authorization: Bearer CLIENT_KEY`.
    pub fn chat(model: impl Into<String>) -> Self {
        Self {
            path: "/v1/chat/completions".to_owned(),
            headers: vec![("authorization".to_owned(), format!("Bearer {CLIENT_KEY}"))],
            model: model.into(),
            api: Api::Chat,
        }
    }
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// OpenAI's chat completions.
    Chat,
    /// Anthropic's messages.
    Messages,
}
