//! Requests translated between API formats: JSON stays JSON, an error has a location, user content survives,
//! and every format can read the translated request.
//!
//! Input: a byte for the two formats, and the body.

use bytes::Bytes;
use moonrelay::protocol::api::Api;
use moonrelay::protocol::model::CacheControlSupport;
use moonrelay::protocol::model::TranslationError;
use moonrelay::protocol::model::losses::LOSSES;
use moonrelay::protocol::model::seal::SealOrigin;
use moonrelay::protocol::request::RequestBody;
use moonrelay::protocol::translate::{TranslatedRequest, TranslationTarget, translate_request};
use serde_json::{Map, Value};

use super::take;

/// Checks one input.
pub fn judge(mut data: &[u8]) {
    let apis = usize::from(take(&mut data));
    let (from, to) = (Api::ALL[apis % 3], Api::ALL[apis / 3 % 3]);
    let Ok(body) = RequestBody::parse(from, Bytes::copy_from_slice(data)) else { return };
    let translated = match translate_request(&body, &target(to)) {
        Ok(translated) => translated,
        Err(TranslationError { path: place, reason: why }) => {
            assert!(!place.is_empty() && !why.is_empty(), "an error without a place or a reason");
            return;
        }
    };
    assert_eq!(
        translate_request(&body, &target(to)).as_ref(),
        Ok(&translated),
        "another body the second time"
    );
    check_losses(&translated);
    // Text that the scan does not check is forwarded, errors included.
    let Ok(tree) = serde_json::from_slice::<Map<String, Value>>(data) else { return };
    let written = serde_json::from_slice::<Map<String, Value>>(&translated.body);
    let written = written.unwrap_or_else(|error| panic!("{error}: {:?}", translated.body));
    let heard = strings(&Value::Object(written));
    for text in said(from, &tree) {
        assert!(heard.iter().any(|heard| heard.contains(&text)), "{text:?} is lost in {:?}", translated.body);
    }
    let again = RequestBody::parse(to, translated.body);
    let again = again.unwrap_or_else(|error| panic!("what was written cannot be read: {error}"));
    for third in Api::ALL {
        // An id of a file is known to its provider only.
        if let Err(wrong) = translate_request(&again, &target(third))
            && wrong.path != "file_id"
        {
            panic!("what was written for {to:?} does not go to {third:?}: {wrong}: {:?}", again.text);
        }
    }
}

fn target(api: Api) -> TranslationTarget {
    TranslationTarget {
        api,
        default_max_tokens: None,
        seal_origin: SealOrigin::new("own", "m", api),
        cache_control: CacheControlSupport::Removed,
        is_openrouter: false,
    }
}

fn check_losses(translated: &TranslatedRequest) {
    for (index, name) in translated.losses.iter().enumerate() {
        assert!(LOSSES.iter().any(|loss| loss.name == *name), "{name} is no loss");
        assert!(!translated.losses[..index].contains(name), "{name} twice");
    }
}

/// The text of the user's messages, if it is a string.
fn said(api: Api, tree: &Map<String, Value>) -> Vec<String> {
    let messages = tree.get(api.conversation_field()).and_then(Value::as_array).into_iter().flatten();
    let of_users = messages.filter(|message| message["role"] == "user");
    let of_users = of_users
        .filter(|item| api != Api::Responses || matches!(item["type"].as_str(), None | Some("message")));
    of_users.filter_map(|message| message["content"].as_str()).map(str::to_owned).collect()
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}
