//! Requests that a target certainly cannot take.

use super::target::Target;
use crate::catalog::DialectId;
use crate::dialect::{KIMI_CODE_MESSAGE_LIMIT, content, message_bytes};
use crate::record::Skip;
use crate::relay::media;
use crate::wire::request::RequestBody;

/// Text that people write has 2 to 5 bytes a token, and code no more; a request with fewer tokens than one for each
/// 16 bytes does not exist, so what exceeds a window by this measure certainly does not fit.
const BYTES_PER_TOKEN_AT_MOST: u64 = 16;

/// Why a target certainly cannot take this request of a client, in a word and in words.
pub(super) fn unfit(target: &Target, body: &RequestBody) -> Option<(Skip, String)> {
    let facts = &target.model.facts;
    let text: u64 = body.messages.iter().map(|message| message.span.len() as u64).sum();
    let has_media = !media::parts(body).is_empty();
    if !facts.inputs.image && has_media {
        return Some((Skip::MediaNotAccepted, format!("{} takes no images", target.reference)));
    }
    if let Some(untaken) = content::untaken(target.provider.dialect, body) {
        return Some((Skip::MediaNotAccepted, untaken.to_string()));
    }
    if let Some(window) = facts.context_window
        && text / BYTES_PER_TOKEN_AT_MOST > window
        && !has_media
    {
        let why = format!("{text} bytes of messages certainly exceed the window of {window} tokens");
        return Some((Skip::WindowTooSmall, why));
    }
    // What another face's messages come to is known only once they are translated.
    let counts = target.provider.dialect == DialectId::KimiCode && target.face == body.face;
    let bytes = message_bytes(body);
    (counts && bytes > KIMI_CODE_MESSAGE_LIMIT).then(|| {
        let why =
            format!("the messages have {bytes} bytes, Kimi Code takes at most {KIMI_CODE_MESSAGE_LIMIT}");
        (Skip::MessagesTooLarge, why)
    })
}
