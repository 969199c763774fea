//! One item of a response's output while it is written.

use crate::protocol::translate::encoder::frame::{put, string};

/// An item. Its text is kept, as the events that close it and the response have it again.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// `output_index`.
    pub(super) index: u64,
    pub(super) id: String,
    pub(super) kind: Kind,
    /// The open part's `content_index` or `summary_index`.
    pub(super) part: u64,
    /// Whether a part is open.
    pub(super) in_part: bool,
    /// The parts that are closed: JSON, with commas between.
    pub(super) parts: Vec<u8>,
    /// The open part's text, the call's arguments: escaped, without quotes.
    pub(super) text: Vec<u8>,
    /// The event that ends the text, or the arguments, was written.
    pub(super) ended: bool,
    pub(super) seal: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
    /// Reasoning as its text.
    Reasoning,
    /// Reasoning as a summary.
    Summary,
    Call(Call),
    /// An item of somebody else's, as it was told when it began.
    Other(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
}

/// What the events of a part are called, and its members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) delta: &'static str,
    pub(super) done: &'static str,
    pub(super) part_added: &'static str,
    pub(super) part_done: &'static str,
    /// The member that numbers the part.
    pub(super) index: &'static str,
    /// `type` of the part.
    pub(super) kind: &'static str,
    /// The member that holds the text, of the part and of the event that ends it.
    pub(super) key: &'static str,
    /// What the part has besides.
    pub(super) rest: &'static str,
    /// What the events of the text have besides.
    pub(super) beside: &'static str,
}

const TEXT: Names = Names {
    delta: "response.output_text.delta",
    done: "response.output_text.done",
    part_added: "response.content_part.added",
    part_done: "response.content_part.done",
    index: "content_index",
    kind: "output_text",
    key: "text",
    rest: ",\"annotations\":[],\"logprobs\":[]",
    beside: ",\"logprobs\":[]",
};

const REFUSAL: Names = Names {
    delta: "response.refusal.delta",
    done: "response.refusal.done",
    kind: "refusal",
    key: "refusal",
    rest: "",
    beside: "",
    ..TEXT
};

const REASONING: Names = Names {
    delta: "response.reasoning_text.delta",
    done: "response.reasoning_text.done",
    kind: "reasoning_text",
    rest: "",
    beside: "",
    ..TEXT
};

const SUMMARY: Names = Names {
    delta: "response.reasoning_summary_text.delta",
    done: "response.reasoning_summary_text.done",
    part_added: "response.reasoning_summary_part.added",
    part_done: "response.reasoning_summary_part.done",
    index: "summary_index",
    kind: "summary_text",
    ..REASONING
};

impl Kind {
    /// What begins the id of such an item.
    pub(super) const fn prefix(&self) -> &'static str {
        match self {
            Self::Text | Self::Refusal => "msg_",
            Self::Reasoning | Self::Summary => "rs_",
            Self::Call(_) => "fc_",
            Self::Other(_) => "item_",
        }
    }

    /// `None` where there are no parts.
    pub(super) const fn names(&self) -> Option<Names> {
        match self {
            Self::Text => Some(TEXT),
            Self::Refusal => Some(REFUSAL),
            Self::Reasoning => Some(REASONING),
            Self::Summary => Some(SUMMARY),
            Self::Call(_) | Self::Other(_) => None,
        }
    }
}

impl Item {
    pub(super) const fn new(index: u64, id: String, kind: Kind) -> Self {
        Self {
            index,
            id,
            kind,
            part: 0,
            in_part: false,
            parts: Vec::new(),
            text: Vec::new(),
            ended: false,
            seal: None,
        }
    }

    /// The open part as JSON.
    pub(super) fn write_part(&self, names: &Names, out: &mut Vec<u8>) {
        put(out, "{\"type\":\"");
        put(out, names.kind);
        put(out, "\",\"");
        put(out, names.key);
        put(out, "\":\"");
        out.extend_from_slice(&self.text);
        out.push(b'"');
        put(out, names.rest);
        out.push(b'}');
    }

    /// The item as JSON, with what it has so far.
    pub(super) fn write(&self, status: &str, out: &mut Vec<u8>) {
        let kind = match &self.kind {
            Kind::Other(told) => {
                out.extend_from_slice(told);
                return;
            }
            Kind::Text | Kind::Refusal => "message",
            Kind::Reasoning | Kind::Summary => "reasoning",
            Kind::Call(_) => "function_call",
        };
        put(out, "{\"id\":");
        string(out, &self.id);
        put(out, ",\"type\":\"");
        put(out, kind);
        put(out, "\",\"status\":\"");
        put(out, status);
        out.push(b'"');
        match &self.kind {
            Kind::Call(call) => {
                call.write(out);
                put(out, ",\"arguments\":\"");
                out.extend_from_slice(&self.text);
                out.push(b'"');
            }
            Kind::Summary => {
                self.write_parts("summary", out);
                self.write_seal(out);
            }
            Kind::Reasoning => {
                put(out, ",\"summary\":[]");
                self.write_parts("content", out);
                self.write_seal(out);
            }
            _ => {
                put(out, ",\"role\":\"assistant\"");
                self.write_parts("content", out);
            }
        }
        out.push(b'}');
    }

    fn write_parts(&self, key: &str, out: &mut Vec<u8>) {
        put(out, ",\"");
        put(out, key);
        put(out, "\":[");
        out.extend_from_slice(&self.parts);
        if let Some(names) = self.kind.names().filter(|_| self.in_part) {
            let comma = if self.parts.is_empty() { "" } else { "," };
            put(out, comma);
            self.write_part(&names, out);
        }
        out.push(b']');
    }

    fn write_seal(&self, out: &mut Vec<u8>) {
        put(out, ",\"encrypted_content\":");
        match &self.seal {
            Some(seal) => string(out, seal),
            None => put(out, "null"),
        }
    }
}

impl Call {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, ",\"call_id\":");
        string(out, &self.id);
        put(out, ",\"name\":");
        string(out, &self.name);
        if let Some(namespace) = &self.namespace {
            put(out, ",\"namespace\":");
            string(out, namespace);
        }
    }
}
