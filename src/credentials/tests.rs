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
fn what_is_kept_is_read_and_nobody_else_can() {
    let state = tempfile::tempdir().unwrap();
    let place = LoginFile::new(state.path(), "kimi");
    let lock = place.try_lock().unwrap().unwrap();
    place.start_login(&lock, &login()).unwrap();
    assert!(place.read() == Ok(login()));
    let directory = state.path().join("oauth");
    assert_eq!(
        (mode(&directory), mode(&place.token_path()), mode(&place.lock_path())),
        (0o700, 0o600, 0o600)
    );
    assert_eq!(place.load_device_id().unwrap(), place.load_device_id().unwrap());
    assert_eq!(mode(&directory.join("device")), 0o600);
    let names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "nothing is left of the drafts: {names:?}");
}

#[test]
fn what_a_process_left_that_was_killed_while_it_wrote_goes() {
    let state = tempfile::tempdir().unwrap();
    let place = LoginFile::new(state.path(), "kimi");
    let lock = place.try_lock().unwrap().unwrap();
    place.start_login(&lock, &login()).unwrap();
    let left = state.path().join("oauth/.kimi.tmp");
    let leave = || fs::write(&left, "{ \"accessToken\": \"eyJ-ha").unwrap();
    leave();
    assert!(place.read() == Ok(login()), "what stood there is still there");
    place.replace_tokens(&lock, &login()).unwrap();
    assert!(!left.exists() && place.read() == Ok(login()));
    leave();
    assert!(place.remove_login(&lock).unwrap() && !left.exists(), "a logout leaves no token");
}

#[test]
fn one_changes_it_at_a_time() {
    let state = tempfile::tempdir().unwrap();
    let place = LoginFile::new(state.path(), "kimi");
    let lock = place.try_lock().unwrap();
    assert!(lock.is_some() && place.try_lock().unwrap().is_none());
    drop(lock);
    assert!(place.try_lock().unwrap().is_some());
}

#[test]
fn the_mark_tells_of_beginning_and_end_and_not_of_refreshes() {
    let state = tempfile::tempdir().unwrap();
    let place = LoginFile::new(state.path(), "kimi");
    let lock = place.try_lock().unwrap().unwrap();
    let mark = || fs::read_to_string(place.lock_path()).unwrap();
    place.start_login(&lock, &login()).unwrap();
    assert_eq!(mark(), "one\n");
    let print = place.version();
    place
        .replace_tokens(&lock, &Login { access_token: Secret::new("eyJ-next".to_owned()), ..login() })
        .unwrap();
    assert!(mark() == "one\n" && place.version() != print, "a refresh is another file and no other login");
    place.end_login(&lock, &login(), "invalid_grant").unwrap();
    assert_eq!(mark(), "ended\n");
    assert!(!fs::read_to_string(place.token_path()).unwrap().contains("eyJ"), "its tokens are gone");
    assert!(place.remove_login(&lock).unwrap() && !place.remove_login(&lock).unwrap());
    assert_eq!(mark(), "none\n");
}

#[test]
fn what_cannot_be_used_is_told_with_the_fix_and_without_a_token() {
    let state = tempfile::tempdir().unwrap();
    let place = LoginFile::new(state.path(), "kimi");
    let again = "log in again: moonrelay onboard --auth-choice kimi-code-oauth";
    assert_eq!(
        place.read().err().unwrap().to_string(),
        "nobody is logged in; log in: moonrelay onboard --auth-choice kimi-code-oauth"
    );
    assert!(
        LoginFile::new(state.path(), "mine")
            .read()
            .err()
            .unwrap()
            .to_string()
            .ends_with("moonrelay login --provider mine")
    );
    let lock = place.try_lock().unwrap().unwrap();
    place.start_login(&lock, &login()).unwrap();
    fs::set_permissions(place.token_path(), Permissions::from_mode(0o644)).unwrap();
    let shown = place.token_path().display().to_string();
    let why = place.read().err().unwrap().to_string();
    assert!(why.contains("(mode 644)") && why.contains(&format!("chmod 600 {shown}")), "{why}");
    fs::set_permissions(place.token_path(), Permissions::from_mode(0o600)).unwrap();
    let whole = fs::read_to_string(place.token_path()).unwrap();
    let broken = [
        whole[..whole.len() / 2].to_owned(),
        "\"eyJ-a-secret\"".to_owned(),
        "{\"login\": 1, \"host\": \"eyJ-a-secret\"}".to_owned(),
        String::new(),
        whole.replace("accessToken", "other"),
    ];
    for text in broken {
        fs::write(place.token_path(), &text).unwrap();
        let why = place.read().err().unwrap().to_string();
        assert!(why.contains(&shown) && why.ends_with(again) && !why.contains("eyJ"), "{text}: {why}");
    }
    place.end_login(&lock, &login(), "invalid_grant").unwrap();
    assert_eq!(
        place.read().err().unwrap().to_string(),
        format!("the login has ended (invalid_grant); {again}")
    );
}
