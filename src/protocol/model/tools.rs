//! Tools, and the ids of their calls.
//!
//! Providers use arbitrary call ids (Kimi's `functions.Bash:0`), and each API accepts a different set. An id that an
//! API rejects is escaped, and restored when it returns. No state is stored: the escaped id depends on the id alone, so
//! call and result agree, also across requests.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::TranslationError;
use super::node::{JsonNode, ObjectNode, StringLiteral};

/// How an API writes the calls of a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolForm {
    /// With a JSON object.
    #[default]
    Function,
    /// With free text (`custom`).
    FreeText,
    /// With the action of `OpenAI`'s `local_shell`.
    LocalShell,
}

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToolDefinition<'t> {
    /// Its name, as it is sent.
    pub(crate) name: StringLiteral<'t>,
    pub(crate) description: Option<StringLiteral<'t>>,
    /// JSON Schema of its arguments: the client's bytes, or that of a tool of another form.
    pub(crate) schema: Option<Cow<'t, [u8]>>,
    /// Whether the arguments must match the schema.
    pub(crate) is_strict: Option<bool>,
    /// Namespace and name, where it has one.
    pub(crate) namespace: Option<(Cow<'t, str>, Cow<'t, str>)>,
    /// How the client expects its calls.
    pub(crate) form: ToolForm,
    /// `cache_control`: the prompt cache keeps the tools up to this one.
    pub(crate) cache_control: Option<&'t [u8]>,
}

impl<'t> ToolDefinition<'t> {
    /// A function of Chat Completions or Responses.
    ///
    /// # Errors
    /// When it has no name.
    pub(crate) fn from_function(function: &ObjectNode<'t>) -> Result<Self, TranslationError> {
        Ok(Self {
            name: function.require_string("name")?,
            description: function.literal("description"),
            schema: function.get("parameters").map(|schema| Cow::Borrowed(schema.raw())),
            is_strict: function.get("strict").and_then(JsonNode::as_bool),
            namespace: None,
            form: ToolForm::Function,
            cache_control: None,
        })
    }

    /// The schema with `type: object` at its root, for APIs that require it (Anthropic's and `OpenAI`'s guides on tools). A
    /// schema whose root is a reference or a choice stays as it is.
    pub(crate) fn object_schema(&self) -> Cow<'_, [u8]> {
        let Some(schema) = self.schema.as_deref() else { return Cow::Borrowed(EMPTY_SCHEMA) };
        let Ok(object) = JsonNode::new(schema).object() else { return Cow::Borrowed(schema) };
        let mut members = object.entries().peekable();
        if members.peek().is_none() {
            return Cow::Borrowed(EMPTY_SCHEMA);
        }
        if members.any(|(key, _)| matches!(&*key, "type" | "anyOf" | "oneOf" | "allOf" | "$ref")) {
            return Cow::Borrowed(schema);
        }
        let rest = schema.trim_ascii_start().strip_prefix(b"{").unwrap_or_default();
        Cow::Owned([br#"{"type":"object","#, rest].concat())
    }
}

/// The schema of a tool without arguments.
const EMPTY_SCHEMA: &[u8] = br#"{"type":"object","properties":{}}"#;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToolChoice<'t> {
    /// As the model thinks fit.
    Auto,
    /// No tool.
    None,
    /// At least one.
    Required,
    Named(StringLiteral<'t>),
}

/// The longest name that every supported provider accepts (Moonshot's and OpenAI's API references, 2026-09).
const MAX_NAME_CHARS: usize = 64;

/// The flat name of a tool in a namespace. It depends on nothing else, so calls in the history match.
#[must_use]
pub fn flatten_name(namespace: &str, name: &str) -> String {
    let joint = if namespace.is_empty() || namespace.ends_with("__") { "" } else { "__" };
    let flat = format!("{namespace}{joint}{name}");
    if flat.chars().count() <= MAX_NAME_CHARS {
        return flat;
    }
    let digest = digest_bytes(flat.bytes());
    let stem: String = flat.chars().take(MAX_NAME_CHARS - 9).collect();
    format!("{stem}_{}", digest.get(..8).unwrap_or_default())
}

/// Prefix of an escaped id: letters, digits and `_` are literal, other bytes are `-` and two hexadecimal
/// digits.
const ESCAPE_PREFIX: &str = "mrl_";
/// Prefix of the digest of an id that is too long to escape.
const DIGEST_PREFIX: &str = "mrx_";
/// The maximum length in both formats. Anthropic's and OpenAI's API references, 2026-11.
const MAX_CHARS: usize = 64;

/// As Messages accepts it: `^[a-zA-Z0-9_-]+$`, at most 64 characters.
#[must_use]
pub fn to_messages_id(id: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let passes = (1..=MAX_CHARS).contains(&id.len()) && id.bytes().all(plain);
    if passes && !id.starts_with(ESCAPE_PREFIX) { Cow::Borrowed(id) } else { Cow::Owned(replace_id(id)) }
}

/// As Responses accepts it: 1 to 64 characters.
#[must_use]
pub fn to_responses_id(id: &str) -> Cow<'_, str> {
    let passes = !id.is_empty() && id.chars().take(MAX_CHARS + 1).count() <= MAX_CHARS;
    if passes && !id.starts_with(ESCAPE_PREFIX) { Cow::Borrowed(id) } else { Cow::Owned(replace_id(id)) }
}

