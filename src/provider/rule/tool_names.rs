//! Tool names that Moonshot refuses (`ls`, `a.b`, long ones) are renamed, uniquely and reversibly.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::protocol::model::tools::{flatten_name, hex_digest};

/// Moonshot's `^[a-zA-Z_][a-zA-Z0-9-_]{2,63}$`.
const MIN_NAME_BYTES: usize = 3;
const MAX_NAME_BYTES: usize = 64;

/// Whether Moonshot accepts a function with this name (its API reference, 2026-09-23).
pub(crate) fn is_accepted(name: &str) -> bool {
    (MIN_NAME_BYTES..=MAX_NAME_BYTES).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(is_name_byte)
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[derive(Default)]
pub(crate) struct NameAllocator {
    reserved: HashSet<String>,
    /// The names that are sent, by the client's namespace and name.
    sent_names: HashMap<(Option<String>, String), String>,
    /// As sent, and as the client knows it, in order.
    pub(crate) renamed_tools: Vec<(String, String)>,
    /// Namespace and name of the tools that have one, by the name that is sent.
    pub(crate) namespaced_tools: BTreeMap<String, (String, String)>,
}

impl NameAllocator {
    pub(crate) fn new(offered: impl Iterator<Item = String>) -> Self {
        Self { reserved: offered.filter(|name| is_accepted(name)).collect(), ..Self::default() }
    }

    /// The name to send, if it is another one. A tool of a namespace gets a flat name: the one that translation to
    /// another API would give it, unless that name is taken or refused.
    pub(crate) fn rename(&mut self, namespace: Option<String>, name: &str) -> Option<String> {
        if namespace.is_none() && (name.is_empty() || is_accepted(name)) {
            return None;
        }
        let own = (namespace, name.to_owned());
        if let Some(sent) = self.sent_names.get(&own) {
            return Some(sent.clone());
        }
        let sent = match &own.0 {
            Some(namespace) => {
                let sent = self.generate_name(&flatten_name(namespace, name));
                self.namespaced_tools.insert(sent.clone(), (namespace.clone(), name.to_owned()));
                sent
            }
            None => {
                let sent = self.generate_name(name);
                self.renamed_tools.push((sent.clone(), name.to_owned()));
                sent
            }
        };
        self.reserved.insert(sent.clone());
        self.sent_names.insert(own, sent.clone());
        Some(sent)
    }

    fn generate_name(&self, name: &str) -> String {
        let readable = make_readable(name);
        if readable.len() <= MAX_NAME_BYTES && !self.reserved.contains(&readable) {
            return readable;
        }
        let stem: String = readable.chars().take(MAX_NAME_BYTES - 9).collect();
        let mut attempt = 0_usize;
        loop {
            let candidate = format!("{stem}_{}", hex_digest(&[name, &attempt.to_string()], 8));
            if !self.reserved.contains(&candidate) {
                return candidate;
            }
            attempt += 1;
        }
    }
}

/// Stays close to the original, because the name shows the model what the tool does.
fn make_readable(name: &str) -> String {
    let mut out: String =
        name.chars().map(|c| if c.is_ascii() && is_name_byte(c as u8) { c } else { '_' }).collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        out.insert(0, '_');
    }
    if out.len() < MIN_NAME_BYTES {
        out.push_str("_tool");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rejected_names_are_renamed() {
        let offered = ["ls", "a.b", "a_b", "read_file", "9lives"].map(String::from);
        let mut names = NameAllocator::new(offered.into_iter());
        assert_eq!(names.rename(None, "read_file"), None);
        assert_eq!(names.rename(None, "ls").as_deref(), Some("ls_tool"));
        assert_eq!(names.rename(None, "9lives").as_deref(), Some("_9lives"));
        let dotted = names.rename(None, "a.b").unwrap();
        assert!(dotted.starts_with("a_b_") && is_accepted(&dotted), "{dotted}");
        assert_eq!(names.rename(None, "a.b").as_deref(), Some(dotted.as_str()), "twice the same");
        assert_eq!(names.renamed_tools.len(), 3);
    }

    #[test]
    fn every_new_name_is_accepted_and_unique() {
        let long = "mcp__server__".repeat(9);
        let longer = format!("{long}x");
        let raw = ["a", "-", "é", "日本語", "a b", "a.b", "a/b", "$x", long.as_str(), longer.as_str()];
        let mut names = NameAllocator::new(raw.iter().map(ToString::to_string));
        let sent: HashSet<String> = raw.iter().map(|name| names.rename(None, name).unwrap()).collect();
        assert_eq!(sent.len(), raw.len());
        for name in sent {
            assert!(is_accepted(&name), "{name}");
        }
    }
}
