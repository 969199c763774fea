//! Parts that the readers and writers of several APIs share.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::error::ErrorBody;
use super::model::answer::ResponseEvent;

pub(super) mod writer;

pub(super) mod content;
pub(super) mod emitter;
pub(super) mod sequencer;

/// Reads one response of an API; see [`super::translate::Decoder`].
pub(super) trait ApiDecoder: Debug + Send + Sync {
    fn read_payload(&mut self, payload: &[u8], out: &mut Vec<ResponseEvent>);

    fn read_body(&mut self, body: &[u8], out: &mut Vec<ResponseEvent>);

    fn end(&mut self, out: &mut Vec<ResponseEvent>);
}

/// Writes one response in an API; see [`super::translate::Encoder`].
pub(super) trait ApiEncoder: Debug + Send + Sync {
    fn add_tool_namespaces(&mut self, _namespaced: &BTreeMap<String, (String, String)>) {}

    fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>);

    fn finish(&mut self, out: &mut Vec<u8>);

    fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>);

    fn observe_payload(&mut self, payload: &[u8]);

    fn buffered_bytes(&self) -> usize {
        0
    }

    fn drop_buffer(&mut self) {}
}
