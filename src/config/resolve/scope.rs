//! What every part of the resolution needs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::interpolate::Variables;
use crate::config::keypath::KeyPath;
use crate::config::keys::{SecretSetting, SecretSource};
use crate::config::settings::{Missing, Provider, SecretOrigin, WarningKind};
use crate::config::validate::Diagnostics;
use crate::secret::Secret;

/// The providers by id.
pub(super) type Providers = BTreeMap<String, Arc<Provider>>;

/// What every part of the resolution needs.
pub(super) struct Scope {
    pub(super) variables: Variables,
    pub(super) report: Diagnostics,
    /// Files that secret references name.
    pub(super) secret_files: Vec<PathBuf>,
}

impl Scope {
    pub(super) fn error(&mut self, path: &KeyPath, message: impl Into<String>) {
        self.report.add_error(path, message);
    }

    pub(super) fn warn(&mut self, path: &KeyPath, kind: WarningKind) {
        self.report.add_warning(path.to_string(), kind);
    }

    /// A warning that no code acts on. `name` is for programs.
    pub(super) fn warn_other(&mut self, path: &KeyPath, name: &'static str, message: impl Into<String>) {
        self.warn(path, WarningKind::Other { name, message: message.into() });
    }

    pub(super) fn resolve_secret(
        &mut self,
        setting: &SecretSetting,
    ) -> Result<(Secret, SecretOrigin), Missing> {
        if let SecretSetting::Reference { source: SecretSource::File, id } = setting {
            self.secret_files.push(self.variables.expand_path(id));
        }
        self.variables.resolve_secret(setting)
    }
}
