//! Parts that the readers and writers of several APIs share.

use std::fmt::Debug;

use self::emitter::EventEmitter;
use super::error::ErrorBody;
use super::model::answer::ResponseEvent;
use super::model::client_tools::ClientTools;

pub(super) mod content;
pub(super) mod emitter;
pub(super) mod sequencer;

/// Reads one response of an API; see [`super::translate::Decoder`].
pub(super) trait ApiDecoder: Debug + Send + Sync {
    fn read_payload(&mut self, payload: &[u8], emitter: &mut EventEmitter);

    fn read_body(&mut self, body: &[u8], emitter: &mut EventEmitter);

    /// Completes what is open and ends the emitter.
    fn end(&mut self, emitter: &mut EventEmitter);
}

/// Writes one response in an API; see [`super::translate::Encoder`].
pub(super) trait ApiEncoder: Debug + Send + Sync {
    fn add_client_tools(&mut self, _tools: &ClientTools) {}

    fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>);

    fn finish(&mut self, out: &mut Vec<u8>);

    fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>);

    fn observe_payload(&mut self, payload: &[u8]);

    fn buffered_bytes(&self) -> usize {
        0
    }

    fn drop_buffer(&mut self) {}
}
