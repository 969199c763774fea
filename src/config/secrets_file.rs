//! The secrets file: `KEY=value` lines, which `onboard` writes and every command reads.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::settings::SecretsFileProblem;

/// Limit in MiB for files that the configuration names: a path may name an endless file (`/dev/zero`).
const MAX_MIB: u64 = 8;

/// Reads a whole file of at most 8 MiB.
pub(super) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let limit = MAX_MIB << 20;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {MAX_MIB} MiB")));
    }
    Ok(bytes)
}

/// The content of the file, and its problems.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SecretsFile {
    /// By name.
    pub(crate) values: BTreeMap<String, String>,
    /// In the order in which they were found.
    pub(crate) problems: Vec<SecretsFileProblem>,
}

impl SecretsFile {
    /// Reads the file. A missing file is empty and causes no warning; a broken link does.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = match read_bounded(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() => {
                return Self::default();
            }
            Err(error) => {
                let problem = SecretsFileProblem::Unreadable(error.to_string());
                return Self { values: BTreeMap::new(), problems: vec![problem] };
            }
        };
        let mut file = Self::parse(&bytes);
        // The file could be read a moment ago, so an error here is not reported.
        let mode = path.metadata().map_or(0, |facts| facts.permissions().mode() & 0o777);
        if mode & 0o044 != 0 {
            file.problems.push(SecretsFileProblem::OpenToOthers { path: path.to_owned(), mode });
        }
        file
    }

    /// Reads `KEY=value` lines: `#` starts a comment line, `export ` is allowed, quotes around a value are
    /// removed, a line that is not UTF-8 is left out.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut file = Self::default();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let Ok(line) = std::str::from_utf8(line) else {
                file.problems.push(SecretsFileProblem::InvalidLine(number + 1));
                continue;
            };
            if let Some((key, value)) = parse_pair(line) {
                file.values.insert(key.to_owned(), strip_quotes(value).to_owned());
            }
        }
        file
    }
}

/// The name that a line sets; `None` for comments and other lines.
pub(crate) fn parse_name(line: &[u8]) -> Option<&str> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    parse_pair(std::str::from_utf8(line).ok()?).map(|(name, _)| name)
}

/// Name and value as written.
fn parse_pair(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
    Some((name.trim(), value.trim()))
}

fn strip_quotes(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{SecretsFile, SecretsFileProblem};

    fn pairs(file: &SecretsFile) -> Vec<(&str, &str)> {
        file.values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    #[test]
    fn lines_are_parsed_in_every_form() {
        let read = SecretsFile::parse(b"# keys\nA=1\r\nexport B = 'two words'\n\nC=\"x=y\"\nnonsense\n");
        assert_eq!(pairs(&read), [("A", "1"), ("B", "two words"), ("C", "x=y")]);
        assert_eq!(read.problems, []);
    }

    #[test]
    fn byte_order_mark_and_invalid_line_do_not_affect_other_lines() {
        let read = SecretsFile::parse(b"\xef\xbb\xbfA=1\nB=\xff\xfe\nC=3\n");
        assert_eq!(pairs(&read), [("A", "1"), ("C", "3")]);
        assert_eq!(read.problems, [SecretsFileProblem::InvalidLine(2)]);
    }

    #[test]
    fn unreadable_file_is_a_problem_and_missing_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        assert_eq!(SecretsFile::read(&path), SecretsFile::default());
        let is_unreadable = |read: SecretsFile| {
            read.values.is_empty() && matches!(read.problems[..], [SecretsFileProblem::Unreadable(_)])
        };
        assert!(is_unreadable(SecretsFile::read(folder.path())), "a directory");
        symlink("/nowhere/at/all", &path).unwrap();
        assert!(is_unreadable(SecretsFile::read(&path)), "a dangling link");
    }

    #[test]
    fn file_that_others_can_read_is_a_problem_with_a_fix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        fs::write(&path, "A=1\n").unwrap();
        for (mode, is_reported) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = SecretsFile::read(&path);
            assert_eq!(
                (pairs(&read), read.problems.len()),
                (vec![("A", "1")], usize::from(is_reported)),
                "{mode:o}"
            );
        }
        let problem = SecretsFile::read(&path).problems.remove(0).to_string();
        assert_eq!(problem, format!("other users can read it (mode 604): chmod 600 {}", path.display()));
    }
}
