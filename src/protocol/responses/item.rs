//! One item of a response's output while it is written.

use crate::protocol::codec::writer::write_raw;
use crate::protocol::json::write_string;

/// An item. Its text is buffered, because its closing events and the response repeat it.
#[derive(Clone, Debug)]
pub(crate) struct OutputItem {
    /// `output_index`.
    pub(crate) index: u64,
    pub(crate) id: String,
    pub(crate) kind: ItemKind,
    /// The open part's `content_index` or `summary_index`.
    pub(crate) part_index: u64,
    /// Whether a part is open.
    pub(crate) in_part: bool,
    /// The parts that are closed: JSON, with commas between.
    pub(crate) closed_parts: Vec<u8>,
    /// The open part's text, the call's arguments: escaped, without quotes.
    pub(crate) open_text: Vec<u8>,
    /// The event that ends the text, or the arguments, was written.
    pub(crate) is_text_done: bool,
    pub(crate) encrypted_content: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    Text,
    Refusal,
    /// Reasoning as its text.
    Reasoning,
    /// Reasoning as a summary.
    Summary,
    Call(ItemCall),
    /// An item of another writer, as described by its first event.
    Other(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ItemCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
}

/// The event names and members of a part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartNames {
    pub(crate) delta: &'static str,
    pub(crate) done: &'static str,
    pub(crate) part_added: &'static str,
    pub(crate) part_done: &'static str,
    /// The member that numbers the part.
    pub(crate) index: &'static str,
    /// `type` of the part.
    pub(crate) kind: &'static str,
    /// The member with the text, in the part and in the event that ends it.
    pub(crate) key: &'static str,
    /// Additional members of the part.
    pub(crate) extra_part_members: &'static str,
    /// Additional members of the text events.
    pub(crate) extra_event_members: &'static str,
}

const TEXT: PartNames = PartNames {
    delta: "response.output_text.delta",
    done: "response.output_text.done",
    part_added: "response.content_part.added",
    part_done: "response.content_part.done",
    index: "content_index",
    kind: "output_text",
    key: "text",
    extra_part_members: ",\"annotations\":[],\"logprobs\":[]",
    extra_event_members: ",\"logprobs\":[]",
};

const REFUSAL: PartNames = PartNames {
    delta: "response.refusal.delta",
    done: "response.refusal.done",
    kind: "refusal",
    key: "refusal",
    extra_part_members: "",
    extra_event_members: "",
    ..TEXT
};

const REASONING: PartNames = PartNames {
    delta: "response.reasoning_text.delta",
    done: "response.reasoning_text.done",
    kind: "reasoning_text",
    extra_part_members: "",
    extra_event_members: "",
    ..TEXT
};

const SUMMARY: PartNames = PartNames {
    delta: "response.reasoning_summary_text.delta",
    done: "response.reasoning_summary_text.done",
    part_added: "response.reasoning_summary_part.added",
    part_done: "response.reasoning_summary_part.done",
    index: "summary_index",
    kind: "summary_text",
    ..REASONING
};

impl ItemKind {
    /// The id prefix of such an item.
    pub(crate) const fn prefix(&self) -> &'static str {
        match self {
            Self::Text | Self::Refusal => "msg_",
            Self::Reasoning | Self::Summary => "rs_",
            Self::Call(_) => "fc_",
            Self::Other(_) => "item_",
        }
    }

    /// `None` if it has no parts.
    pub(crate) const fn part_names(&self) -> Option<PartNames> {
        match self {
            Self::Text => Some(TEXT),
            Self::Refusal => Some(REFUSAL),
            Self::Reasoning => Some(REASONING),
            Self::Summary => Some(SUMMARY),
            Self::Call(_) | Self::Other(_) => None,
        }
    }
}

impl OutputItem {
    pub(crate) const fn new(index: u64, id: String, kind: ItemKind) -> Self {
        Self {
            index,
            id,
            kind,
            part_index: 0,
            in_part: false,
            closed_parts: Vec::new(),
            open_text: Vec::new(),
            is_text_done: false,
            encrypted_content: None,
        }
    }

    /// The open part as JSON.
    pub(crate) fn write_part(&self, names: &PartNames, out: &mut Vec<u8>) {
        write_raw(out, "{\"type\":\"");
        write_raw(out, names.kind);
        write_raw(out, "\",\"");
        write_raw(out, names.key);
        write_raw(out, "\":\"");
        out.extend_from_slice(&self.open_text);
        out.push(b'"');
        write_raw(out, names.extra_part_members);
        out.push(b'}');
    }

    /// The item as JSON, with its content so far.
    pub(crate) fn write(&self, status: &str, out: &mut Vec<u8>) {
        let kind = match &self.kind {
            ItemKind::Other(json) => {
                out.extend_from_slice(json);
                return;
            }
            ItemKind::Text | ItemKind::Refusal => "message",
            ItemKind::Reasoning | ItemKind::Summary => "reasoning",
            ItemKind::Call(_) => "function_call",
        };
        write_raw(out, "{\"id\":");
        write_string(out, &self.id);
        write_raw(out, ",\"type\":\"");
        write_raw(out, kind);
        write_raw(out, "\",\"status\":\"");
        write_raw(out, status);
        out.push(b'"');
        match &self.kind {
            ItemKind::Call(call) => {
                call.write(out);
                write_raw(out, ",\"arguments\":\"");
                out.extend_from_slice(&self.open_text);
                out.push(b'"');
            }
            ItemKind::Summary => {
                self.write_parts("summary", out);
                self.write_encrypted_content(out);
            }
            ItemKind::Reasoning => {
                write_raw(out, ",\"summary\":[]");
                self.write_parts("content", out);
                self.write_encrypted_content(out);
            }
            _ => {
                write_raw(out, ",\"role\":\"assistant\"");
                self.write_parts("content", out);
            }
        }
        out.push(b'}');
    }

    fn write_parts(&self, key: &str, out: &mut Vec<u8>) {
        write_raw(out, ",\"");
        write_raw(out, key);
        write_raw(out, "\":[");
        out.extend_from_slice(&self.closed_parts);
        if let Some(names) = self.kind.part_names().filter(|_| self.in_part) {
            let comma = if self.closed_parts.is_empty() { "" } else { "," };
            write_raw(out, comma);
            self.write_part(&names, out);
        }
        out.push(b']');
    }

    fn write_encrypted_content(&self, out: &mut Vec<u8>) {
        write_raw(out, ",\"encrypted_content\":");
        match &self.encrypted_content {
            Some(signature) => write_string(out, signature),
            None => write_raw(out, "null"),
        }
    }
}

impl ItemCall {
    fn write(&self, out: &mut Vec<u8>) {
        write_raw(out, ",\"call_id\":");
        write_string(out, &self.id);
        write_raw(out, ",\"name\":");
        write_string(out, &self.name);
        if let Some(namespace) = &self.namespace {
            write_raw(out, ",\"namespace\":");
            write_string(out, namespace);
        }
    }
}
