//! Usage in streams: asked for so that it can be metered, hidden from clients that did not ask.

use bytes::Bytes;

use super::draft::Draft;
use super::rules;
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json;

/// Asks for usage in a stream; the answer hides it when the client did not.
pub(in crate::provider) fn ask(draft: &mut Draft<'_>) {
    let body = draft.body();
    if !body.wants_stream() {
        return;
    }
    draft.plan.hide_usage = !body.wants_usage();
    let options = draft.given("stream_options").map(Bytes::copy_from_slice);
    if draft.set("stream_options", with_usage(options.as_ref())) {
        draft.fire(rules::USAGE);
    }
}

/// Removes what the server does not take.
pub(in crate::provider) fn do_not_ask(draft: &mut Draft<'_>) {
    if draft.remove("stream_options") {
        draft.fire(rules::USAGE);
    }
}

fn with_usage(options: Option<&Bytes>) -> Bytes {
    let only = Bytes::from_static(br#"{"include_usage":true}"#);
    let Some(options) = options else { return only };
    let Ok((members, _)) = json::members(options, 0) else { return only };
    let stands = json::find(options, &members, "include_usage")
        .is_some_and(|flag| options.get(flag.value.clone()) == Some(b"true"));
    if stands {
        return options.clone();
    }
    let mut edits = Edits::new();
    let mut patch = ObjectPatch::new(options, 0, &members);
    patch.set("include_usage", "true");
    patch.finish(&mut edits);
    edits.apply(options).to_bytes()
}
