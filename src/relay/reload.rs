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
    /// Why the old settings serve on; `None` when the new ones do.
    pub refused: Option<String>,
}

impl Relay {
    /// Requests from now on see these settings, those under way the ones that they began with. Rests stay where the
    /// target is the same. Returns the settings of before.
    pub fn replace(&self, settings: Arc<Settings>) -> Arc<Settings> {
        self.connector.limit_connect(settings.failover.connect);
        let before = self.settings.swap(settings.clone());
        self.reload.store(Some(Arc::new(Reload { at: SystemTime::now(), refused: None })));
        self.state.keep(&before, &settings);
        before
    }

    /// A reload was refused: the settings stay.
    pub fn refuse(&self, why: String) {
        self.reload.store(Some(Arc::new(Reload { at: SystemTime::now(), refused: Some(why) })));
        self.state.told();
    }

    /// How the last reload went; `None` before the first.
    #[must_use]
    pub fn last_reload(&self) -> Option<Arc<Reload>> {
        self.reload.load_full()
    }
}