/// The original of an escaped id. A digest is unchanged.
#[must_use]
pub fn restore_original(id: &str) -> Cow<'_, str> {
    match id.strip_prefix(ESCAPE_PREFIX).and_then(unescape_id) {
        // A provider's id may look like an escaped one.
        Some(own) if escape_id(&own) == id => Cow::Owned(own),
        _ => Cow::Borrowed(id),
    }
}

/// The provider's own id, unescaped if the gateway escaped it.
pub(crate) fn restore_id(id: Cow<'_, str>) -> Cow<'_, str> {
    match restore_original(&id) {
        Cow::Borrowed(_) => id,
        Cow::Owned(own) => Cow::Owned(own),
    }
}

/// The member that wraps non-object arguments, for a format that requires an object.
pub(crate) const RAW_ARGUMENTS_KEY: &str = "moonrelay_raw_arguments";

fn replace_id(id: &str) -> String {
    let escaped = escape_id(id);
    if escaped.len() <= MAX_CHARS { escaped } else { format!("{DIGEST_PREFIX}{}", digest_bytes(id.bytes())) }
}

fn escape_id(id: &str) -> String {
    let mut out = String::with_capacity(ESCAPE_PREFIX.len() + id.len() + 8);
    out.push_str(ESCAPE_PREFIX);
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "-{byte:02x}");
        }
    }
    out
}

fn unescape_id(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'-' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

/// Hexadecimal digits, at most 32, that depend on the parts and their borders alone. The standard hasher may change
/// between compilers, and a changed id invalidates the provider's prompt cache.
#[must_use]
pub fn hex_digest(parts: &[&str], digits: usize) -> String {
    let mut text = digest_bytes(parts.iter().flat_map(|part| part.bytes().chain([0xff])));
    text.truncate(digits);
    text
}

/// Two FNV-1a hashes, as 32 hexadecimal digits.
fn digest_bytes(bytes: impl Iterator<Item = u8> + Clone) -> String {
    let fnv = |seed: u64| {
        let hash =
            bytes.clone().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        // FNV's high bits mix late; this spreads them (the finaliser of MurmurHash3).
        let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^ (hash >> 33)
    };
    format!("{:016x}{:016x}", fnv(0xcbf2_9ce4_8422_2325), fnv(0x6c62_272e_07bb_0142))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn valid_ids_are_unchanged_and_others_escaped() {
        assert_eq!(to_messages_id("toolu_01AbC-9"), "toolu_01AbC-9");
        assert_eq!(to_messages_id("functions.get_weather:0"), "mrl_functions-2eget_weather-3a0");
        assert_eq!(to_responses_id("functions.get_weather:0"), "functions.get_weather:0");
        assert_eq!(restore_original("mrl_functions-2eget_weather-3a0"), "functions.get_weather:0");
        assert_eq!(to_messages_id(""), "mrl_");
        assert_eq!(restore_original("mrl_-zz"), "mrl_-zz");
        // A pinned value: provider caches contain ids derived from it.
        assert_eq!(to_responses_id(&"x".repeat(65)), "mrx_e019e1226cfe07c0efe0ca73af468763");
    }

    #[test]
    fn digest_is_stable_and_depends_on_borders() {
        assert_ne!(hex_digest(&["ab", "c"], 24), hex_digest(&["a", "bc"], 24));
        // A pinned value: ids derived from it are in provider caches.
        assert_eq!(hex_digest(&["functions.exec:0", "1", "0"], 24), "d2e36977e5c6c2c5804d3ce4");
    }

    proptest! {
        #[test]
        fn escaping_is_undone(id in "(mrl_|mrx_|mrl_-2e|call_)?[a-z0-9.:_é-]{0,8}") {
            for made in [to_messages_id(&id), to_responses_id(&id)] {
                prop_assert!((1..=64).contains(&made.chars().count()));
                prop_assert_eq!(&*restore_original(&made), &id);
            }
            prop_assert!(to_messages_id(&id).bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
        }

        #[test]
        fn any_id_is_accepted_and_restored(id in any::<String>(), other in any::<String>()) {
            let pairs = [(to_messages_id(&id), to_messages_id(&other)), (to_responses_id(&id), to_responses_id(&other))];
            for (made, made_other) in pairs {
                prop_assert!((1..=64).contains(&made.chars().count()));
                prop_assert_eq!(made == made_other, id == other);
            }
            prop_assert_eq!(to_messages_id(&to_responses_id(&id)).chars().count() <= 64, true);
        }
    }
}
