//! What a request says, whatever face says it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use super::losses::{self, Losses};
use super::node::Literal;

pub mod knobs;
pub mod media;
pub mod thinking;
pub mod tools;

use knobs::Knobs;
use media::{File, Image};
use thinking::Thinking;
use tools::{Choice, Tool};

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Conversation<'t> {
    /// Who said what, in order.
    pub turns: Vec<Turn<'t>>,
    /// The tools that the model may call.
    pub tools: Vec<Tool<'t>>,
    /// Which of them it shall call.
    pub choice: Option<Choice<'t>>,
    /// Whether it may call several at once.
    pub parallel: Option<bool>,
    /// How it shall think.
    pub thinking: Thinking<'t>,
    /// Everything else.
    pub knobs: Knobs<'t>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Whoever runs the model.
    System,
    /// Whoever wrote the client, where the face keeps the two apart.
    Developer,
    /// Whoever uses it.
    User,
    /// The model.
    Assistant,
    /// The tools: such a turn holds nothing but [`Block::Result`].
    Tools,
}

impl Role {
    /// Whether it sets the rules.
    #[must_use]
    pub const fn is_system(self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }
}

/// What one of them says at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn<'t> {
    /// Who.
    pub role: Role,
    /// What, in order.
    pub blocks: Vec<Block<'t>>,
    /// The author's name; chat has it.
    pub name: Option<Literal<'t>>,
    /// The model shall go on with this text.
    pub partial: bool,
}

impl<'t> Turn<'t> {
    /// Of these blocks.
    #[must_use]
    pub const fn new(role: Role, blocks: Vec<Block<'t>>) -> Self {
        Self { role, blocks, name: None, partial: false }
    }

    /// Whether the model calls a tool in it.
    #[must_use]
    pub fn has_calls(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block, Block::Call(_)))
    }
}

/// A piece of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block<'t> {
    /// Text.
    Text(Literal<'t>),
    /// The model's refusal, where the face keeps it apart from text.
    Refusal(Literal<'t>),
    /// An image.
    Image(Image<'t>),
    /// A document.
    File(File<'t>),
    /// A video's URL.
    Video(Literal<'t>),
    /// Reasoning that can be read, and what lets its provider recognise it.
    Reasoning {
        /// The text; may be empty.
        text: Literal<'t>,
        /// A signature, or encrypted content. Opaque.
        seal: Option<Literal<'t>>,
    },
    /// Reasoning that only its provider can read. Opaque.
    Veiled(Literal<'t>),
    /// A call of a tool.
    Call(Call<'t>),
    /// What came of one.
    Result(Outcome<'t>),
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'t> {
    /// The provider's id.
    pub id: Cow<'t, str>,
    /// The tool's name, as it is sent.
    pub name: Literal<'t>,
    /// The arguments: JSON text if the model kept to it.
    pub arguments: Cow<'t, [u8]>,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<'t> {
    /// The call's id.
    pub id: Cow<'t, str>,
    /// Text, images and files.
    pub content: Vec<Block<'t>>,
    /// The tool failed.
    pub is_error: bool,
}

impl Conversation<'_> {
    /// Puts results right behind the calls that they answer, before whatever else was said: every face wants them there.
    /// Drops turns without a word, and a choice among no tools.
    pub(super) fn settle(&mut self, losses: &mut Losses) {
        self.turns.retain(|turn| !turn.blocks.is_empty());
        let mut settled: Vec<Turn<'_>> = Vec::with_capacity(self.turns.len());
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
        self.settle_tools(losses);
    }

    /// One tool a name, plain functions first; a choice of something that is offered.
    fn settle_tools(&mut self, losses: &mut Losses) {
        let plain = |tool: &Tool<'_>| tool.namespace.is_none().then(|| tool.name.text().into_owned());
        let plain: HashSet<String> = self.tools.iter().filter_map(plain).collect();
        self.tools.retain(|tool| {
            let clashes = tool.namespace.is_some() && plain.contains(&*tool.name.text());
            losses.note_if(clashes, losses::NAMESPACE_CLASH);
            !clashes
        });
        if self.tools.is_empty() && self.choice.is_some() {
            losses.note_if(!matches!(self.choice, Some(Choice::Auto | Choice::None)), losses::TOOL_CHOICE);
            self.choice = None;
        }
        if let Some(Choice::Tool(name)) = &self.choice
            && !self.tools.iter().any(|tool| tool.name.text() == name.text())
        {
            losses.note(losses::TOOL_CHOICE);
            self.choice = Some(Choice::Auto);
        }
    }

    /// Namespace and name of the tools that have one, by the name that is sent.
    pub(super) fn namespaced(&self) -> BTreeMap<String, (String, String)> {
        let pair = |tool: &Tool<'_>| {
            let (namespace, name) = tool.namespace.as_ref()?;
            Some((tool.name.text().into_owned(), (namespace.to_string(), name.to_string())))
        };
        self.tools.iter().filter_map(pair).collect()
    }
}
