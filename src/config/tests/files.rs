//! The files that a configuration is read from.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{environment, warnings};
use crate::config::load;

fn told(home: &Path, flag: Option<&Path>) -> String {
    let home = home.to_str().unwrap();
    load(flag, &environment(&[("HOME", home)])).err().map(|invalid| invalid.to_string()).unwrap_or_default()
}

#[test]
fn a_link_to_nowhere_is_not_a_file_that_nobody_wrote() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(told(home.path(), None), "", "without a file the catalog serves");
    let folder = home.path().join(".config/moonrelay");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.json5");
    symlink("/nix/store/gone", &file).unwrap();
    for flag in [None, Some(file.as_path())] {
        let told = told(home.path(), flag);
        let expected = format!("{} is a link to /nix/store/gone, which is not there", file.display());
        assert!(told.contains(&expected), "{told}");
    }
    fs::remove_file(&file).unwrap();
    fs::remove_dir(&folder).unwrap();
    symlink("/nix/store/gone", &folder).unwrap();
    let told = told(home.path(), None);
    assert!(told.contains("is a link to /nix/store/gone"), "a folder that is such a link: {told}");
}

#[test]
fn a_file_without_end_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let endless = Path::new("/dev/zero");
    let said = told(home.path(), Some(endless));
    assert!(said.contains("/dev/zero cannot be read: it has more than 8 MiB"), "{said}");
    let folder = home.path().join(".config/moonrelay");
    fs::create_dir_all(&folder).unwrap();
    symlink(endless, folder.join("env")).unwrap();
    let config = "{ models: { providers: { moonshot: { apiKey: { source: 'file', id: '/dev/zero' } } } } }";
    fs::write(folder.join("config.json5"), config).unwrap();
    let settings = load(None, &environment(&[("HOME", home.path().to_str().unwrap())])).ok().unwrap();
    let warnings = warnings(&settings).join("\n");
    for expected in
        ["env: it cannot be read, so nothing in it counts: it has more", "file /dev/zero cannot be read"]
    {
        assert!(warnings.contains(expected), "{warnings}");
    }
}

#[test]
fn what_is_wrong_with_the_secrets_file_is_a_warning_at_its_path() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/moonrelay");
    fs::create_dir_all(folder.join("env")).unwrap();
    let settings = load(None, &environment(&[("HOME", home.path().to_str().unwrap())])).ok().unwrap();
    let [warning] = &warnings(&settings)[..] else { panic!("{:?}", warnings(&settings)) };
    let expected = format!("{}: it cannot be read, so nothing in it counts", folder.join("env").display());
    assert!(warning.starts_with(&expected), "{warning}");
}
