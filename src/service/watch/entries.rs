//! What a path depends on.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows (path_resolution(7)).
const LINKS: usize = 40;

/// Each directory entry on which it depends what a path names: every link on the way, and the file itself.
pub(super) fn entries(path: &Path) -> Vec<(PathBuf, OsString)> {
    let mut found = Vec::new();
    let (mut done, mut links) = (PathBuf::new(), 0);
    let mut left: VecDeque<OsString> = parts(path);
    while let Some(part) = left.pop_front() {
        let here = done.join(&part);
        match Path::new(&part).components().next() {
            Some(Component::ParentDir) => {
                done.pop();
            }
            Some(Component::Normal(_)) => match std::fs::read_link(&here) {
                Ok(target) if links < LINKS => {
                    links += 1;
                    found.push((done.clone(), part));
                    for part in parts(&target).into_iter().rev() {
                        left.push_front(part);
                    }
                }
                _ => done = here,
            },
            // From the root on again.
            _ => done = here,
        }
    }
    if let (Some(directory), Some(name)) = (done.parent(), done.file_name()) {
        found.push((directory.to_owned(), name.to_owned()));
    }
    found
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::entries;

    #[test]
    fn every_link_on_the_way_is_an_entry() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        std::fs::create_dir_all(home.join("store/one")).unwrap();
        std::fs::create_dir(home.join("config")).unwrap();
        std::fs::write(home.join("store/one/file"), "").unwrap();
        symlink("one", home.join("store/current")).unwrap();
        symlink("../store/current/file", home.join("config/file")).unwrap();
        let entry = |directory: &str, name: &str| (home.join(directory), name.into());
        assert_eq!(
            entries(&home.join("config/file")),
            [entry("config", "file"), entry("store", "current"), entry("store/one", "file")]
        );
    }

    #[test]
    fn a_ring_of_links_ends() {
        let home = tempfile::tempdir().unwrap();
        symlink("ring", home.path().join("ring")).unwrap();
        assert!(entries(&home.path().join("ring")).len() <= super::LINKS + 8);
    }
}
