//! A write that is cut at any byte costs what was cut, and nothing else.

use std::fs::OpenOptions;

use proptest::prelude::*;

use super::*;

/// A message that is said, and how much of its write is left where the writer was killed within it.
#[derive(Clone, Debug)]
struct Step {
    words: String,
    asks: bool,
    left: Option<f64>,
}

fn step() -> impl Strategy<Value = Step> {
    let left = proptest::option::of(prop_oneof![Just(1.0), 0.0..1.0_f64]);
    ("[a-z\"\\\\ \n\r\tä€\u{1f980}{}]{0,40}", any::<bool>(), left).prop_map(|(words, asks, left)| Step {
        words,
        asks,
        left,
    })
}

fn messages(transcript: &Transcript) -> Vec<TranscriptMessage> {
    let message = |entry: &TranscriptLine| match entry {
        TranscriptLine::Message { message, .. } => Some(message.clone()),
        _ => None,
    };
    transcript.entries().iter().filter_map(message).collect()
}

async fn steps_are_kept(steps: &[Step]) -> Result<(), TestCaseError> {
    let (_home, sessions) = sessions();
    let path = sessions.path("t1");
    let (mut expected, mut broken) = (Vec::new(), 0);
    let mut before: Vec<u8> = Vec::new();
    for step in steps {
        let mut session = held(&sessions).await;
        let message = if step.asks { user(&step.words) } else { answer(&step.words) };
        session.append_message(message.clone()).unwrap();
        drop(session);
        let now = fs::read(&path).unwrap();
        prop_assert!(now.starts_with(&before), "what was there is there");
        let new = now.len() - before.len();
        let left = step.left.map_or(new, |left| ((new as f64 * left) as usize).min(new));
        OpenOptions::new().write(true).open(&path).unwrap().set_len((before.len() + left) as u64).unwrap();
        // A piece from before was ended by the first byte of this write.
        let written = &now[before.len()..before.len() + left];
        let pieces: Vec<&[u8]> =
            written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let wholes = now[before.len()..].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let torn = pieces.iter().zip(wholes.clone()).filter(|(piece, whole)| *piece != whole).count();
        broken += torn;
        if pieces.len() - torn == wholes.count() {
            expected.push(message);
        }
        before = fs::read(&path).unwrap();
        // As a read-only reader does.
        let read = Transcript::from_bytes(&before);
        prop_assert_eq!(&messages(&read), &expected);
        prop_assert_eq!(read.corrupt_lines().len(), broken);
        let digest = SessionSummary::from_transcript(&read).unwrap_or_default();
        let asked =
            expected.iter().filter(|message| matches!(message, TranscriptMessage::User { .. })).count();
        let counted = if read.header().is_some() { (asked as u64, broken as u64) } else { (0, 0) };
        prop_assert_eq!((digest.turns, digest.corrupt_lines), counted);
    }
    let mut session = held(&SessionStore::new(sessions.directory().parent().unwrap())).await;
    session.append_message(user("last")).unwrap();
    expected.push(user("last"));
    let now = fs::read(&path).unwrap();
    prop_assert!(now.starts_with(&before));
    prop_assert_eq!(messages(&Transcript::from_bytes(&now)), expected);
    for pair in session.entries().windows(2) {
        prop_assert_eq!(&pair[1].meta().unwrap().parent_id, &Some(pair[0].meta().unwrap().id.clone()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn complete_lines_survive_and_are_not_mixed(steps in proptest::collection::vec(step(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(steps_are_kept(&steps))?;
    }

    #[test]
    fn any_file_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(Transcript::from_bytes(&Transcript::valid_lines(&bytes)).corrupt_lines().len(), 0);
    }
}
