use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use super::{Login, LoginFile};
use crate::secret::Secret;

fn login() -> Login {
    Login {
        id: "one".to_owned(),
        host: "https://auth.kimi.com".to_owned(),
        client_id: "client".to_owned(),
        access_token: Secret::new("eyJ-access".to_owned()),
        refresh_token: Some(Secret::new("eyJ-refresh".to_owned())),
        expires_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_000_000_123),
        lifetime: Duration::from_mins(15),
    }
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn stored_login_is_read_back_and_private_to_its_user() {
    let state = tempfile::tempdir().unwrap();
    let file = LoginFile::new(state.path(), "kimi");
    let lock = file.try_lock().unwrap().unwrap();
    file.start_login(&lock, &login()).unwrap();
    assert!(file.read() == Ok(login()));
    let directory = state.path().join("oauth");
    assert_eq!((mode(&directory), mode(&file.token_path()), mode(&file.lock_path())), (0o700, 0o600, 0o600));
    assert_eq!(file.load_device_id().unwrap(), file.load_device_id().unwrap());
    assert_eq!(mode(&directory.join("device")), 0o600);
    let names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "no draft is left: {names:?}");
}

#[test]
fn draft_of_a_killed_process_is_replaced_and_removed() {
    let state = tempfile::tempdir().unwrap();
    let file = LoginFile::new(state.path(), "kimi");
    let lock = file.try_lock().unwrap().unwrap();
    file.start_login(&lock, &login()).unwrap();
    let draft = state.path().join("oauth/.kimi.tmp");
    let write_draft = || fs::write(&draft, "{ \"accessToken\": \"eyJ-ha").unwrap();
    write_draft();
    assert!(file.read() == Ok(login()), "the draft does not refile the login");
    file.replace_tokens(&lock, &login()).unwrap();
    assert!(!draft.exists() && file.read() == Ok(login()));
    write_draft();
    assert!(file.remove_login(&lock).unwrap() && !draft.exists(), "a logout leaves no token");
}

#[test]
fn second_lock_is_refused_until_the_first_is_released() {
    let state = tempfile::tempdir().unwrap();
    let file = LoginFile::new(state.path(), "kimi");
    let lock = file.try_lock().unwrap();
    assert!(lock.is_some() && file.try_lock().unwrap().is_none());
    drop(lock);
    assert!(file.try_lock().unwrap().is_some());
}

#[test]
fn marker_changes_when_a_login_begins_or_ends_but_not_on_a_refresh() {
    let state = tempfile::tempdir().unwrap();
    let file = LoginFile::new(state.path(), "kimi");
    let lock = file.try_lock().unwrap().unwrap();
    let marker = || fs::read_to_string(file.lock_path()).unwrap();
    file.start_login(&lock, &login()).unwrap();
    assert_eq!(marker(), "one\n");
    let version = file.version();
    file.replace_tokens(&lock, &Login { access_token: Secret::new("eyJ-next".to_owned()), ..login() })
        .unwrap();
    assert!(marker() == "one\n" && file.version() != version, "a refresh refiles the file of the same login");
    file.end_login(&lock, &login(), "invalid_grant").unwrap();
    assert_eq!(marker(), "ended\n");
    assert!(!fs::read_to_string(file.token_path()).unwrap().contains("eyJ"), "the tokens are removed");
    assert!(file.remove_login(&lock).unwrap() && !file.remove_login(&lock).unwrap());
    assert_eq!(marker(), "none\n");
}

#[test]
fn unusable_login_is_reported_with_the_fix_and_without_a_token() {
    let state = tempfile::tempdir().unwrap();
    let file = LoginFile::new(state.path(), "kimi");
    let again = "log in again: moonrelay onboard --auth-choice kimi-code-oauth";
    assert_eq!(
        file.read().err().unwrap().to_string(),
        "not logged in; log in: moonrelay onboard --auth-choice kimi-code-oauth"
    );
    assert!(
        LoginFile::new(state.path(), "mine")
            .read()
            .err()
            .unwrap()
            .to_string()
            .ends_with("moonrelay login --provider mine")
    );
    let lock = file.try_lock().unwrap().unwrap();
    file.start_login(&lock, &login()).unwrap();
    fs::set_permissions(file.token_path(), Permissions::from_mode(0o644)).unwrap();
    let shown = file.token_path().display().to_string();
    let why = file.read().err().unwrap().to_string();
    assert!(why.contains("(mode 644)") && why.contains(&format!("chmod 600 {shown}")), "{why}");
    fs::set_permissions(file.token_path(), Permissions::from_mode(0o600)).unwrap();
    let whole = fs::read_to_string(file.token_path()).unwrap();
    let broken = [
        whole[..whole.len() / 2].to_owned(),
        "\"eyJ-a-secret\"".to_owned(),
        "{\"login\": 1, \"host\": \"eyJ-a-secret\"}".to_owned(),
        String::new(),
        whole.replace("accessToken", "other"),
    ];
    for text in broken {
        fs::write(file.token_path(), &text).unwrap();
        let why = file.read().err().unwrap().to_string();
        assert!(why.contains(&shown) && why.ends_with(again) && !why.contains("eyJ"), "{text}: {why}");
    }
    file.end_login(&lock, &login(), "invalid_grant").unwrap();
    assert_eq!(
        file.read().err().unwrap().to_string(),
        format!("the login has ended (invalid_grant); {again}")
    );
}
