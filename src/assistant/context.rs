//! The system prompt from the workspace's files. The same files always give the same bytes.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// File names in reading order, as in OpenClaw's workspace.
const PROMPT_FILES: [&str; 3] = ["AGENTS.md", "SOUL.md", "TOOLS.md"];

/// Maximum bytes used of one file: about 16,000 tokens, which every turn pays for.
const MAX_FILE_BYTES: usize = 64 << 10;

/// A file in the system prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptSource {
    /// Its path.
    pub path: PathBuf,
    /// Its size, in bytes.
    pub bytes: u64,
    /// Whether the file was truncated.
    pub is_truncated: bool,
}

/// The system prompt and its sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemPrompt {
    /// `None` if the folder is missing or empty.
    pub text: Option<String>,
    /// The files used.
    pub sources: Vec<PromptSource>,
    /// Read errors, for the user.
    pub warnings: Vec<String>,
}

impl SystemPrompt {
    /// Reads the files that exist in a folder.
    #[must_use]
    pub fn from_workspace(workspace: Option<&Path>) -> Self {
        let mut context = Self::default();
        let Some(folder) = workspace else { return context };
        let mut parts = Vec::new();
        for name in PROMPT_FILES {
            let path = folder.join(name);
            match read_truncated(&path) {
                Ok((text, source)) => {
                    if !text.trim().is_empty() {
                        parts.push(format_file(name, &text, &source));
                        context.sources.push(source);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound) => {}
                Err(error) => context.warnings.push(format!("{}: {error}; it is left out", path.display())),
            }
        }
        context.text = (!parts.is_empty()).then(|| parts.join("\n\n"));
        context
    }
}

fn format_file(name: &str, text: &str, source: &PromptSource) -> String {
    let mut text = format!("# {name}\n\n{}", text.trim());
    if source.is_truncated {
        let size = source.bytes;
        text += &format!("\n\n[{name} has {size} bytes; only the first {MAX_FILE_BYTES} are included.]");
    }
    text
}

/// Reads a regular file up to the limit.
fn read_truncated(path: &Path) -> std::io::Result<(String, PromptSource)> {
    // Reading a pipe could block, and a device may have no end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let file = std::fs::File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut raw = Vec::new();
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut raw)?;
    let is_truncated = raw.len() > MAX_FILE_BYTES;
    raw.truncate(MAX_FILE_BYTES);
    // The limit may split a character.
    if let Err(error) = std::str::from_utf8(&raw)
        && is_truncated
        && error.error_len().is_none()
    {
        raw.truncate(error.valid_up_to());
    }
    let text = String::from_utf8(raw);
    let text = text.map_err(|_| std::io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))?;
    let text = text.trim_start_matches('\u{feff}').to_owned();
    Ok((text, PromptSource { path: path.to_owned(), bytes, is_truncated }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_order_under_their_names() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("TOOLS.md"), "use few\n").unwrap();
        std::fs::write(folder.path().join("AGENTS.md"), "\u{feff}be brief\n").unwrap();
        std::fs::write(folder.path().join("README.md"), "not this").unwrap();
        let context = SystemPrompt::from_workspace(Some(folder.path()));
        assert_eq!(context.text.as_deref(), Some("# AGENTS.md\n\nbe brief\n\n# TOOLS.md\n\nuse few"));
        assert_eq!(context.sources.len(), 2);
        assert_eq!(context, SystemPrompt::from_workspace(Some(folder.path())));
        assert_eq!(SystemPrompt::from_workspace(None), SystemPrompt::default());
        assert_eq!(SystemPrompt::from_workspace(Some(Path::new("/nowhere/at/all"))), SystemPrompt::default());
    }

    #[test]
    fn long_file_is_truncated_and_unreadable_file_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("AGENTS.md"), format!("a{}", "ü".repeat(MAX_FILE_BYTES))).unwrap();
        std::fs::write(folder.path().join("SOUL.md"), [0xff, 0xfe]).unwrap();
        std::fs::create_dir(folder.path().join("TOOLS.md")).unwrap();
        let context = SystemPrompt::from_workspace(Some(folder.path()));
        let prompt = context.text.unwrap();
        assert!(
            prompt.ends_with("[AGENTS.md has 131073 bytes; only the first 65536 are included.]"),
            "{prompt}"
        );
        assert!(!prompt.contains('\u{fffd}') && context.sources[0].is_truncated);
        assert_eq!(context.warnings.len(), 2, "{:?}", context.warnings);
        assert!(context.warnings[0].contains("SOUL.md: it is not UTF-8"), "{:?}", context.warnings);
    }
}
