//! New settings for the requests to come.

use std::sync::Arc;
use std::time::SystemTime;

use super::Relay;
use crate::config::settings::Settings;

/// How the last reload went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// When it was over.
    pub at: SystemTime,
    /// Whether the new settings serve.
    pub ok: bool,
    /// Why they do not, or what of them does not count yet.
    pub message: Option<String>,
}

impl Reload {
    fn now(ok: bool, message: Option<String>) -> Option<Arc<Self>> {
        Some(Arc::new(Self { at: SystemTime::now(), ok, message }))
    }
}

impl Relay {
    /// Requests from now on see these settings, those under way the ones that they began with. Rests stay where the
    /// target is the same. `note`: what of the settings does not count yet.
    pub fn replace(&self, settings: Arc<Settings>, note: Option<String>) {
        self.connector.limit_connect(settings.failover.connect);
        let before = self.settings.swap(settings.clone());
        self.reload.store(Reload::now(true, note));
        self.quotas.keep(&settings);
        self.state.keep(&before, &settings);
    }

    /// A reload was refused: the settings stay.
    pub fn refuse(&self, why: String) {
        self.reload.store(Reload::now(false, Some(why)));
        self.state.told();
    }

    /// How the last reload went; `None` before the first.
    #[must_use]
    pub fn last_reload(&self) -> Option<Arc<Reload>> {
        self.reload.load_full()
    }
}
