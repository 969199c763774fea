//! The files that a configuration is read from.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{environment, warnings};
use crate::config::load;

fn load_error(home: &Path, flag: Option<&Path>) -> String {
    let home = home.to_str().unwrap();
    load(flag, &environment(&[("HOME", home)])).err().map(|invalid| invalid.to_string()).unwrap_or_default()
}

#[test]
fn dangling_link_is_an_error_and_missing_file_is_not() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(load_error(home.path(), None), "", "without a file the catalog serves");
    let folder = home.path().join(".config/moonrelay");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.json5");
    symlink("/nix/store/gone", &file).unwrap();
    for flag in [None, Some(file.as_path())] {
        let message = load_error(home.path(), flag);
        let expected = format!("{} is a link to /nix/store/gone, which does not exist", file.display());
        assert!(message.contains(&expected), "{message}");
    }
    fs::remove_file(&file).unwrap();
    fs::remove_dir(&folder).unwrap();
    symlink("/nix/store/gone", &folder).unwrap();
    let message = load_error(home.path(), None);
    assert!(message.contains("is a link to /nix/store/gone"), "a folder that is such a link: {message}");
}

#[test]
fn endless_file_is_rejected() {
    let home = tempfile::tempdir().unwrap();
    let endless = Path::new("/dev/zero");
    let message = load_error(home.path(), Some(endless));
    assert!(message.contains("/dev/zero cannot be read: it has more than 8 MiB"), "{message}");
    let folder = home.path().join(".config/moonrelay");
    fs::create_dir_all(&folder).unwrap();
    symlink(endless, folder.join("env")).unwrap();
    let config = "{ models: { providers: { moonshot: { apiKey: { source: 'file', id: '/dev/zero' } } } } }";
    fs::write(folder.join("config.json5"), config).unwrap();
    let settings = load(None, &environment(&[("HOME", home.path().to_str().unwrap())])).ok().unwrap();
    let warnings = warnings(&settings).join("\n");
    for expected in ["env: it cannot be read, so it is ignored: it has more", "file /dev/zero cannot be read"]
    {
        assert!(warnings.contains(expected), "{warnings}");
    }
}

#[test]
fn problem_of_the_secrets_file_is_a_warning_at_its_path() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/moonrelay");
    fs::create_dir_all(folder.join("env")).unwrap();
    let settings = load(None, &environment(&[("HOME", home.path().to_str().unwrap())])).ok().unwrap();
    let [warning] = &warnings(&settings)[..] else { panic!("{:?}", warnings(&settings)) };
    let expected = format!("{}: it cannot be read, so it is ignored", folder.join("env").display());
    assert!(warning.starts_with(&expected), "{warning}");
}
