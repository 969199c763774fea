//! References as labels: a client can ask an open provider for any id, and each label is memory for ever.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// In the place of a reference beyond the limit.
pub(super) const OTHER_MODEL: &str = "other";

/// So many references that are not configured have a label of their own. With every family a reference has about a
/// hundred series of a hundred bytes.
const MAX_LEARNED: usize = 100;

/// The references that have a label of their own.
#[derive(Debug, Default)]
pub(super) struct ModelLabels {
    state: RwLock<KnownReferences>,
}

#[derive(Debug, Default)]
struct KnownReferences {
    references: HashSet<String>,
    learned: usize,
}

impl ModelLabels {
    /// These are configured. What was before a reload stays: its counters are there still.
    pub(super) fn register<'r>(&self, references: impl IntoIterator<Item = &'r str>) {
        self.write().references.extend(references.into_iter().map(str::to_owned));
    }

    /// This one has answered, so it is a model, and no client's invention: its [`Names::label`] from now on.
    pub(super) fn learn<'r>(&self, reference: &'r str) -> &'r str {
        if self.contains(reference) {
            return reference;
        }
        let mut known = self.write();
        if known.learned < MAX_LEARNED && known.references.insert(reference.to_owned()) {
            known.learned += 1;
        }
        if known.references.contains(reference) { reference } else { OTHER_MODEL }
    }

    /// The reference, or [`OTHER`].
    pub(super) fn label<'r>(&self, reference: &'r str) -> &'r str {
        if self.contains(reference) { reference } else { OTHER_MODEL }
    }

    fn contains(&self, reference: &str) -> bool {
        self.read().references.contains(reference)
    }

    fn read(&self) -> RwLockReadGuard<'_, KnownReferences> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, KnownReferences> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_is_told_and_of_the_rest_a_hundred_that_answered() {
        let names = ModelLabels::default();
        names.register(["kimi/kimi-for-coding"]);
        assert_eq!(names.label("openrouter/invented"), OTHER_MODEL, "it never answered");
        for number in 0..MAX_LEARNED + 50 {
            let reference = format!("openrouter/{number}");
            assert_eq!(names.learn(&reference), if number < MAX_LEARNED { &reference } else { OTHER_MODEL });
        }
        assert_eq!(names.label("openrouter/99"), "openrouter/99");
        assert_eq!(names.label("openrouter/100"), OTHER_MODEL);
        names.register(["openrouter/auto"]);
        for configured in ["kimi/kimi-for-coding", "openrouter/auto"] {
            assert_eq!(names.label(configured), configured, "the limit is not theirs");
        }
    }
}
