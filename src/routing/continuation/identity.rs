//! What is the same in every chunk of one answer.

use bytes::Bytes;

use crate::protocol::edit::{ObjectPatch, Segments};
use crate::protocol::json::{self, write_string};
use crate::protocol::sse;

/// The members that a client may compare, in the order in which they are written.
const KEYS: [&str; 4] = ["id", "object", "created", "model"];

/// Their values, as JSON.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity(Vec<(&'static str, Bytes)>);

impl Identity {
    /// As one chunk has it.
    pub(super) fn of(payload: &[u8]) -> Self {
        let open = json::skip_space(payload, 0);
        let Ok((members, _)) = json::members(payload, open) else { return Self::default() };
        let value = |key: &'static str| {
            let member = json::find(payload, &members, key)?;
            Some((key, payload.get(member.value.clone()).map(Bytes::copy_from_slice)?))
        };
        Self(KEYS.into_iter().filter_map(value).collect())
    }

    /// Gives another answer's chunk this identity.
    pub(super) fn put_on(&self, patch: &mut ObjectPatch<'_>) {
        for (key, value) in &self.0 {
            patch.set(key, value.clone());
        }
    }

    /// An event with one choice, whose delta and finish are JSON.
    pub(super) fn choice(&self, delta: &str, finish: &str) -> Segments {
        self.event(&format!("\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]"))
    }

    /// An event with nothing but usage, which is JSON.
    pub(super) fn usage(&self, usage: &str) -> Segments {
        self.event(&format!("\"choices\":[],\"usage\":{usage}"))
    }

    /// An event with nothing but text.
    pub(super) fn text(&self, text: &str) -> Segments {
        let mut delta = b"{\"content\":".to_vec();
        write_string(&mut delta, text);
        delta.push(b'}');
        self.choice(&String::from_utf8_lossy(&delta), "null")
    }

    fn event(&self, rest: &str) -> Segments {
        let mut out = b"{".to_vec();
        for (key, value) in &self.0 {
            write_string(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value);
            out.push(b',');
        }
        out.extend_from_slice(rest.as_bytes());
        out.push(b'}');
        Segments::whole(sse::event(&out))
    }
}
