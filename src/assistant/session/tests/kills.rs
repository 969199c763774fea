//! Two writers in processes of their own, killed at any moment; and a disk that is full. The processes are this
//! binary once more, with one of the tests that are ignored otherwise.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

const TURNS: usize = 100;
/// A process is killed after so many turns at most.
const LONGEST_LIFE: usize = 8;

/// What is said in a turn: every third time more than a page, as the kernel can be interrupted between pages.
fn words(writer: &str, turn: usize) -> String {
    let name = format!("{writer}.{turn}.");
    name.repeat(1 + turn % 3 * 4_000)
}

fn child(test: &str, home: &Path, writer: &str, first: usize) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &format!("assistant::session::tests::kills::{test}"), "--ignored", "--nocapture"]);
    child.env("SESSION_TEST", format!("{}|{writer}|{first}", home.display()));
    child.stdout(Stdio::piped()).stderr(Stdio::null());
    child
}

/// The home, the name and the first turn that the parent gave.
fn given() -> (SessionStore, String, usize) {
    let given = std::env::var("SESSION_TEST").unwrap();
    let mut parts = given.split('|');
    let sessions = SessionStore::new(Path::new(parts.next().unwrap()));
    (sessions, parts.next().unwrap().to_owned(), parts.next().unwrap().parse().unwrap())
}

#[tokio::test]
#[ignore = "the child of a test"]
async fn a_writer() {
    let (sessions, writer, first) = given();
    for turn in first..TURNS {
        let mut session = sessions.lock("t1", || {}).await.unwrap();
        session.append_message(user(&words(&writer, turn))).unwrap();
        session.append_message(answer(&words(&writer, turn))).unwrap();
        drop(session);
        // Past the harness, which would keep it until the end.
        writeln!(std::io::stdout(), "\nsaid {turn}").unwrap();
    }
}

/// Runs a writer, killing it repeatedly, until all of its turns are written. Returns the turns that it
/// reported.
fn killed_again_and_again(home: &Path, name: &str) -> BTreeMap<String, usize> {
    let (mut said, mut next) = (BTreeMap::new(), 0);
    for generation in 0.. {
        let writer = format!("{name}{generation}");
        let mut child = child("a_writer", home, &writer, next).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let life = fastrand::usize(1..=LONGEST_LIFE);
        let mut reported = lines.filter_map(|line| line.strip_prefix("said ")?.parse::<usize>().ok());
        for turn in reported.by_ref().take(life) {
            said.insert(words(&writer, turn), turn);
            next = turn + 1;
        }
        // Kill it between two of its turns, or as soon as a process has begun to write.
        let length = || fs::metadata(SessionStore::new(home).path("t1")).map_or(0, |metadata| metadata.len());
        let before = length();
        while generation % 2 == 1 && length() == before && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        // What it said before the signal came.
        for turn in reported {
            said.insert(words(&writer, turn), turn);
            next = turn + 1;
        }
        child.wait().unwrap();
        if next == TURNS {
            break;
        }
    }
    said
}

#[test]
fn killed_writers_lose_no_line_and_mix_none() {
    let home = tempfile::tempdir().unwrap();
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| killed_again_and_again(home.path(), "b"));
        (killed_again_and_again(home.path(), "a"), other.join().unwrap())
    });
    let transcript = SessionStore::new(home.path()).read("t1").unwrap().unwrap();
    let entries = transcript.entries();
    let mut left: Vec<&String> = one.keys().chain(other.keys()).collect();
    assert_eq!(left.len(), 2 * TURNS);
    let words_of = |entry: &TranscriptLine| match entry {
        TranscriptLine::Message { message: TranscriptMessage::User { content, .. }, .. } => {
            (true, content.clone())
        }
        TranscriptLine::Message { message: TranscriptMessage::Assistant(said), .. } => {
            (false, said.content.clone())
        }
        other => panic!("{other:?}"),
    };
    let (mut unknown, mut asked) = (0, None);
    for (place, entry) in entries.iter().enumerate() {
        let (asks, content) = words_of(entry);
        let [ContentBlock::Text { text }] = &content[..] else { panic!("{content:?}") };
        let (writer, turn) = text.split_once('.').unwrap();
        let turn = turn.split('.').next().unwrap().parse().unwrap();
        assert_eq!(*text, words(writer, turn), "a line is whole, and of one writer");
        match asks {
            true => asked = Some(text.clone()),
            // No other process has written between the two.
            false => assert_eq!(asked.take().as_ref(), Some(text), "line {place}"),
        }
        if !asks {
            match left.iter().position(|said| *said == text) {
                Some(at) => drop(left.swap_remove(at)),
                // Killed before it could report.
                None => unknown += 1,
            }
        }
        let parent = place.checked_sub(1).map(|before| entries[before].meta().unwrap().id.clone());
        assert_eq!(entry.meta().unwrap().parent_id, parent);
    }
    assert!(left.is_empty(), "lost: {left:?}");
    let broken = transcript.corrupt_lines().len();
    println!("{} entries, {broken} torn, {unknown} turns that were not reported", entries.len());
}

#[tokio::test]
#[ignore = "the child of a test"]
async fn a_writer_on_a_full_disk() {
    let (sessions, ..) = given();
    let mut session = sessions.lock("t1", || {}).await.unwrap();
    session.append_message(user("one")).unwrap();
    let before = fs::read(sessions.path("t1")).unwrap();
    let why = session.append_message(answer(&"x".repeat(1 << 20))).unwrap_err().to_string();
    assert_eq!(fs::read(sessions.path("t1")).unwrap(), before, "nothing of the line is left");
    session.append_message(answer("two")).unwrap();
    assert_eq!(session.conversation(), [user("one"), answer("two")]);
    writeln!(std::io::stdout(), "\nsaid {why}").unwrap();
}

#[test]
fn line_on_a_full_disk_is_removed_again() {
    let home = tempfile::tempdir().unwrap();
    let limited = child("a_writer_on_a_full_disk", home.path(), "", 0);
    // A file may not grow beyond 64 blocks, and to try is an error, not the end: so a part of the line is written.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""]).arg(limited.get_program());
    shell.args(limited.get_args()).envs(limited.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = shell.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let why = printed.lines().find_map(|line| line.strip_prefix("said ")).unwrap();
    let path = SessionStore::new(home.path()).path("t1");
    assert!(why.starts_with(&format!("cannot append to {}: File too large", path.display())), "{why}");
}
