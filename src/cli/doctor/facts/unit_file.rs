//! Keys and program of a unit file (systemd.syntax(7)).

use std::path::{Path, PathBuf};

use crate::config::Environment;

/// Of `[Service]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct UnitFile {
    /// `ExecStart=`: its words.
    pub(in crate::cli::doctor) command: Vec<String>,
    /// `Environment=`.
    pub(in crate::cli::doctor) variables: Vec<(String, String)>,
    /// `EnvironmentFile=`.
    pub(in crate::cli::doctor) environment_files: Vec<PathBuf>,
    /// `LoadCredential=`: names and files.
    pub(in crate::cli::doctor) credentials: Vec<(String, PathBuf)>,
    /// Names of credentials with unknown values: encrypted ones, and those without a file.
    pub(in crate::cli::doctor) opaque_credentials: Vec<String>,
}

impl UnitFile {
    /// Reads a unit file and its drop-ins; unreadable files are ignored.
    pub(in crate::cli::doctor) fn read(paths: &[PathBuf], environment: &Environment) -> Self {
        let mut unit = Self::default();
        for path in paths {
            unit.parse(&std::fs::read_to_string(path).unwrap_or_default(), environment);
        }
        unit
    }

    /// Takes the lines of one file over those before it.
    pub(in crate::cli::doctor) fn parse(&mut self, text: &str, environment: &Environment) {
        let text = text.replace("\\\n", " ");
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                section = line;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| section == "[Service]") else {
                continue;
            };
            if !line.starts_with(['#', ';']) {
                self.set(key.trim(), value.trim(), environment);
            }
        }
    }

    /// An empty value resets the earlier ones.
    fn set(&mut self, key: &str, value: &str, environment: &Environment) {
        let expand = |text: &str| expand(text, environment);
        match (key, value) {
            ("ExecStart", _) => self.command = words(&expand(value)),
            ("Environment", "") => self.variables.clear(),
            ("Environment", _) => self.variables.extend(words(&expand(value)).iter().filter_map(|word| {
                let (name, value) = word.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })),
            ("EnvironmentFile", "") => self.environment_files.clear(),
            ("EnvironmentFile", _) => {
                self.environment_files.push(PathBuf::from(expand(value.trim_start_matches('-'))));
            }
            ("LoadCredential", "") => self.credentials.clear(),
            ("LoadCredential", _) => match expand(value).split_once(':') {
                Some((name, path)) if path.starts_with('/') => {
                    self.credentials.push((name.to_owned(), PathBuf::from(path)));
                }
                Some((name, _)) => self.opaque_credentials.push(name.to_owned()),
                None => self.opaque_credentials.push(value.to_owned()),
            },
            ("LoadCredentialEncrypted" | "SetCredentialEncrypted" | "ImportCredential", _) => {
                let name = value.split(':').next().unwrap_or_default();
                self.opaque_credentials.push(name.to_owned());
            }
            _ => {}
        }
    }

    /// The program, absolute.
    pub(in crate::cli::doctor) fn program(&self) -> Option<&Path> {
        // Prefixes of a command (systemd.service(5), "Command lines").
        let first = self.command.first()?.trim_start_matches(['@', '-', ':', '+', '!']);
        first.starts_with('/').then(|| Path::new(first))
    }

    /// `--config` of its command.
    pub(in crate::cli::doctor) fn config(&self) -> Option<PathBuf> {
        let mut words = self.command.iter();
        while let Some(word) = words.next() {
            match word.strip_prefix("--config") {
                Some("") => return words.next().map(PathBuf::from),
                Some(path) if path.starts_with('=') => {
                    return Some(PathBuf::from(path.trim_start_matches('=')));
                }
                _ => {}
            }
        }
        None
    }
}

/// The specifiers that our units use (systemd.unit(5)).
fn expand(text: &str, environment: &Environment) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(character) = chars.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let path = |path: Option<PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
        match chars.next() {
            Some('%') => out.push('%'),
            Some('h') => out.push_str(&path(environment.home())),
            Some('t') => out.push_str(environment.get("XDG_RUNTIME_DIR").unwrap_or_default()),
            Some('E') => out.push_str(&path(environment.config_home())),
            Some('S') => {
                let state = environment.state_directory();
                out.push_str(&path(state.and_then(|state| state.parent().map(Path::to_owned))));
            }
            Some(other) => out.extend(['%', other]),
            None => out.push('%'),
        }
    }
    out
}

/// Words between white space; quotes keep it inside one.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    let mut chars = text.chars();
    while let Some(character) = chars.next() {
        match (character, quote) {
            ('\\', _) => word.extend(chars.next()),
            (end, Some(open)) if end == open => quote = None,
            ('"' | '\'', None) => (quote, begun) = (Some(character), true),
            (space, None) if space.is_whitespace() => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (other, _) => word.push(other),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_says_its_program_its_configuration_and_its_keys() {
        let environment: Environment =
            [("HOME", "/home/u"), ("XDG_RUNTIME_DIR", "/run/user/7")].into_iter().collect();
        let mut unit = UnitFile::default();
        unit.parse(
            "[Unit]\nEnvironment=NOT=this\n[Service]\nExecStart=\"/opt/a b/moonrelay\" gateway run \\\n --config %h/50%%.json5\n\
             # Environment=NOR=this\nEnvironment=A=1 \"B=two words\"\nEnvironmentFile=-%t/keys\n\
             LoadCredential=KIMI_API_KEY:%h/.secrets/kimi\nSetCredential=KIMI_API_KEY:\\n\nImportCredential=moon.*\n",
            &environment,
        );
        assert_eq!(unit.program(), Some(Path::new("/opt/a b/moonrelay")));
        assert_eq!(unit.config(), Some(PathBuf::from("/home/u/50%.json5")));
        let variables =
            [("A", "1"), ("B", "two words")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(unit.variables, variables);
        assert_eq!(unit.environment_files, [PathBuf::from("/run/user/7/keys")]);
        assert_eq!(unit.credentials, [("KIMI_API_KEY".to_owned(), PathBuf::from("/home/u/.secrets/kimi"))]);
        assert_eq!(unit.opaque_credentials, ["moon.*"]);
        // Drop-ins reset lines.
        unit.parse("[Service]\nEnvironmentFile=\nLoadCredential=\nExecStart=\nExecStart=/usr/bin/moonrelay gateway run\n", &environment);
        assert_eq!((unit.environment_files.len(), unit.credentials.len(), unit.config()), (0, 0, None));
        assert_eq!(unit.program(), Some(Path::new("/usr/bin/moonrelay")));
    }
}
