//! What a path depends on.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows (path_resolution(7)).
const MAX_LINKS: usize = 40;
/// What is in there never changes, and something new comes all the time.
const NIX_STORE: &str = "/nix/store";

/// One name in one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathEntry {
    pub(super) directory: PathBuf,
    pub(super) name: OsString,
    /// Whether it is the file itself, not a directory or a link on its path.
    pub(super) is_file: bool,
}

/// Each directory entry that determines what a path names: every directory and link on the path, and the file
/// itself. None of them needs to exist.
pub(super) fn list_path_entries(path: &Path) -> Vec<PathEntry> {
    let mut found = Vec::new();
    let (mut done, mut links) = (PathBuf::new(), 0);
    let mut left: VecDeque<OsString> = split_components(path);
    while let Some(name) = left.pop_front() {
        let here = done.join(&name);
        match Path::new(&name).components().next() {
            Some(Component::ParentDir) => {
                done.pop();
            }
            Some(Component::Normal(_)) => {
                let target = std::fs::read_link(&here).ok().filter(|_| links < MAX_LINKS);
                let is_file = target.is_none() && left.is_empty();
                if !done.starts_with(NIX_STORE) {
                    found.push(PathEntry { directory: done.clone(), name, is_file });
                }
                match target {
                    Some(target) => {
                        links += 1;
                        for part in split_components(&target).into_iter().rev() {
                            left.push_front(part);
                        }
                    }
                    None => done = here,
                }
            }
            // From the root on again.
            _ => done = here,
        }
    }
    found
}

fn split_components(path: &Path) -> VecDeque<OsString> {
    path.components().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{MAX_LINKS, list_path_entries};

    #[test]
    fn every_directory_and_link_on_the_way_is_an_entry() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        std::fs::create_dir_all(home.join("store/one")).unwrap();
        std::fs::create_dir(home.join("config")).unwrap();
        std::fs::write(home.join("store/one/file"), "").unwrap();
        symlink("one", home.join("store/current")).unwrap();
        symlink("../store/current/file", home.join("config/file")).unwrap();
        let found: Vec<_> = list_path_entries(&home.join("config/file"))
            .into_iter()
            .filter(|entry| entry.directory.starts_with(&home))
            .map(|entry| (entry.directory.join(entry.name), entry.is_file))
            .collect();
        let expected = [
            ("config", false),
            ("config/file", false),
            ("store", false),
            ("store/current", false),
            ("store/one", false),
            ("store/one/file", true),
        ];
        assert_eq!(found, expected.map(|(path, is_file)| (home.join(path), is_file)));
    }

    #[test]
    fn what_is_not_there_may_come_and_the_store_does_not_change() {
        let names = |path: &str| -> Vec<_> {
            list_path_entries(Path::new(path))
                .into_iter()
                .map(|entry| entry.directory.join(entry.name))
                .collect()
        };
        let expected = ["/nonexistent", "/nonexistent/a", "/nonexistent/a/file"].map(Path::new);
        assert_eq!(names("/nonexistent/a/file"), expected);
        assert_eq!(names("/nix/store/abc-config/file").last().unwrap(), Path::new("/nix/store"));
    }

    #[test]
    fn a_ring_of_links_ends() {
        let home = tempfile::tempdir().unwrap();
        symlink("ring", home.path().join("ring")).unwrap();
        assert!(list_path_entries(&home.path().join("ring")).len() <= MAX_LINKS + 8);
    }
}
