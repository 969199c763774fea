//! The active faults.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::{Fault, FaultAction, FaultEffects};
use crate::simulator::api::Api;
use crate::simulator::provider::Provider;

/// The list, in order of arrival; the first match decides.
#[derive(Debug, Default)]
pub(in crate::simulator) struct FaultQueue {
    active: Mutex<Vec<ActiveFault>>,
}

#[derive(Debug)]
struct ActiveFault {
    fault: Fault,
    remaining: Option<u32>,
}

impl FaultQueue {
    /// A list that starts with these.
    pub(in crate::simulator) fn new(faults: Vec<Fault>) -> Self {
        let board = Self::default();
        faults.into_iter().for_each(|fault| board.add(fault));
        board
    }

    /// Appends a fault.
    pub(in crate::simulator) fn add(&self, fault: Fault) {
        let left = fault.times;
        self.lock().push(ActiveFault { fault, remaining: left });
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
                    members.insert("left".into(), json!(armed.remaining));
                }
                value
            })
            .collect();
        json!({ "faults": faults })
    }

    /// Whether to reset the connection before the body is read. Only a `refuse` that names no model can be
    /// decided so early.
    pub(in crate::simulator) fn take_refuse(&self, provider: Provider, face: Api) -> bool {
        let mut armed = self.lock();
        let first = armed.iter_mut().find(|armed| armed.can_decide(provider, face, None));
        match first {
            Some(armed)
                if armed.fault.action == FaultAction::ResetAfterHead && armed.fault.model.is_none() =>
            {
                armed.use_once();
                true
            }
            _ => false,
        }
    }

    /// The effects on this request, which may contain the beginning of an answer. Counts it against the faults
    /// that apply.
    pub(in crate::simulator) fn take_effects(
        &self,
        provider: Provider,
        face: Api,
        model: &str,
        prefilled: bool,
    ) -> FaultEffects {
        let mut verdict = FaultEffects::default();
        for armed in self.lock().iter_mut().filter(|armed| armed.has_remaining()) {
            let hits = armed.fault.matches(provider, face, Some(model));
            if !hits || (armed.fault.action.is_prefill() && !prefilled) {
                continue;
            }
            match &armed.fault.action {
                FaultAction::Drip(pause) => verdict.delay_millis = Some(*pause),
                FaultAction::Split(size) => verdict.piece_bytes = Some(*size),
                FaultAction::Crlf => verdict.uses_crlf = true,
                FaultAction::NoRole => verdict.omits_role = true,
                _ if verdict.deciding_fault.is_some() => continue,
                _ => verdict.deciding_fault = Some(armed.fault.clone()),
            }
            armed.use_once();
        }
        verdict
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ActiveFault>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ActiveFault {
    fn has_remaining(&self) -> bool {
        self.remaining.is_none_or(|left| left > 0)
    }

    /// A fault that waits for a model cannot decide yet, but one that comes later in the list must wait for it.
    fn can_decide(&self, provider: Provider, face: Api, model: Option<&str>) -> bool {
        self.has_remaining()
            && !self.fault.action.is_delivery_change()
            && !self.fault.action.is_prefill()
            && (self.fault.matches(provider, face, model)
                || (model.is_none() && self.awaits_model(provider, face)))
    }

    fn awaits_model(&self, provider: Provider, face: Api) -> bool {
        self.fault.model.is_some() && self.fault.matches_target(provider, face)
    }

    fn use_once(&mut self) {
        if let Some(left) = &mut self.remaining {
            *left = left.saturating_sub(1);
        }
    }
}
