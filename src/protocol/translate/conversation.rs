//! The content of a request, independent of its API format.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use super::losses::{self, Losses};
use super::node::StringLiteral;

pub mod media;
pub mod parameters;
pub mod thinking;
pub mod tools;

use media::{FileBlock, ImageBlock};
use parameters::Parameters;
use thinking::ThinkingSettings;
use tools::{ToolChoice, ToolDefinition};

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Conversation<'t> {
    /// The turns, in order.
    pub turns: Vec<ConversationTurn<'t>>,
    /// The tools available to the model.
    pub tools: Vec<ToolDefinition<'t>>,
    /// The tool choice.
    pub tool_choice: Option<ToolChoice<'t>>,
    /// Whether several calls at once are allowed.
    pub parallel_tool_calls: Option<bool>,
    /// The thinking parameters.
    pub thinking: ThinkingSettings<'t>,
    /// Everything else.
    pub parameters: Parameters<'t>,
}

/// The author of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The operator of the model.
    System,
    /// The developer of the client, if the format distinguishes it from the system.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// The tools: such a turn contains only [`ContentBlock::ToolResult`].
    Tools,
}

impl Role {
    /// Whether it sets the rules.
    #[must_use]
    pub const fn is_system(self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }
}

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationTurn<'t> {
    /// The author.
    pub role: Role,
    /// The content, in order.
    pub blocks: Vec<ContentBlock<'t>>,
    /// The author's name; chat has it.
    pub name: Option<StringLiteral<'t>>,
    /// The model must continue this text.
    pub is_partial: bool,
}

impl<'t> ConversationTurn<'t> {
    /// Of these blocks.
    #[must_use]
    pub const fn new(role: Role, blocks: Vec<ContentBlock<'t>>) -> Self {
        Self { role, blocks, name: None, is_partial: false }
    }

    /// Whether the model calls a tool in it.
    #[must_use]
    pub fn has_calls(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block, ContentBlock::ToolCall(_)))
    }
}

/// A part of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentBlock<'t> {
    /// Text.
    Text(StringLiteral<'t>),
    /// The model's refusal, if the format separates it from text.
    Refusal(StringLiteral<'t>),
    /// An image.
    Image(ImageBlock<'t>),
    /// A document.
    File(FileBlock<'t>),
    /// A video's URL.
    Video(StringLiteral<'t>),
    /// Readable reasoning, and the data by which its provider recognises it.
    Reasoning {
        /// The text; may be empty.
        text: StringLiteral<'t>,
        /// A signature, or encrypted content. Opaque.
        signature: Option<StringLiteral<'t>>,
    },
    /// Reasoning that only its provider can read. Opaque.
    RedactedReasoning(StringLiteral<'t>),
    /// A call of a tool.
    ToolCall(ToolCall<'t>),
    /// The result of a call.
    ToolResult(ToolResult<'t>),
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall<'t> {
    /// The provider's id.
    pub id: Cow<'t, str>,
    /// The tool's name, as it is sent.
    pub name: StringLiteral<'t>,
    /// The arguments: JSON text, unless the model produced something else.
    pub arguments: Cow<'t, [u8]>,
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult<'t> {
    /// The call's id.
    pub call_id: Cow<'t, str>,
    /// Text, images and files.
    pub content: Vec<ContentBlock<'t>>,
    /// The tool failed.
    pub is_error: bool,
}

impl Conversation<'_> {
    /// Moves results directly after their calls, before other content, as every format requires. Drops empty
    /// turns, and a tool choice without tools.
    pub(super) fn normalize(&mut self, losses: &mut Losses) {
        self.turns.retain(|turn| !turn.blocks.is_empty());
        let mut settled: Vec<ConversationTurn<'_>> = Vec::with_capacity(self.turns.len());
        // Where the results of the last calls go.
        let mut results: Option<usize> = None;
        for turn in self.turns.drain(..) {
            match (turn.role, results.and_then(|at| settled.get_mut(at))) {
                (Role::Tools, Some(gathered)) if gathered.role == Role::Tools => {
                    gathered.blocks.extend(turn.blocks);
                }
                (Role::Tools, Some(_)) => settled.insert(results.unwrap_or(settled.len()), turn),
                (Role::Assistant, _) => {
                    results = turn.has_calls().then_some(settled.len() + 1);
                    settled.push(turn);
                }
                _ => settled.push(turn),
            }
        }
        self.turns = settled;
        self.normalize_tools(losses);
    }

    /// One tool a name, plain functions first; a choice of something that is offered.
    fn normalize_tools(&mut self, losses: &mut Losses) {
        let plain =
            |tool: &ToolDefinition<'_>| tool.namespace.is_none().then(|| tool.name.text().into_owned());
        let plain: HashSet<String> = self.tools.iter().filter_map(plain).collect();
        self.tools.retain(|tool| {
            let clashes = tool.namespace.is_some() && plain.contains(&*tool.name.text());
            losses.record_if(clashes, losses::NAMESPACE_CLASH);
            !clashes
        });
        if self.tools.is_empty() && self.tool_choice.is_some() {
            losses.record_if(
                !matches!(self.tool_choice, Some(ToolChoice::Auto | ToolChoice::None)),
                losses::TOOL_CHOICE,
            );
            self.tool_choice = None;
        }
        if let Some(ToolChoice::Named(name)) = &self.tool_choice
            && !self.tools.iter().any(|tool| tool.name.text() == name.text())
        {
            losses.record(losses::TOOL_CHOICE);
            self.tool_choice = Some(ToolChoice::Auto);
        }
    }

    /// Namespace and name of the tools that have one, by the name that is sent.
    pub(super) fn tool_namespaces(&self) -> BTreeMap<String, (String, String)> {
        let pair = |tool: &ToolDefinition<'_>| {
            let (namespace, name) = tool.namespace.as_ref()?;
            Some((tool.name.text().into_owned(), (namespace.to_string(), name.to_string())))
        };
        self.tools.iter().filter_map(pair).collect()
    }
}
