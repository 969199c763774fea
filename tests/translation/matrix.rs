//! Every client API with every provider, in every part of a conversation: what the client receives.
//!
//! The table is in `docs/reference/matrix.md`; `MOONRELAY_BLESS=1 cargo test` generates it.

mod cell;
mod column;
mod page;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::common::{Api, Upstream, reference};
use cell::{CELLS, Cell, Stand};
use column::Column;

/// Simulators and gateways at work at the same time.
const WORKERS: usize = 4;

/// The result by client, provider and cell.
type Words = BTreeMap<(Api, Column, Cell), String>;

/// The cells of an API and a provider. A failure causes a cooldown, so cells with one have a new gateway.
async fn play(upstream: Arc<Upstream>, client: Api, column: Column, words: &Mutex<Words>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut kept = None;
    for cell in CELLS {
        let gateway = match kept.take().filter(|_| !cell.cooldowns_the_target()) {
            Some(gateway) => gateway,
            None => Arc::new(column.setup(&upstream, client).start().await),
        };
        let stand = Stand { upstream: upstream.clone(), gateway: gateway.clone(), client, column };
        // A task of its own, so that a failed cell does not affect the others.
        match tokio::spawn(async move { cell.play(&stand).await }).await {
            Ok(word) => drop(words.lock().unwrap().insert((client, column, cell), word)),
            Err(error) => broken.push(format!("{client:?} on {column:?}, {cell:?}: {error}")),
        }
        kept = Some(gateway).filter(|_| !cell.cooldowns_the_target());
    }
    broken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_and_provider_pair_matches_the_matrix() {
    let jobs = Api::ALL.into_iter().flat_map(|api| Column::ALL.map(|column| (api, column)));
    let jobs = Arc::new(Mutex::new(jobs.collect::<Vec<_>>()));
    let words = Arc::new(Mutex::new(Words::new()));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WORKERS {
        let (jobs, words) = (jobs.clone(), words.clone());
        workers.spawn(async move {
            let upstream = Arc::new(Upstream::start().await);
            let mut broken = Vec::new();
            loop {
                let next = jobs.lock().unwrap().pop();
                let Some((api, column)) = next else { return broken };
                broken.extend(play(upstream.clone(), api, column, &words).await);
            }
        });
    }
    let mut broken = Vec::new();
    while let Some(ended) = workers.join_next().await {
        broken.extend(ended.unwrap());
    }
    let words = words.lock().unwrap().clone();
    let table = page::rendered(&words);
    println!("{table}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(words.len(), Api::ALL.len() * Column::ALL.len() * CELLS.len());
    reference::compare("docs/reference/matrix.md", &table);
}
