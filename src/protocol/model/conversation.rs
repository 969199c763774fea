//! The content of a request, independent of its API.

use std::borrow::Cow;
use std::collections::HashSet;

use super::CacheControlSupport;
use super::client_tools::{ClientTool, ClientTools};
use super::losses::{self, Losses};
use super::node::StringLiteral;
use super::parameters::Parameters;
use super::seal::{Seal, SealOrigin, SealedBlock, SealedTurn};
use super::thinking::ThinkingSettings;
use super::tools::{ToolChoice, ToolDefinition, ToolForm};

#[derive(Clone, Debug, Default)]
pub(crate) struct Conversation<'t> {
    pub(crate) turns: Vec<ConversationTurn<'t>>,
    pub(crate) tools: Vec<ToolDefinition<'t>>,
    pub(crate) tool_choice: Option<ToolChoice<'t>>,
    /// Whether several calls at once are allowed.
    pub(crate) parallel_tool_calls: Option<bool>,
    pub(crate) thinking: ThinkingSettings<'t>,
    pub(crate) parameters: Parameters<'t>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The operator of the model.
    System,
    /// The developer of the client, if the format distinguishes it from the system.
    Developer,
    User,
    Assistant,
    /// The tools: such a turn contains only [`ContentBlock::ToolResult`].
    Tools,
}

impl Role {
    /// Whether it sets the rules.
    pub(crate) const fn is_system(self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConversationTurn<'t> {
    pub(crate) role: Role,
    pub(crate) blocks: Vec<ContentBlock<'t>>,
    /// The author's name; chat has it.
    pub(crate) name: Option<StringLiteral<'t>>,
    /// The model must continue this text.
    pub(crate) is_partial: bool,
}

impl<'t> ConversationTurn<'t> {
    pub(crate) const fn new(role: Role, blocks: Vec<ContentBlock<'t>>) -> Self {
        Self { role, blocks, name: None, is_partial: false }
    }

