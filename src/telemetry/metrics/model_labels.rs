//! References as labels: a client can ask an open provider for any id, and each label is memory for ever.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Replaces a reference beyond the limit.
pub(super) const OTHER_MODEL: &str = "other";

/// The number of references that are not configured and have a label of their own. Over all metrics a reference has
/// about a hundred series of a hundred bytes.
const MAX_LEARNED: usize = 100;

/// The references that have a label of their own, each with whether it was learned from an answer.
#[derive(Debug, Default)]
pub(super) struct ModelLabels(RwLock<HashMap<String, bool>>);

impl ModelLabels {
    /// Adds configured references. Those from before a reload stay: their counters still exist.
    pub(super) fn register<'r>(&self, references: impl IntoIterator<Item = &'r str>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for reference in references {
            known.entry(reference.to_owned()).or_insert(false);
        }
    }

    /// The label of a reference that has answered, so it is not invented by a client. The reference is known from now on.
    pub(super) fn learn<'r>(&self, reference: &'r str) -> &'r str {
        if self.label(reference) == OTHER_MODEL {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if known.values().filter(|is_learned| **is_learned).count() < MAX_LEARNED {
                known.entry(reference.to_owned()).or_insert(true);
            }
        }
        self.label(reference)
    }

    /// The reference if it is known, otherwise [`OTHER_MODEL`].
    pub(super) fn label<'r>(&self, reference: &'r str) -> &'r str {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(reference) { reference } else { OTHER_MODEL }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_references_and_a_hundred_others_have_labels() {
        let labels = ModelLabels::default();
        labels.register(["kimi/kimi-for-coding"]);
        assert_eq!(labels.label("openrouter/invented"), OTHER_MODEL, "it never answered");
        for number in 0..MAX_LEARNED + 50 {
            let reference = format!("openrouter/{number}");
            assert_eq!(labels.learn(&reference), if number < MAX_LEARNED { &reference } else { OTHER_MODEL });
        }
        assert_eq!(labels.label("openrouter/99"), "openrouter/99");
        assert_eq!(labels.label("openrouter/100"), OTHER_MODEL);
        labels.register(["openrouter/auto"]);
        for configured in ["kimi/kimi-for-coding", "openrouter/auto"] {
            assert_eq!(labels.label(configured), configured, "configured references are not limited");
        }
    }
}
