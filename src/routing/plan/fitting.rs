//! Requests that a target certainly cannot take.

use std::cell::OnceCell;

use super::target::Target;
use crate::catalog::DialectId;
use crate::protocol::request::RequestBody;
use crate::provider::content::{self, Untaken};
use crate::provider::{KIMI_CODE_MESSAGE_LIMIT, message_bytes};
use crate::record::Skip;
use crate::routing::media;

/// Text that people write has 2 to 5 bytes a token, and code no more; a request with fewer tokens than one for each
/// 16 bytes does not exist, so what exceeds a window by this measure certainly does not fit.
const BYTES_PER_TOKEN_AT_MOST: u64 = 16;

/// What a request holds, looked at once for all targets.
pub(super) struct Contents<'b> {
    body: &'b RequestBody,
    /// The messages, in bytes.
    text: u64,
    has_media: OnceCell<bool>,
    untaken: OnceCell<Option<Untaken>>,
}

impl<'b> Contents<'b> {
    pub(super) fn of(body: &'b RequestBody) -> Self {
        let text = body.messages.iter().map(|message| message.span.len() as u64).sum();
        Self { body, text, has_media: OnceCell::new(), untaken: OnceCell::new() }
    }

    fn has_media(&self) -> bool {
        *self.has_media.get_or_init(|| !media::parts(self.body).is_empty())
    }

    fn untaken(&self, dialect: DialectId) -> Option<&Untaken> {
        let judge = || content::untaken(dialect, self.body);
        content::is_judged(dialect).then(|| self.untaken.get_or_init(judge).as_ref()).flatten()
    }
}

/// Why a target certainly cannot take this request of a client, in a word and in words.
pub(super) fn unfit(target: &Target, contents: &Contents<'_>) -> Option<(Skip, String)> {
    let facts = &target.model.facts;
    let Contents { body, text, .. } = *contents;
    if !facts.inputs.image && contents.has_media() {
        return Some((Skip::MediaNotAccepted, format!("{} takes no images", target.reference)));
    }
    if let Some(untaken) = contents.untaken(target.provider.dialect) {
        return Some((Skip::MediaNotAccepted, untaken.to_string()));
    }
    if let Some(window) = facts.context_window
        && text / BYTES_PER_TOKEN_AT_MOST > window
        && !contents.has_media()
    {
        let why = format!("{text} bytes of messages certainly exceed the window of {window} tokens");
        return Some((Skip::WindowTooSmall, why));
    }
    // What another face's messages come to is known only once they are translated.
    let counts = target.provider.dialect == DialectId::KimiCode && target.face == body.face;
    let bytes = counts.then(|| message_bytes(body)).filter(|bytes| *bytes > KIMI_CODE_MESSAGE_LIMIT)?;
    let why = format!("the messages have {bytes} bytes, Kimi Code takes at most {KIMI_CODE_MESSAGE_LIMIT}");
    Some((Skip::MessagesTooLarge, why))
}