    pub(crate) fn has_calls(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block, ContentBlock::ToolCall(_)))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContentBlock<'t> {
    Text(StringLiteral<'t>),
    /// The model's refusal, if the format separates it from text.
    Refusal(StringLiteral<'t>),
    Image(ImageBlock<'t>),
    File(FileBlock<'t>),
    Video(StringLiteral<'t>),
    /// Readable reasoning, and the data by which its provider recognises it.
    Reasoning {
        /// The text; may be empty.
        text: StringLiteral<'t>,
        /// A signature, or encrypted content.
        signature: Option<Seal<'t>>,
    },
    /// Reasoning that only its provider can read.
    RedactedReasoning(Seal<'t>),
    ToolCall(ToolCall<'t>),
    ToolResult(ToolResult<'t>),
    /// `cache_control` of the block before: the prompt cache keeps the conversation up to it.
    CacheMark(&'t [u8]),
}

impl ContentBlock<'_> {
    /// Its text, if it is text.
    fn plain_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => text.text(),
            _ => Cow::Borrowed(""),
        }
    }
}

impl From<SealedBlock> for ContentBlock<'_> {
    fn from(block: SealedBlock) -> Self {
        let sealed = |value: &str| Seal::unopened(StringLiteral::from_text(value));
        match block {
            SealedBlock::Text(text) => Self::Text(StringLiteral::from_text(&text)),
            SealedBlock::Reasoning { text, seal } => Self::Reasoning {
                text: StringLiteral::from_text(&text),
                signature: seal.as_deref().map(sealed),
            },
            SealedBlock::Redacted(data) => Self::RedactedReasoning(sealed(&data)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToolCall<'t> {
    /// The provider's id.
    pub(crate) id: Cow<'t, str>,
    pub(crate) name: StringLiteral<'t>,
    /// The arguments: JSON text, unless the model produced something else.
    pub(crate) arguments: Cow<'t, [u8]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToolResult<'t> {
    pub(crate) call_id: Cow<'t, str>,
    /// Text, images and files.
    pub(crate) content: Vec<ContentBlock<'t>>,
    pub(crate) is_error: bool,
}

/// A mark of the default lifetime, five minutes.
const CACHE_MARK: &[u8] = br#"{"type":"ephemeral"}"#;

impl Conversation<'_> {
    /// Gives turns with calls the sealed reasoning that the client did not return, if their text is as it was.
    pub(crate) fn restore_sealed_turns(&mut self, find: &dyn Fn(&[&str]) -> Option<SealedTurn>) {
        for turn in self.turns.iter_mut().filter(|turn| turn.role == Role::Assistant && turn.has_calls()) {
            let is_sealed = turn.blocks.iter().any(|block| {
                matches!(
                    block,
                    ContentBlock::RedactedReasoning(_) | ContentBlock::Reasoning { signature: Some(_), .. }
                )
            });
            if is_sealed {
                continue;
            }
            let ids = turn.blocks.iter().filter_map(|block| match block {
                ContentBlock::ToolCall(call) => Some(&*call.id),
                _ => None,
            });
            let Some(sealed) = find(&ids.collect::<Vec<_>>()) else { continue };
            let text: String = turn.blocks.iter().map(ContentBlock::plain_text).collect();
            let restored: Vec<ContentBlock<'_>> = sealed.blocks.into_iter().map(ContentBlock::from).collect();
            if restored.iter().map(ContentBlock::plain_text).collect::<String>() == text {
                turn.blocks.retain(|block| matches!(block, ContentBlock::ToolCall(_)));
                turn.blocks.splice(..0, restored);
            }
        }
    }

    /// Opens the sealed reasoning of the target. What another provider sealed is removed; its text stays.
    pub(crate) fn open_seals(&mut self, target: &SealOrigin, losses: &mut Losses) {
        for turn in &mut self.turns {
            turn.blocks.retain_mut(|block| match block {
                ContentBlock::Reasoning { text, signature: Some(seal) } => {
                    let opened = target.open(&seal.value);
                    losses.record_if(opened.is_none(), losses::SEALED_REASONING);
                    let keeps = opened.is_some() || !text.is_empty();
                    *block = ContentBlock::Reasoning { text: text.clone(), signature: opened };
                    keeps
                }
                ContentBlock::RedactedReasoning(seal) => {
                    let opened = target.open(&seal.value);
                    losses.record_if(opened.is_none(), losses::SEALED_REASONING);
                    opened.map(|opened| *seal = opened).is_some()
                }
                _ => true,
            });
        }
    }

    /// Adapts the marks of the prompt cache to the target: removes them, keeps the client's, or adds them to a conversation
    /// whose API has none (`is_unmarkable`): at the end of the tools, the system prompt and the last two user turns.
    /// Anthropic takes at most four (its guide: prompt caching, 2026-11).
    pub(crate) fn adapt_cache_marks(
        &mut self,
        support: CacheControlSupport,
        is_unmarkable: bool,
        losses: &mut Losses,
    ) {
        let is_mark = |block: &ContentBlock<'_>| matches!(block, ContentBlock::CacheMark(_));
        let has_marks = self.parameters.cache_control.is_some()
            || self.tools.iter().any(|tool| tool.cache_control.is_some())
            || self.turns.iter().any(|turn| turn.blocks.iter().any(is_mark));
        match support {
            CacheControlSupport::Removed => {
                losses.record_if(has_marks, losses::CACHE_CONTROL);
                self.parameters.cache_control = None;
                self.tools.iter_mut().for_each(|tool| tool.cache_control = None);
                self.turns.iter_mut().for_each(|turn| turn.blocks.retain(|block| !is_mark(block)));
            }
            CacheControlSupport::Added if is_unmarkable && !has_marks => self.add_cache_marks(),
            CacheControlSupport::Added | CacheControlSupport::Kept => {}
        }
    }

    fn add_cache_marks(&mut self) {
        if let Some(last) = self.tools.last_mut() {
            last.cache_control = Some(CACHE_MARK);
        }
        let system = self.turns.iter_mut().take_while(|turn| turn.role.is_system()).last();
        let is_user = |turn: &&mut ConversationTurn<'_>| matches!(turn.role, Role::User | Role::Tools);
        for turn in system.into_iter() {
            turn.blocks.push(ContentBlock::CacheMark(CACHE_MARK));
        }
        for turn in self.turns.iter_mut().rev().filter(is_user).take(2) {
            turn.blocks.push(ContentBlock::CacheMark(CACHE_MARK));
        }
    }

    /// Whether the conversation refers to a file that a provider stores.
    pub(crate) fn has_stored_files(&self) -> bool {
        let is_stored = |block: &ContentBlock<'_>| match block {
            ContentBlock::Image(ImageBlock { source, .. }) | ContentBlock::File(FileBlock { source, .. }) => {
                matches!(source, MediaSource::FileId(_))
            }
            _ => false,
        };
        self.turns.iter().flat_map(|turn| &turn.blocks).any(|block| match block {
            ContentBlock::ToolResult(result) => result.content.iter().any(is_stored),
            block => is_stored(block),
        })
    }

    /// Removes the images of the assistant, which only OpenRouter takes.
    pub(crate) fn remove_assistant_images(&mut self, losses: &mut Losses) {
        for turn in self.turns.iter_mut().filter(|turn| turn.role == Role::Assistant) {
            for block in &mut turn.blocks {
                if matches!(block, ContentBlock::Image(_)) {
                    losses.record(losses::ASSISTANT_IMAGES);
                    *block = ContentBlock::Text(StringLiteral::from_text("[image removed]"));
                }
            }
        }
    }

    /// Moves results directly after their calls, before other content, as every format requires. Drops empty
    /// turns, and a tool choice without tools.
    pub(crate) fn normalize(&mut self, losses: &mut Losses) {
        let has_content = |turn: &ConversationTurn<'_>| {
            turn.blocks.iter().any(|block| !matches!(block, ContentBlock::CacheMark(_)))
        };
        self.turns.retain(has_content);
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

    /// The tools that are sent as other functions, by the name that is sent.
    pub(crate) fn client_tools(&self) -> ClientTools {
        let is_other =
            |tool: &&ToolDefinition<'_>| tool.namespace.is_some() || tool.form != ToolForm::Function;
        let pair = |tool: &ToolDefinition<'_>| {
            let sent = tool.name.text().into_owned();
            let (namespace, name) = match &tool.namespace {
                Some((namespace, name)) => (Some(namespace.to_string()), name.to_string()),
                None => (None, sent.clone()),
            };
            (sent, ClientTool { namespace, name, form: tool.form })
        };
        self.tools.iter().filter(is_other).map(pair).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MediaSource<'t> {
    /// In the request.
    Data {
        /// The media type; a string without quotes.
        media_type: Cow<'t, str>,
        /// Base64, between quotes.
        data: StringLiteral<'t>,
    },
    Url(StringLiteral<'t>),
    /// At the provider.
    FileId(StringLiteral<'t>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageBlock<'t> {
    pub(crate) source: MediaSource<'t>,
    /// How closely it is to be looked at: `auto`, `low`, `high`.
    pub(crate) detail: Option<StringLiteral<'t>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileBlock<'t> {
    pub(crate) source: MediaSource<'t>,
    pub(crate) name: Option<StringLiteral<'t>>,
}

impl<'t> MediaSource<'t> {
    /// From a URL, which may contain the data itself (RFC 2397).
    pub(crate) fn from_url(url: StringLiteral<'t>) -> Self {
        let data = url.text().strip_prefix("data:").and_then(|rest| {
            let (terms, data) = rest.split_once(',')?;
            let media_type = terms.strip_suffix(";base64")?;
            let media_type = media_type.split(';').next().unwrap_or_default();
            Some((media_type.to_owned(), StringLiteral::from_text(data)))
        });
        match data {
            Some((media_type, data)) => Self::Data { media_type: Cow::Owned(media_type), data },
            None => Self::Url(url),
        }
    }

    /// From the data of a file: a URL, or bare base64, whose type follows from the file's name.
    pub(crate) fn from_file_data(data: StringLiteral<'t>, name: Option<&StringLiteral<'t>>) -> Self {
        if data.text().contains(':') {
            return Self::from_url(data);
        }
        let name = name.map(|name| name.text().to_ascii_lowercase()).unwrap_or_default();
        let media_type = match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("txt" | "md") => "text/plain",
            Some("csv") => "text/csv",
            Some("json") => "application/json",
            Some("html") => "text/html",
            _ => "application/pdf",
        };
        Self::Data { media_type: Cow::Borrowed(media_type), data }
    }

    /// As a URL; `None` for an id.
    pub(crate) fn to_url(&self) -> Option<StringLiteral<'t>> {
        match self {
            Self::Data { media_type, data } => Some(data.wrap(&format!("data:{media_type};base64,"), "")),
            Self::Url(url) => Some(url.clone()),
            Self::FileId(_) => None,
        }
    }
}
