//! One item of a response's output while it is written.

use crate::protocol::json;
use crate::protocol::model::client_tools::{unwrap_free_text, write_shell_action};
use crate::protocol::model::tools::ToolForm;
use crate::protocol::writer::{ObjectWriter, write_object};

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
    pub(crate) form: ToolForm,
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
    /// The part has `annotations` and `logprobs`, and the text events have `logprobs`.
    pub(crate) has_annotations: bool,
}

const TEXT: PartNames = PartNames {
    delta: "response.output_text.delta",
    done: "response.output_text.done",
    part_added: "response.content_part.added",
    part_done: "response.content_part.done",
    index: "content_index",
    kind: "output_text",
    key: "text",
    has_annotations: true,
};

const REFUSAL: PartNames = PartNames {
    delta: "response.refusal.delta",
    done: "response.refusal.done",
    kind: "refusal",
    key: "refusal",
    has_annotations: false,
    ..TEXT
};

const REASONING: PartNames = PartNames {
    delta: "response.reasoning_text.delta",
    done: "response.reasoning_text.done",
    kind: "reasoning_text",
    has_annotations: false,
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

/// The action of a call of the local shell when it starts.
const EMPTY_ACTION: &[u8] = br#"{"type":"exec","command":[],"env":{}}"#;

impl ItemKind {
    /// The id prefix of such an item.
    pub(crate) const fn prefix(&self) -> &'static str {
        match self {
            Self::Text | Self::Refusal => "msg_",
            Self::Reasoning | Self::Summary => "rs_",
            Self::Call(ItemCall { form: ToolForm::Function, .. }) => "fc_",
            Self::Call(ItemCall { form: ToolForm::FreeText, .. }) => "ctc_",
            Self::Call(ItemCall { form: ToolForm::LocalShell, .. }) => "lsh_",
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

    /// Whether its events are written when it is complete: the calls of a function become those of another tool.
    pub(crate) fn is_withheld(&self) -> bool {
        matches!(&self.kind, ItemKind::Call(call) if call.form != ToolForm::Function)
    }

    /// Turns the arguments of a function into the input of the client's tool. Arguments of another shape, as of a call that
    /// was cut, stay a call of a function, which no client takes for a complete call of its tool.
    pub(crate) fn restore_form(&mut self) {
        let ItemKind::Call(call) = &mut self.kind else { return };
        let literal = [b"\"", &self.open_text[..], b"\""].concat();
        let arguments = json::unescape(&literal).unwrap_or_default();
        let restored = match call.form {
            ToolForm::Function => return,
            ToolForm::FreeText => unwrap_free_text(&arguments).map(|input| {
                let mut escaped = Vec::new();
                json::write_escaped(&mut escaped, &input);
                escaped
            }),
            ToolForm::LocalShell => write_shell_action(&arguments),
        };
        match restored {
            Some(restored) => self.open_text = restored,
            None => {
                call.form = ToolForm::Function;
                let number = self.id.split_once('_').map_or("", |(_, number)| number);
                self.id = format!("{}{number}", self.kind.prefix());
            }
        }
    }

    /// The members of the open part.
    pub(crate) fn write_part(&self, names: &PartNames, part: &mut ObjectWriter<'_>) {
        part.escaped("type", names.kind);
        part.escaped(names.key, &self.open_text);
        if names.has_annotations {
            part.raw("annotations", "[]");
            part.raw("logprobs", "[]");
        }
    }

    /// Closes the open part.
    pub(crate) fn end_part(&mut self, names: &PartNames) {
        let mut part = Vec::with_capacity(self.open_text.len() + 64);
        write_object(&mut part, |part| self.write_part(names, part));
        self.push_closed_part(&part);
    }

    /// Records a part that is complete, as JSON text.
    pub(crate) fn push_closed_part(&mut self, part: &[u8]) {
        if !self.closed_parts.is_empty() {
            self.closed_parts.push(b',');
        }
        self.closed_parts.extend_from_slice(part);
    }

    /// The item as JSON, with its content so far.
    pub(crate) fn write(&self, status: &str, out: &mut Vec<u8>) {
        let kind = match &self.kind {
            ItemKind::Other(json) => return out.extend_from_slice(json),
            ItemKind::Text | ItemKind::Refusal => "message",
            ItemKind::Reasoning | ItemKind::Summary => "reasoning",
            ItemKind::Call(call) => match call.form {
                ToolForm::Function => "function_call",
                ToolForm::FreeText => "custom_tool_call",
                ToolForm::LocalShell => "local_shell_call",
            },
        };
        write_object(out, |item| {
            item.text("id", &self.id);
            item.escaped("type", kind);
            let is_free_text = matches!(&self.kind, ItemKind::Call(call) if call.form == ToolForm::FreeText);
            if !is_free_text {
                item.escaped("status", status);
            }
            match &self.kind {
                ItemKind::Call(call) => self.write_call(call, item),
                ItemKind::Summary => {
                    self.write_parts("summary", item);
                    item.text_or_null("encrypted_content", self.encrypted_content.as_deref());
                }
                ItemKind::Reasoning => {
                    item.raw("summary", "[]");
                    self.write_parts("content", item);
                    item.text_or_null("encrypted_content", self.encrypted_content.as_deref());
                }
                _ => {
                    item.escaped("role", "assistant");
                    self.write_parts("content", item);
                }
            }
        });
    }

    fn write_call(&self, call: &ItemCall, item: &mut ObjectWriter<'_>) {
        item.text("call_id", &call.id);
        if call.form == ToolForm::LocalShell {
            let is_empty = self.open_text.is_empty();
            item.raw("action", if is_empty { EMPTY_ACTION } else { &self.open_text });
            return;
        }
        item.text("name", &call.name);
        if let Some(namespace) = &call.namespace {
            item.text("namespace", namespace);
        }
        item.escaped(if call.form == ToolForm::FreeText { "input" } else { "arguments" }, &self.open_text);
    }

    fn write_parts(&self, key: &str, item: &mut ObjectWriter<'_>) {
        let out = item.value(key);
        out.push(b'[');
        out.extend_from_slice(&self.closed_parts);
        if let Some(names) = self.kind.part_names().filter(|_| self.in_part) {
            out.extend_from_slice(if self.closed_parts.is_empty() { b"" } else { b"," });
            write_object(out, |part| self.write_part(&names, part));
        }
        out.push(b']');
    }
}
