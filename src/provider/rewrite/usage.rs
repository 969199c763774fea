//! Usage in streams: requested for metering, hidden from clients that did not request it.

use bytes::Bytes;

use super::draft::RequestDraft;
use super::rules;
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json;

/// Asks for usage in a stream; the answer hides it when the client did not.
pub(in crate::provider) fn request_usage(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    if !body.wants_stream() {
        return;
    }
    draft.answer_plan.hides_usage = !body.wants_usage();
    let options = draft.non_null_value("stream_options").map(Bytes::copy_from_slice);
    if draft.set("stream_options", add_include_usage(options.as_ref())) {
        draft.record_rule(rules::USAGE);
    }
}

/// Removes what the server does not take.
pub(in crate::provider) fn remove_usage_request(draft: &mut RequestDraft<'_>) {
    if draft.remove("stream_options") {
        draft.record_rule(rules::USAGE);
    }
}

fn add_include_usage(options: Option<&Bytes>) -> Bytes {
    let only = Bytes::from_static(br#"{"include_usage":true}"#);
    let Some(options) = options else { return only };
    let Ok((members, _)) = json::parse_members(options, 0) else { return only };
    let stands = json::find_member(options, &members, "include_usage")
        .is_some_and(|flag| options.get(flag.value.clone()) == Some(b"true"));
    if stands {
        return options.clone();
    }
    let mut edits = Edits::new();
    let mut patch = ObjectPatch::new(options, 0, &members);
    patch.set("include_usage", "true");
    patch.write_edits(&mut edits);
    edits.apply(options).to_bytes()
}
