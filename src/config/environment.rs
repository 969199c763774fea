//! The process environment, handed in, so that tests bring their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Variables of a process, and the paths that they name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self { variables: pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect() }
    }
}

impl Environment {
    /// That of this process; variables that are not UTF-8 are left out.
    pub(crate) fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable; white space counts as missing.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// The same with one variable more, or with another value of it.
    pub(crate) fn with_variable(&self, name: &str, value: &str) -> Self {
        let mut variables = self.variables.clone();
        variables.insert(name.to_owned(), value.to_owned());
        Self { variables }
    }

    /// `$HOME`.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// `$XDG_CONFIG_HOME`, or `~/.config`. A relative path is ignored, as the XDG specification requires.
    pub(crate) fn config_home(&self) -> Option<PathBuf> {
        let base = self.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        base.or_else(|| Some(self.home()?.join(".config")))
    }

    /// `moonrelay` in `$XDG_STATE_HOME`, or in `~/.local/state`, unless `$STATE_DIRECTORY` is set.
    pub(crate) fn state_directory(&self) -> Option<PathBuf> {
        // Of several systemd gives all; the first is ours (systemd.exec(5), `StateDirectory=`).
        let given = self.get("STATE_DIRECTORY").and_then(|all| all.split(':').find(|path| !path.is_empty()));
        if let Some(given) = given {
            return Some(PathBuf::from(given));
        }
        let base = self.get("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        Some(base.or_else(|| Some(self.home()?.join(".local/state")))?.join("moonrelay"))
    }

    /// `moonrelay` in [`Environment::config_home`].
    pub(crate) fn config_directory(&self) -> Option<PathBuf> {
        self.config_home().map(|base| base.join("moonrelay"))
    }

    /// The file with secrets that `onboard` writes and every command reads.
    pub(crate) fn secrets_file(&self) -> Option<PathBuf> {
        Some(self.config_directory()?.join("env"))
    }

    /// `$CREDENTIALS_DIRECTORY`, which systemd sets.
    pub(crate) fn credentials_directory(&self) -> Option<PathBuf> {
        self.get("CREDENTIALS_DIRECTORY").map(PathBuf::from)
    }

    /// Whether the configuration is managed externally; if so, it is never written here.
    pub(crate) fn is_managed(&self) -> bool {
        self.get("MOONRELAY_NIX_MODE") == Some("1")
    }

    /// A path as the user writes it: `~/` is the home, a relative one starts at `base`.
    pub(crate) fn expand_path(&self, path: &str, base: Option<&Path>) -> PathBuf {
        if let (Some(rest), Some(home)) = (path.strip_prefix("~/"), self.home()) {
            return home.join(rest);
        }
        base.map_or_else(|| PathBuf::from(path), |base| base.join(path))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Environment;

    #[test]
    fn directories_are_found() {
        let environment: Environment =
            [("HOME", "/home/u"), ("XDG_CONFIG_HOME", "relative")].into_iter().collect();
        assert_eq!(environment.config_directory(), Some(PathBuf::from("/home/u/.config/moonrelay")));
        let environment: Environment = [("XDG_CONFIG_HOME", "/x")].into_iter().collect();
        assert_eq!(environment.secrets_file(), Some(PathBuf::from("/x/moonrelay/env")));
        assert_eq!(Environment::default().config_directory(), None);
    }

    #[test]
    fn first_of_several_state_directories_is_used() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().copied().collect::<Environment>().state_directory()
        };
        let home = ("HOME", "/home/u");
        let given = of(&[home, ("STATE_DIRECTORY", "/var/lib/moonrelay:/var/lib/other")]);
        assert_eq!(given, Some(PathBuf::from("/var/lib/moonrelay")));
        let own = Some(PathBuf::from("/home/u/.local/state/moonrelay"));
        assert_eq!([of(&[home]), of(&[home, ("STATE_DIRECTORY", ":")])], [own.clone(), own]);
        assert_eq!(of(&[home, ("XDG_STATE_HOME", "/x")]), Some(PathBuf::from("/x/moonrelay")));
    }

    #[test]
    fn white_space_counts_as_missing() {
        let environment: Environment = [("A", "  "), ("B", "b")].into_iter().collect();
        assert_eq!((environment.get("A"), environment.get("B")), (None, Some("b")));
    }
}
