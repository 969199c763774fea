//! Requests that a target certainly cannot take.

use super::target::Target;
use crate::catalog::DialectId;
use crate::dialect::{KIMI_CODE_MESSAGE_LIMIT, message_bytes};
use crate::record::Skip;
use crate::wire::json;
use crate::wire::request::RequestBody;

/// Text that people write has 2 to 5 bytes a token, and code no more; a request with fewer tokens than one for each
/// 16 bytes does not exist, so what exceeds a window by this measure certainly does not fit.
const BYTES_PER_TOKEN_AT_MOST: u64 = 16;

/// Why a target certainly cannot take this request of a client, in a word and in words.
pub(super) fn unfit(target: &Target, body: &RequestBody) -> Option<(Skip, String)> {
    let facts = &target.model.facts;
    let text: u64 = body.messages.iter().map(|message| message.span.len() as u64).sum();
    if !facts.inputs.image && has_media(body) {
        return Some((Skip::MediaNotAccepted, format!("{} takes no images", target.reference)));
    }
    if let Some(window) = facts.context_window
        && text / BYTES_PER_TOKEN_AT_MOST > window
        && !has_media(body)
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

/// Types of parts that are no text: chat's, then those of Responses, then those of Messages.
const MEDIA: [&str; 10] = [
    "image_url",
    "video_url",
    "input_audio",
    "file",
    "input_image",
    "input_file",
    "computer_screenshot",
    "image",
    "video",
    "document",
];

/// Whether a message holds a part that is no text: an image, a video, sound or a file.
pub(in crate::relay) fn has_media(body: &RequestBody) -> bool {
    let lists =
        |key| body.messages.iter().filter_map(move |message| json::find(&body.text, &message.members, key));
    // A tool's result stands in `output` on the Responses face.
    lists("content").chain(lists("output")).any(|member| has_media_part(&body.text, member.value.start, 0))
}

/// A tool's result is a block with blocks in it on the Messages face, and deeper there is nothing.
const DEEPEST: usize = 1;

fn has_media_part(text: &[u8], at: usize, depth: usize) -> bool {
    if text.get(at) != Some(&b'[') {
        return false;
    }
    let Ok((parts, _)) = json::elements(text, at) else { return false };
    parts.into_iter().any(|part| {
        let Ok((members, _)) = json::members(text, part.start) else { return false };
        let value = |key| json::find(text, &members, key).map(|member| member.value.clone());
        let kind = value("type").and_then(|kind| text.get(kind)).unwrap_or_default();
        MEDIA.iter().any(|name| json::literal_is(kind, name)) && !is_plain(text, value("source"))
            || depth < DEEPEST
                && value("content").is_some_and(|below| has_media_part(text, below.start, depth + 1))
    })
}

/// A document of the Messages face may be nothing but text.
fn is_plain(text: &[u8], source: Option<json::Span>) -> bool {
    let Some(source) = source else { return false };
    let Ok((members, _)) = json::members(text, source.start) else { return false };
    let kind = json::find(text, &members, "type").and_then(|kind| text.get(kind.value.clone()));
    kind.is_some_and(|kind| json::literal_is(kind, "text"))
}
