//! The cases that every gateway runs, and the responses of the mock.

use std::fmt;

use serde::{Serialize, Serializer};

/// One case: a kind of request under a kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Case {
    /// Small and not streamed, on a fixed schedule: what it adds.
    Small,
    /// The same from 64 connections, each with its next request at once: requests a second.
    Throughput,
    /// 230 KB, as an agent sends it in the middle of its work.
    Agent,
    /// 5 MB, nearly all of it an image in base64.
    Image,
    /// Streams of 100 chunks at full speed, from 16 connections: streams a second.
    Streams,
    /// Streams with a chunk each 13 ms: what the first byte and what each chunk waits for.
    Paced,
    /// The same while bodies of 4.5 MB come, each after the one before: how long their parsing delays a stream.
    PacedBesideLarge,
    /// 1,000 streams at a time with a chunk a second.
    Open1000,
    /// 5,000 of them.
    Open5000,
    /// The client uses Chat Completions, the upstream supports only Messages.
    Translation,
    /// The first target fails at once, each time; the second answers.
    Fallback,
    /// Small and not streamed, one by one, with cold processor caches on the gateway's core.
    Cold,
    /// The same of a stream of one chunk.
    ColdStream,
}

impl Case {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 13] = [
        Self::Small,
        Self::Throughput,
        Self::Agent,
        Self::Image,
        Self::Streams,
        Self::Paced,
        Self::PacedBesideLarge,
        Self::Open1000,
        Self::Open5000,
        Self::Translation,
        Self::Fallback,
        Self::Cold,
        Self::ColdStream,
    ];

    /// As `--cases` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Throughput => "throughput",
            Self::Agent => "agent",
            Self::Image => "image",
            Self::Streams => "streams",
            Self::Paced => "paced",
            Self::PacedBesideLarge => "paced-beside-large",
            Self::Open1000 => "open-1000",
            Self::Open5000 => "open-5000",
            Self::Translation => "translation",
            Self::Fallback => "fallback",
            Self::Cold => "cold",
            Self::ColdStream => "cold-stream",
        }
    }

    /// The path of the (first) upstream of this case.
    #[must_use]
    pub const fn lane(self) -> Lane {
        match self {
            Self::Small | Self::Throughput | Self::Agent | Self::Image | Self::Translation | Self::Cold => {
                Lane::Json
            }
            Self::Streams => Lane::Full,
            Self::Paced | Self::PacedBesideLarge => Lane::Paced,
            Self::Open1000 | Self::Open5000 => Lane::Slow,
            Self::Fallback => Lane::Failing,
            Self::ColdStream => Lane::One,
        }
    }

    /// Whether its requests say `"stream": true`.
    #[must_use]
    pub const fn streams(self) -> bool {
        matches!(
            self,
            Self::Streams
                | Self::Paced
                | Self::PacedBesideLarge
                | Self::Open1000
                | Self::Open5000
                | Self::ColdStream
        )
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A response of the mock. It is the first part of the path: `http://MOCK/LANE/v1/chat/completions`, and
/// `/LANE/v1/messages` for Messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A small JSON answer at once.
    Json,
    /// 100 chunks at full speed.
    Full,
    /// 10 chunks, one each 13 ms.
    Paced,
    /// 10 chunks, one a second.
    Slow,
    /// One chunk at once.
    One,
    /// 500 at once.
    Failing,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Json, Self::Full, Self::Paced, Self::Slow, Self::One, Self::Failing];

    /// The first part of the path. Streams are `stream-CHUNKS-MILLISECONDS`, failures `fail-STATUS`; the mock takes any
    /// numbers there.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Full => "stream-100-0",
            Self::Paced => "stream-10-13",
            Self::Slow => "stream-10-1000",
            Self::One => "stream-1-0",
            Self::Failing => "fail-500",
        }
    }

    /// The chunks of text of its streams.
    #[must_use]
    pub const fn chunks(self) -> Option<u32> {
        match self {
            Self::Full => Some(100),
            Self::Paced | Self::Slow => Some(10),
            Self::One => Some(1),
            Self::Json | Self::Failing => None,
        }
    }
}

impl Serialize for Case {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
