//! Tools that the client runs and that only one API has: tools with free text as their input and the local shell of
//! Responses, Claude's bash, text editor, memory and computer of Messages. Elsewhere they are offered as functions, and
//! their calls are translated back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::TranslationError;
use super::node::{JsonNode, ObjectNode, StringLiteral};
use super::tools::{ToolDefinition, ToolForm};
use crate::protocol::api::Api;
use crate::protocol::json;
use crate::protocol::object::ObjectView;
use crate::protocol::request::RequestBody;
use crate::protocol::writer::write_object;

/// A tool as the client knows it, where it was sent as another function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTool {
    /// The namespace of a tool that has one (Codex).
    pub namespace: Option<String>,
    /// Its name; in its namespace, if it has one.
    pub name: String,
    /// How the client expects its calls.
    pub form: ToolForm,
}

/// The tools that were sent as other functions, by the name that was sent.
pub type ClientTools = BTreeMap<String, ClientTool>;

/// The name of `OpenAI`'s local shell as a function.
pub(crate) const LOCAL_SHELL: &str = "local_shell";

/// The action of `local_shell`, without its type (`OpenAI`'s guide: local shell, 2026-11).
const LOCAL_SHELL_SCHEMA: &[u8] = br#"{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"},"description":"The program and its arguments."},"working_directory":{"type":"string"},"timeout_ms":{"type":"integer"},"env":{"type":"object","additionalProperties":{"type":"string"}}},"required":["command"]}"#;

/// One of Claude's tools that the client runs.
struct ClaudeTool {
    /// What its dated type begins with (`bash_20250124`).
    prefix: &'static str,
    description: &'static str,
    schema: &'static [u8],
}

/// Anthropic's pages on its client tools (bash, text editor, memory, computer use), 2026-11.
const CLAUDE_TOOLS: &[ClaudeTool] = &[
    ClaudeTool {
        prefix: "bash_",
        description: "Run a command in a persistent bash session, or restart the session.",
        schema: br#"{"type":"object","properties":{"command":{"type":"string","description":"The command to run. Required unless restart is true."},"restart":{"type":"boolean"}}}"#,
    },
    ClaudeTool {
        prefix: "text_editor_",
        description: "View, create and edit text files. view takes path and optionally view_range; create takes path and file_text; str_replace takes path, old_str, which must occur exactly once, and new_str; insert takes path, insert_line and insert_text.",
        schema: br#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert"]},"path":{"type":"string"},"view_range":{"type":"array","items":{"type":"integer"},"description":"First and last line, from 1; -1 is the end."},"file_text":{"type":"string"},"old_str":{"type":"string"},"new_str":{"type":"string"},"insert_line":{"type":"integer"},"insert_text":{"type":"string"}},"required":["command","path"]}"#,
    },
    ClaudeTool {
        prefix: "memory_",
        description: "Keep notes between conversations in files below /memories. view takes path and optionally view_range; create takes path and file_text; str_replace takes path, old_str and new_str; insert takes path, insert_line and insert_text; delete takes path; rename takes old_path and new_path. Look at /memories before you start.",
        schema: br#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"]},"path":{"type":"string"},"view_range":{"type":"array","items":{"type":"integer"}},"file_text":{"type":"string"},"old_str":{"type":"string"},"new_str":{"type":"string"},"insert_line":{"type":"integer"},"insert_text":{"type":"string"},"old_path":{"type":"string"},"new_path":{"type":"string"}},"required":["command"]}"#,
    },
    ClaudeTool {
        prefix: "computer_",
        description: "Look at a screen and use its mouse and keyboard.",
        schema: br#"{"type":"object","properties":{"action":{"type":"string","enum":["screenshot","left_click","right_click","middle_click","double_click","triple_click","left_click_drag","left_mouse_down","left_mouse_up","mouse_move","scroll","type","key","hold_key","wait","zoom"]},"coordinate":{"type":"array","items":{"type":"integer"},"description":"x and y in pixels"},"start_coordinate":{"type":"array","items":{"type":"integer"}},"region":{"type":"array","items":{"type":"integer"}},"text":{"type":"string","description":"The text to type, or the keys"},"scroll_direction":{"type":"string","enum":["up","down","left","right"]},"scroll_amount":{"type":"integer"},"duration":{"type":"number","description":"Seconds"}},"required":["action"]}"#,
    },
];

fn find_claude_tool(kind: &str) -> Option<&'static ClaudeTool> {
    CLAUDE_TOOLS.iter().find(|tool| kind.starts_with(tool.prefix))
}

impl<'t> ToolDefinition<'t> {
    /// One of Claude's tools that the client runs; `None` for a tool that Anthropic runs. The calls have the same name and
    /// arguments in both forms.
    pub(crate) fn from_claude_tool(tool: &ObjectNode<'t>) -> Option<Self> {
        let known = find_claude_tool(&tool.string("type")?)?;
        let mut description = known.description.to_owned();
        let pixels = |key| tool.get(key).and_then(JsonNode::as_u64);
        if let (Some(width), Some(height)) = (pixels("display_width_px"), pixels("display_height_px")) {
            description.push_str(&format!(" It has {width} by {height} pixels."));
        }
        Some(Self {
            name: tool.literal("name")?,
            description: Some(StringLiteral::from_text(&description)),
            schema: Some(Cow::Borrowed(known.schema)),
            is_strict: None,
            namespace: None,
            form: ToolForm::Function,
            cache_control: tool.get("cache_control").map(JsonNode::raw),
        })
    }

