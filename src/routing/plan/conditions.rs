//! Owns the conditions under which a target certainly cannot accept a request.

use std::cell::OnceCell;

use super::target::Target;
use crate::catalog::AdapterId;
use crate::protocol::request::RequestBody;
use crate::provider::unsupported_content::{self, UnsupportedContent};
use crate::provider::{KIMI_CODE_MAX_MESSAGE_BYTES, count_message_bytes};
use crate::record::SkipReason;
use crate::routing::media;

/// Natural language has 2 to 5 bytes a token, and code no more. Every request has at least one token for each
/// 16 bytes, so one that exceeds a window by this measure certainly does not fit.
const MAX_BYTES_PER_TOKEN: u64 = 16;

/// Properties of a request, computed once for all targets.
pub(super) struct RequestContents<'b> {
    body: &'b RequestBody,
    /// The size of the messages, in bytes.
    message_bytes: u64,
    has_media: OnceCell<bool>,
    unsupported_content: OnceCell<Option<UnsupportedContent>>,
}

impl<'b> RequestContents<'b> {
    pub(super) fn new(body: &'b RequestBody) -> Self {
        let message_bytes = body.messages.iter().map(|message| message.span.len() as u64).sum();
        Self { body, message_bytes, has_media: OnceCell::new(), unsupported_content: OnceCell::new() }
    }

    fn has_media(&self) -> bool {
        *self.has_media.get_or_init(|| !media::find_media(self.body).is_empty())
    }

    fn unsupported_content(&self, dialect: AdapterId) -> Option<&UnsupportedContent> {
        let judge = || unsupported_content::find_unsupported_content(dialect, self.body);
        unsupported_content::has_known_content_types(dialect)
            .then(|| self.unsupported_content.get_or_init(judge).as_ref())
            .flatten()
    }
}

/// Why a target certainly cannot accept this request, as a code and as text.
pub(super) fn find_unmet_condition(
    target: &Target,
    contents: &RequestContents<'_>,
) -> Option<(SkipReason, String)> {
    let facts = &target.model.model;
    let RequestContents { body, message_bytes: text, .. } = *contents;
    if !facts.input_modalities.image && contents.has_media() {
        return Some((SkipReason::MediaNotAccepted, format!("{} takes no images", target.reference)));
    }
    if let Some(untaken) = contents.unsupported_content(target.provider.adapter) {
        return Some((SkipReason::MediaNotAccepted, untaken.to_string()));
    }
    if let Some(window) = facts.context_window
        && text / MAX_BYTES_PER_TOKEN > window
        && !contents.has_media()
    {
        let why = format!("{text} bytes of messages certainly exceed the window of {window} tokens");
        return Some((SkipReason::WindowTooSmall, why));
    }
    // The size of another API's messages is known only after translation.
    let counts = target.provider.adapter == AdapterId::KimiCode && target.api == body.api;
    let bytes =
        counts.then(|| count_message_bytes(body)).filter(|bytes| *bytes > KIMI_CODE_MAX_MESSAGE_BYTES)?;
    let why =
        format!("the messages have {bytes} bytes, Kimi Code takes at most {KIMI_CODE_MAX_MESSAGE_BYTES}");
    Some((SkipReason::MessagesTooLarge, why))
}
