//! SIGKILL at any moment loses only the entries that were not written yet.

use std::collections::BTreeSet;

use super::{Kept, Load};
use crate::common::process::signal;
use crate::common::{Provider, Setup, Upstream};

const KILLS: usize = 50;
const CLIENTS: usize = 4;
/// Entries of one transaction, and those that may wait for it.
const BATCH: usize = 256;

/// How many of a client's last entries are missing; all earlier ones must be present.
fn missing(answered: &[String], there: &BTreeSet<String>) -> usize {
    let missing = answered.iter().rev().position(|id| there.contains(id)).unwrap_or(answered.len());
    let before = &answered[..answered.len() - missing];
    // A stream's entry can follow that of the next request, which its client sends after the last byte.
    let lost = before.iter().rev().skip(2).find(|id| !there.contains(*id));
    assert_eq!(lost, None, "{} of {} are missing at the end", missing, answered.len());
    missing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_under_load_leave_a_valid_file_with_all_confirmed_entries() {
    let upstream = Upstream::start().await;
    let home = tempfile::tempdir().unwrap();
    let setup = Setup::chain(&upstream, &[Provider::Moonshot]);
    let setup = setup.environment("STATE_DIRECTORY", home.path().to_str().unwrap());
    let mut before = BTreeSet::new();
    let (mut answers, mut lost, mut most) = (0, 0, 0);
    for kill in 0..KILLS {
        let mut gateway = setup.clone().start().await;
        let mut load = Load::on(gateway.base(), CLIENTS);
        // Early, between batches, and in the midst of them.
        let came = 5 + kill * 37 % 280;
        load.answers(came).await;
        let mut least = 0;
        if kill % 3 == 0 {
            // A page request makes the gateway write its entries.
            assert_eq!(gateway.get("/").await.status, 200);
            least = came.saturating_sub(2 * CLIENTS);
        }
        let reported = gateway.get("/status").await.json()["ledger"].clone();
        signal("-KILL", gateway.serving.pid()).await;
        gateway.serving.ended().await;
        let answered = load.end().await;

        let kept = Kept::at(home.path());
        kept.is_sound();
        let there = kept.ids();
        assert!(there.is_superset(&before), "what was there before is there still");
        let new = there.len() - before.len();
        let written = usize::try_from(reported["written"].as_u64().unwrap()).unwrap();
        assert!(new >= written.max(least), "kill {kill}: {new} of {reported}, {least} were on a page");
        assert_eq!((&reported["dropped"], &reported["trouble"]), (&0.into(), &serde_json::Value::Null));
        let missing: usize = answered.iter().map(|ids| missing(ids, &there)).sum();
        assert!(missing <= 2 * BATCH, "kill {kill}: {missing} of {reported}");
        answers += answered.iter().map(Vec::len).sum::<usize>();
        (lost, most) = (lost + missing, most.max(missing));
        before = there;
    }
    println!("{KILLS} kills: {answers} answers, {} kept, {lost} lost, at most {most} at once", before.len());
}
