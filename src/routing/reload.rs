//! Owns the replacement of the settings for later requests.

use std::sync::Arc;
use std::time::SystemTime;

use super::Engine;
use crate::config::settings::Settings;

/// The result of the last reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadOutcome {
    /// The time at which it ended.
    pub finished_at: SystemTime,
    /// Whether the new settings are valid.
    pub is_accepted: bool,
    /// Why they are not, or which of them need a restart.
    pub message: Option<String>,
}

impl ReloadOutcome {
    fn now(ok: bool, message: Option<String>) -> Option<Arc<Self>> {
        Some(Arc::new(Self { finished_at: SystemTime::now(), is_accepted: ok, message }))
    }
}

impl Engine {
    /// Later requests use these settings; active requests keep the settings that they began with. A target that
    /// did not change keeps its cooldown. `note` names settings that need a restart.
    pub fn replace_settings(&self, settings: Arc<Settings>, note: Option<String>) {
        self.connector.set_connect_timeout(settings.failover.connect_timeout);
        let before = self.settings.swap(settings.clone());
        self.last_reload.store(ReloadOutcome::now(true, note));
        self.quotas.retain_configured(&settings);
        self.state.retain_unchanged(&before, &settings);
    }

    /// Records a rejected reload: the settings stay.
    pub fn reject_reload(&self, why: String) {
        self.last_reload.store(ReloadOutcome::now(false, Some(why)));
        self.state.notify();
    }

    /// The result of the last reload; `None` before the first.
    #[must_use]
    pub fn last_reload(&self) -> Option<Arc<ReloadOutcome>> {
        self.last_reload.load_full()
    }
}
