//! The active faults, and their effects on a request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::fault::kind::FaultKind;
use crate::fault::spec::Fault;
use crate::provider::{Api, Provider};

/// What the faults do to one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultEffects {
    /// The fault that decides, if any.
    pub(crate) deciding_fault: Option<Fault>,
    /// Milliseconds before each piece.
    pub(crate) delay_millis: Option<u64>,
    /// Bytes of a piece.
    pub(crate) piece_bytes: Option<usize>,
    /// Whether lines end in CRLF.
    pub(crate) uses_crlf: bool,
    /// Whether the role is left out.
    pub(crate) omits_role: bool,
}

impl FaultEffects {
    /// The kind of the fault that decides.
    pub(crate) fn kind(&self) -> Option<FaultKind> {
        self.deciding_fault.as_ref().map(|fault| fault.kind)
    }

    /// Its number.
    pub(crate) fn count(&self) -> usize {
        let value = self.deciding_fault.as_ref().and_then(|fault| fault.value);
        usize::try_from(value.unwrap_or_default()).unwrap_or(usize::MAX)
    }

    /// The names of all faults that applied, for the record.
    pub(crate) fn names(&self) -> Option<String> {
        let mut words: Vec<&str> = self.deciding_fault.iter().map(Fault::kind).collect();
        words.extend(self.delay_millis.map(|_| "drip"));
        words.extend(self.piece_bytes.map(|_| "split"));
        words.extend(self.uses_crlf.then_some("crlf"));
        words.extend(self.omits_role.then_some("no_role"));
        (!words.is_empty()).then(|| words.join("+"))
    }
}

/// The list, in order of arrival; the first match decides.
#[derive(Debug, Default)]
pub(crate) struct FaultQueue {
    active: Mutex<Vec<ActiveFault>>,
}

#[derive(Debug)]
struct ActiveFault {
    fault: Fault,
    remaining: Option<u32>,
}

impl FaultQueue {
    /// A list that starts with these.
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        let queue = Self::default();
        faults.into_iter().for_each(|fault| queue.add(fault));
        queue
    }

    /// Appends a fault.
    pub(crate) fn add(&self, fault: Fault) {
        let left = fault.times;
        self.lock().push(ActiveFault { fault, remaining: left });
    }

    /// Removes all.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The body of `GET /_faults`.
    pub(crate) fn to_json(&self) -> Value {
        let active = self.lock();
        let faults = active.iter().map(|active| {
            let mut value = active.fault.to_json();
            value["left"] = json!(active.remaining);
            value
        });
        json!({ "faults": faults.collect::<Vec<_>>() })
    }

    /// Whether to reset the connection before the body is read. Only a `refuse` that names no model can be
    /// decided so early.
    pub(crate) fn take_refuse(&self, provider: Provider, api: Api) -> bool {
        let mut active = self.lock();
        let first = active.iter_mut().find(|active| active.can_decide(provider, api));
        let refuse =
            first.filter(|active| active.fault.kind == FaultKind::Refuse && active.fault.model.is_none());
        refuse.map(ActiveFault::use_once).is_some()
    }

    /// The effects on this request, which may contain the beginning of an answer. Counts it against the faults
    /// that apply.
    pub(crate) fn take_effects(
        &self,
        provider: Provider,
        api: Api,
        model: &str,
        prefilled: bool,
    ) -> FaultEffects {
        let mut effects = FaultEffects::default();
        for active in self.lock().iter_mut().filter(|active| active.has_remaining()) {
            let fault = &active.fault;
            let is_hit = fault.model.as_deref().is_none_or(|own| own == model)
                && fault.matches(provider, api)
                && fault.kind.applies_to(provider);
            if !is_hit || (fault.kind.is_prefill() && !prefilled) {
                continue;
            }
            match fault.kind {
                FaultKind::Drip => effects.delay_millis = fault.value,
                FaultKind::Split => {
                    effects.piece_bytes = fault.value.and_then(|bytes| usize::try_from(bytes.max(1)).ok());
                }
                FaultKind::Crlf => effects.uses_crlf = true,
                FaultKind::NoRole => effects.omits_role = true,
                _ if effects.deciding_fault.is_some() => continue,
                _ => effects.deciding_fault = Some(fault.clone()),
            }
            active.use_once();
        }
        effects
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ActiveFault>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn matches(&self, provider: Provider, api: Api) -> bool {
        self.provider.is_none_or(|own| own == provider) && self.api.is_none_or(|own| own == api)
    }
}

impl ActiveFault {
    fn has_remaining(&self) -> bool {
        self.remaining.is_none_or(|left| left > 0)
    }

    /// Whether it can decide before the model is known. A fault of a model cannot yet, but one that comes later in
    /// the list must wait for it.
    fn can_decide(&self, provider: Provider, api: Api) -> bool {
        let Self { fault, .. } = self;
        self.has_remaining()
            && !fault.kind.is_delivery_change()
            && !fault.kind.is_prefill()
            && fault.matches(provider, api)
            && (fault.model.is_some() || fault.kind.applies_to(provider))
    }

    fn use_once(&mut self) {
        if let Some(left) = &mut self.remaining {
            *left = left.saturating_sub(1);
        }
    }
}
