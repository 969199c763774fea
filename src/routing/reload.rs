//! New settings for the requests to come.

use std::sync::Arc;
use std::time::SystemTime;

use super::Engine;
use crate::config::settings::Settings;

/// How the last reload went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadOutcome {
    /// When it was over.
    pub finished_at: SystemTime,
    /// Whether the new settings serve.
    pub is_accepted: bool,
    /// Why they do not, or what of them does not count yet.
    pub message: Option<String>,
}

impl ReloadOutcome {
    fn now(ok: bool, message: Option<String>) -> Option<Arc<Self>> {
        Some(Arc::new(Self { finished_at: SystemTime::now(), is_accepted: ok, message }))
    }
}

impl Engine {
    /// Requests from now on see these settings, those under way the ones that they began with. Rests stay where the
    /// target is the same. `note`: what of the settings does not count yet.
    pub fn replace_settings(&self, settings: Arc<Settings>, note: Option<String>) {
        self.connector.set_connect_timeout(settings.failover.connect_timeout);
        let before = self.settings.swap(settings.clone());
        self.last_reload.store(ReloadOutcome::now(true, note));
        self.quotas.retain_configured(&settings);
        self.state.retain_unchanged(&before, &settings);
    }

    /// A reload was refused: the settings stay.
    pub fn reject_reload(&self, why: String) {
        self.last_reload.store(ReloadOutcome::now(false, Some(why)));
        self.state.notify();
    }

    /// How the last reload went; `None` before the first.
    #[must_use]
    pub fn last_reload(&self) -> Option<Arc<ReloadOutcome>> {
        self.last_reload.load_full()
    }
}
