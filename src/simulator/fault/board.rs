//! The faults that are on order now.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::{Fault, Kind, Verdict};
use crate::simulator::face::Face;
use crate::simulator::provider::Provider;

/// The list, in order of arrival; the first that fits decides.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Board {
    armed: Mutex<Vec<Armed>>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    left: Option<u32>,
}

impl Board {
    /// A list that starts with these.
    pub(in crate::simulator) fn new(faults: Vec<Fault>) -> Self {
        let board = Self::default();
        faults.into_iter().for_each(|fault| board.add(fault));
        board
    }

    /// Appends a fault.
    pub(in crate::simulator) fn add(&self, fault: Fault) {
        let left = fault.times;
        self.lock().push(Armed { fault, left });
    }

    /// Removes all.
    pub(in crate::simulator) fn clear(&self) {
        self.lock().clear();
    }

    /// What `GET /_faults` shows.
    pub(in crate::simulator) fn to_json(&self) -> Value {
        let faults: Vec<Value> = self
            .lock()
            .iter()
            .map(|armed| {
                let mut value = armed.fault.to_json();
                if let Some(members) = value.as_object_mut() {
                    members.insert("left".into(), json!(armed.left));
                }
                value
            })
            .collect();
        json!({ "faults": faults })
    }

    /// Whether the connection is reset before the body is read: only a `refuse` that asks for no model can tell so early.
    pub(in crate::simulator) fn refuses(&self, provider: Provider, face: Face) -> bool {
        let mut armed = self.lock();
        let first = armed.iter_mut().find(|armed| armed.decides(provider, face, None));
        match first {
            Some(armed) if armed.fault.kind == Kind::Refuse && armed.fault.model.is_none() => {
                armed.spend();
                true
            }
            _ => false,
        }
    }

    /// What happens to this request, which may bring the beginning of an answer; counts it against the faults that hit.
    pub(in crate::simulator) fn hit(
        &self,
        provider: Provider,
        face: Face,
        model: &str,
        prefilled: bool,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        for armed in self.lock().iter_mut().filter(|armed| armed.is_left()) {
            let hits = armed.fault.fits(provider, face, Some(model));
            if !hits || (armed.fault.kind.is_of_prefill() && !prefilled) {
                continue;
            }
            match &armed.fault.kind {
                Kind::Drip(pause) => verdict.drip = Some(*pause),
                Kind::Split(size) => verdict.split = Some(*size),
                Kind::Crlf => verdict.crlf = true,
                Kind::NoRole => verdict.no_role = true,
                _ if verdict.outcome.is_some() => continue,
                _ => verdict.outcome = Some(armed.fault.clone()),
            }
            armed.spend();
        }
        verdict
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    fn is_left(&self) -> bool {
        self.left.is_none_or(|left| left > 0)
    }

    /// A fault that waits for a model cannot decide yet, but one that comes later in the list must wait for it.
    fn decides(&self, provider: Provider, face: Face, model: Option<&str>) -> bool {
        self.is_left()
            && !self.fault.kind.is_shape()
            && !self.fault.kind.is_of_prefill()
            && (self.fault.fits(provider, face, model) || (model.is_none() && self.waits(provider, face)))
    }

    fn waits(&self, provider: Provider, face: Face) -> bool {
        self.fault.model.is_some() && self.fault.is_of(provider, face)
    }

    fn spend(&mut self) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
    }
}
