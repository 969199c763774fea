//! A try that failed, and what it used all the same: a provider may bill what it began to say.

use bytes::Bytes;

use super::continuation::estimate;
use crate::failure::{Failure, Reason};
use crate::protocol::face::Face;
use crate::protocol::object::Object;
use crate::protocol::usage::Usage;
use crate::provider::answer::{StreamReader, Volume};

/// See the module.
#[derive(Debug)]
pub(super) struct Fallen {
    pub(super) failure: Failure,
    pub(super) used: Used,
}

#[derive(Debug)]
pub(super) enum Used {
    /// It was refused, or nobody was reached.
    Nothing,
    /// The provider told it.
    Figure(Usage),
    /// It read the prompt and said this, as far as we know.
    Said(Volume),
}

impl From<Failure> for Fallen {
    fn from(failure: Failure) -> Self {
        Self { failure, used: Used::Nothing }
    }
}

impl Fallen {
    /// It was at work when it failed, or may have been.
    pub(super) fn at_work(failure: Failure) -> Self {
        Self { failure, used: Used::Said(Volume::default()) }
    }

    /// A whole answer that is none: empty, cut, or an error in its place.
    pub(super) fn of_whole(failure: Failure, face: Face, body: &Bytes) -> Self {
        let Ok(top) = Object::whole(body) else {
            // What was cut was an answer; a web page nobody bills.
            let is_page = body.trim_ascii_start().starts_with(b"<");
            return if is_page { failure.into() } else { Self::at_work(failure) };
        };
        let told = top.value("usage").and_then(|usage| Usage::read(face, usage));
        if let Some(usage) = told.filter(Usage::is_something) {
            return Self { failure, used: Used::Figure(usage) };
        }
        let is_answer = ["choices", "content", "output"].iter().any(|key| top.value(key).is_some());
        if is_answer { Self::at_work(failure) } else { failure.into() }
    }

    /// A stream that failed before it said anything; so many events had come.
    pub(super) fn of_stream(failure: Failure, reader: &StreamReader, events: usize) -> Self {
        let said = reader.volume();
        let broke = matches!(failure.reason, Reason::Truncated | Reason::Timeout | Reason::Network);
        let used = match reader.meter().usage.filter(Usage::is_something) {
            Some(usage) => Used::Figure(usage),
            None if broke || events > 0 || said != Volume::default() => Used::Said(said),
            None => Used::Nothing,
        };
        Self { failure, used }
    }

    /// What it used, where the request is a prompt of so many tokens.
    pub(super) fn usage(&self, prompt: impl FnOnce() -> u64) -> Option<Usage> {
        match self.used {
            Used::Nothing => None,
            Used::Figure(usage) => Some(usage),
            Used::Said(said) => Some(estimate(prompt(), said)),
        }
    }
}
