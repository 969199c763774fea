//! Owns the fields that are the same in every chunk of one response.

use bytes::Bytes;

use crate::protocol::edit::{ObjectPatch, Segments};
use crate::protocol::json::{self, write_string};
use crate::protocol::sse;

/// The fields that a client may compare, in the order in which they are written.
const IDENTITY_KEYS: [&str; 4] = ["id", "object", "created", "model"];

/// Their values, as JSON.
#[derive(Clone, Debug, Default)]
pub(super) struct ChunkIdentity(Vec<(&'static str, Bytes)>);

impl ChunkIdentity {
    /// Reads the identity from a chunk.
    pub(super) fn from_chunk(payload: &[u8]) -> Self {
        let open = json::skip_whitespace(payload, 0);
        let Ok((members, _)) = json::parse_members(payload, open) else { return Self::default() };
        let value = |key: &'static str| {
            let member = json::find_member(payload, &members, key)?;
            Some((key, payload.get(member.value.clone()).map(Bytes::copy_from_slice)?))
        };
        Self(IDENTITY_KEYS.into_iter().filter_map(value).collect())
    }

    /// Gives a chunk of another response this identity.
    pub(super) fn apply_to(&self, patch: &mut ObjectPatch<'_>) {
        for (key, value) in &self.0 {
            patch.set(key, value.clone());
        }
    }

    /// An event with one choice, whose delta and finish reason are JSON.
    pub(super) fn render_choice(&self, delta: &str, finish: &str) -> Segments {
        self.render_event(&format!(
            "\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]"
        ))
    }

    /// An event with only usage, which is JSON.
    pub(super) fn render_usage(&self, usage: &str) -> Segments {
        self.render_event(&format!("\"choices\":[],\"usage\":{usage}"))
    }

    /// An event with only text.
    pub(super) fn render_text(&self, text: &str) -> Segments {
        let mut delta = b"{\"content\":".to_vec();
        write_string(&mut delta, text);
        delta.push(b'}');
        self.render_choice(&String::from_utf8_lossy(&delta), "null")
    }

    fn render_event(&self, rest: &str) -> Segments {
        let mut out = b"{".to_vec();
        for (key, value) in &self.0 {
            write_string(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value);
            out.push(b',');
        }
        out.extend_from_slice(rest.as_bytes());
        out.push(b'}');
        Segments::from_bytes(sse::encode_event(&out))
    }
}
