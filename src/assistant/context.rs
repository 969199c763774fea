//! The system prompt: what the workspace's files say, the same bytes every time that they say the same.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Read in this order. The names are those of OpenClaw's workspace.
const FILES: [&str; 3] = ["AGENTS.md", "SOUL.md", "TOOLS.md"];

/// Of one file this much is told, in bytes: about 16,000 tokens, of which every turn pays.
const MOST: usize = 64 << 10;

/// What a file gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it stands.
    pub path: PathBuf,
    /// Its size, in bytes.
    pub bytes: u64,
    /// Whether only its beginning is told.
    pub is_cut: bool,
}

/// The system prompt, and where it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// `None` where there is no folder, or nothing in it.
    pub prompt: Option<String>,
    /// The files that it is made of.
    pub sources: Vec<Source>,
    /// What could not be read, for people.
    pub warnings: Vec<String>,
}

impl Context {
    /// Of the files in a folder that are there. It reads the disk.
    #[must_use]
    pub fn of(workspace: Option<&Path>) -> Self {
        let mut context = Self::default();
        let Some(folder) = workspace else { return context };
        let mut parts = Vec::new();
        for name in FILES {
            let path = folder.join(name);
            match read(&path) {
                Ok((text, source)) => {
                    if !text.trim().is_empty() {
                        parts.push(part(name, &text, &source));
                        context.sources.push(source);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound) => {}
                Err(error) => context.warnings.push(format!("{}: {error}; it is left out", path.display())),
            }
        }
        context.prompt = (!parts.is_empty()).then(|| parts.join("\n\n"));
        context
    }
}

fn part(name: &str, text: &str, source: &Source) -> String {
    let text = text.trim();
    if source.is_cut {
        return format!(
            "# {name}\n\n{text}\n\n[{name} has {} bytes; only the first {MOST} are told here.]",
            source.bytes
        );
    }
    format!("# {name}\n\n{text}")
}

/// The text of a regular file, as far as it is told.
fn read(path: &Path) -> std::io::Result<(String, Source)> {
    // A pipe would be waited for, and a device has no end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    let file = std::fs::File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut raw = Vec::new();
    file.take(MOST as u64 + 1).read_to_end(&mut raw)?;
    let is_cut = raw.len() > MOST;
    raw.truncate(MOST);
    let text = match String::from_utf8(raw) {
        Ok(text) => text,
        // The cut may fall into a character.
        Err(error) if is_cut && error.utf8_error().error_len().is_none() => {
            let whole = error.utf8_error().valid_up_to();
            String::from_utf8_lossy(error.as_bytes().get(..whole).unwrap_or_default()).into_owned()
        }
        Err(_) => return Err(std::io::Error::new(ErrorKind::InvalidData, "it is no UTF-8")),
    };
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok((text, Source { path: path.to_owned(), bytes, is_cut }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_in_their_order_under_their_names() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("TOOLS.md"), "use few\n").unwrap();
        std::fs::write(folder.path().join("AGENTS.md"), "\u{feff}be brief\n").unwrap();
        std::fs::write(folder.path().join("README.md"), "not this").unwrap();
        let context = Context::of(Some(folder.path()));
        assert_eq!(context.prompt.as_deref(), Some("# AGENTS.md\n\nbe brief\n\n# TOOLS.md\n\nuse few"));
        assert_eq!(context.sources.len(), 2);
        assert_eq!(context, Context::of(Some(folder.path())));
        assert_eq!(Context::of(None), Context::default());
        assert_eq!(Context::of(Some(Path::new("/nowhere/at/all"))), Context::default());
    }

    #[test]
    fn what_is_long_is_cut_and_says_so_and_what_cannot_be_read_warns() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("AGENTS.md"), format!("a{}", "ü".repeat(MOST))).unwrap();
        std::fs::write(folder.path().join("SOUL.md"), [0xff, 0xfe]).unwrap();
        std::fs::create_dir(folder.path().join("TOOLS.md")).unwrap();
        let context = Context::of(Some(folder.path()));
        let prompt = context.prompt.unwrap();
        assert!(
            prompt.ends_with("[AGENTS.md has 131073 bytes; only the first 65536 are told here.]"),
            "{prompt}"
        );
        assert!(!prompt.contains('\u{fffd}') && context.sources[0].is_cut);
        assert_eq!(context.warnings.len(), 2, "{:?}", context.warnings);
        assert!(context.warnings[0].contains("SOUL.md: it is no UTF-8"), "{:?}", context.warnings);
    }
}