    /// A tool whose input is free text, as a function with the argument `input`. A grammar is part of its description.
    ///
    /// # Errors
    /// When it has no name.
    pub(crate) fn from_free_text(tool: &ObjectNode<'t>) -> Result<Self, TranslationError> {
        let mut schema = Vec::new();
        write_object(&mut schema, |schema| {
            schema.escaped("type", "object");
            schema.object("properties", |properties| {
                properties.object("input", |input| {
                    input.escaped("type", "string");
                    if let Some(grammar) = describe_grammar(tool) {
                        input.raw("description", &grammar);
                    }
                });
            });
            schema.raw("required", br#"["input"]"#);
        });
        Ok(Self {
            name: tool.require_string("name")?,
            description: tool.literal("description"),
            schema: Some(Cow::Owned(schema)),
            is_strict: None,
            namespace: None,
            form: ToolForm::FreeText,
            cache_control: None,
        })
    }

    /// `OpenAI`'s local shell.
    pub(crate) fn local_shell() -> Self {
        Self {
            name: StringLiteral::from_text(LOCAL_SHELL),
            description: Some(StringLiteral::from_text("Run a command on the user's machine.")),
            schema: Some(Cow::Borrowed(LOCAL_SHELL_SCHEMA)),
            is_strict: None,
            namespace: None,
            form: ToolForm::LocalShell,
            cache_control: None,
        }
    }
}

/// The grammar of a tool: in `format` (Responses), or in its `grammar` (Chat Completions).
fn describe_grammar<'t>(tool: &ObjectNode<'t>) -> Option<StringLiteral<'t>> {
    let format = tool.object("format").ok()??;
    let grammar = format.object("grammar").ok()?.unwrap_or(format);
    let syntax = grammar.string("syntax")?;
    let definition = grammar.literal("definition")?;
    Some(definition.wrap(&format!("Text that matches this {syntax} grammar:\n"), ""))
}

/// The arguments of a function for a call with free text.
pub(crate) fn wrap_free_text(input: &StringLiteral<'_>) -> Vec<u8> {
    [b"{\"input\":".as_slice(), input.as_bytes(), b"}"].concat()
}

/// The free text in the arguments of a function; `None` if they are not complete, or of another shape.
pub(crate) fn unwrap_free_text(arguments: &str) -> Option<String> {
    let object = ObjectView::parse_strict(arguments.as_bytes()).ok()?;
    object.string("input").map(Cow::into_owned)
}

/// The arguments of a function for a call of the local shell: its action without the type.
pub(crate) fn read_shell_action(action: Option<&ObjectNode<'_>>) -> Vec<u8> {
    let mut arguments = Vec::new();
    write_object(&mut arguments, |out| {
        for key in ["command", "working_directory", "timeout_ms", "env"] {
            out.raw_if(key, action.and_then(|action| action.get(key)).map(JsonNode::raw));
        }
    });
    arguments
}

/// The action of the local shell, as JSON, of the arguments of a function; `None` if they are not complete, or of another
/// shape.
pub(crate) fn write_shell_action(arguments: &str) -> Option<Vec<u8>> {
    let object = ObjectView::parse_strict(arguments.as_bytes()).ok()?;
    let command = object.value("command").filter(|_| object.has_array("command"))?;
    let mut out = Vec::new();
    write_object(&mut out, |action| {
        action.escaped("type", "exec");
        action.raw("command", command);
        action.raw("env", object.value("env").unwrap_or(b"{}"));
        action.raw_if("timeout_ms", object.value("timeout_ms"));
        action.raw_if("working_directory", object.value("working_directory"));
    });
    Some(out)
}

/// Whether a request has tools, or calls of tools, that only the provider of its API takes in this form.
#[must_use]
pub fn has_client_tools(body: &RequestBody) -> bool {
    let is_special = |kind: &str| match body.api {
        Api::ChatCompletions => kind == "custom",
        Api::Messages => find_claude_tool(kind).is_some(),
        Api::Responses => matches!(kind, "custom" | "local_shell"),
    };
    let tools = body.value_span("tools").map(|span| ObjectView::parse_array_at(&body.text, span.start));
    let has_special_tool = tools.into_iter().flatten().any(|tool| is_special(&tool.string_or_empty("type")));
    let is_special_item = |kind: &str| {
        matches!(
            kind,
            "custom_tool_call" | "custom_tool_call_output" | "local_shell_call" | "local_shell_call_output"
        )
    };
    has_special_tool
        || body.api == Api::Responses
            && body.messages.iter().any(|item| {
                body.field(item, "type").and_then(json::unescape).is_some_and(|kind| is_special_item(&kind))
            })
}
