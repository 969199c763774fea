//! Chooses where the gateway listens: the configuration, the command line that overrides it, or inherited
//! sockets.

use std::net::{IpAddr, Ipv4Addr};

use crate::config::settings::{Bind, GatewaySettings};

/// `--bind` and `--port`, which override the file.
#[derive(Clone, Debug, Default)]
pub struct BindFlags {
    /// `--bind`.
    pub bind: Option<Bind>,
    /// `--port`; 0 picks a free port.
    pub port: Option<u16>,
}

impl BindFlags {
    /// Overrides the file's values.
    pub fn apply(&self, gateway: &mut GatewaySettings) {
        if let Some(bind) = &self.bind {
            gateway.bind = bind.clone();
        }
        gateway.port = self.port.unwrap_or(gateway.port);
    }
}

/// The address that a configuration requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BindConfig {
    pub(super) bind: Bind,
    pub(super) port: u16,
}

impl BindConfig {
    pub(super) fn from_gateway(gateway: &GatewaySettings) -> Self {
        Self { bind: gateway.bind.clone(), port: gateway.port }
    }

    /// Whether both mean the same socket.
    fn is_same_socket(&self, other: &Self) -> bool {
        let plain = |bind: &Bind| match bind {
            Bind::Loopback => Bind::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            other => other.clone(),
        };
        let (bind, by_path) = (plain(&self.bind), matches!(self.bind, Bind::Unix(_)));
        bind == plain(&other.bind) && (by_path || self.port == other.port)
    }
}

/// The current source of the address.
pub(super) enum BindSource {
    /// Inherited sockets, reached at these addresses.
    Inherited(Vec<IpAddr>),
    /// The gateway's own.
    Owned {
        /// Flags that override the file.
        flags: BindFlags,
        /// The current address.
        current: BindConfig,
    },
}

/// How a new configuration changes the address.
pub(super) struct BindChange {
    /// The address to bind instead of the current one.
    pub(super) rebind_to: Option<BindConfig>,
    /// The values of the file that have no effect.
    pub(super) note: Option<String>,
}

impl BindSource {
    /// Compares the current file with the one at start, and applies the flags to `gateway`.
    ///
    /// # Errors
    /// If the new configuration must not be served there: a token is missing.
    pub(super) fn plan_change(
        &self,
        first: &BindConfig,
        gateway: &mut GatewaySettings,
    ) -> Result<BindChange, String> {
        let requested = BindConfig::from_gateway(gateway);
        let differs = !requested.is_same_socket(first);
        match self {
            Self::Inherited(bound) => {
                for ip in bound {
                    gateway.check_bind(&Bind::Address(*ip))?;
                }
                let note = differs.then(|| {
                    "gateway.bind and gateway.port do not count: the sockets were handed over; change the socket \
                     unit and restart it"
                        .to_owned()
                });
                Ok(BindChange { rebind_to: None, note })
            }
            Self::Owned { flags, current: now } => {
                flags.apply(gateway);
                gateway.check_bind(&gateway.bind)?;
                let wanted = BindConfig::from_gateway(gateway);
                let note = (differs && !requested.is_same_socket(&wanted)).then(|| {
                    let names = match (&flags.bind, flags.port) {
                        (Some(_), Some(_)) => "--bind and --port",
                        (Some(_), None) => "--bind",
                        _ => "--port",
                    };
                    format!("gateway.bind or gateway.port has changed, and {names} of the start wins: restart without")
                });
                Ok(BindChange { rebind_to: (!wanted.is_same_socket(now)).then_some(wanted), note })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BindConfig, BindFlags, BindSource};
    use crate::config::settings::{Bind, GatewaySettings};

    fn gateway(bind: &str, port: u16) -> GatewaySettings {
        GatewaySettings { bind: Bind::parse(bind).unwrap(), port, ..GatewaySettings::default() }
    }

    #[test]
    fn flag_overrides_the_file_and_the_same_socket_stays() {
        let first = BindConfig::from_gateway(&gateway("loopback", 1969));
        let flags = BindFlags { bind: None, port: Some(0) };
        let mut now = gateway("loopback", 1969);
        flags.apply(&mut now);
        let source = BindSource::Owned { flags, current: BindConfig::from_gateway(&now) };
        let changes = |bind: &str, port: u16| {
            let change = source.plan_change(&first, &mut gateway(bind, port)).unwrap();
            (change.rebind_to.map(|bind| bind.bind.to_string()), change.note.is_some())
        };
        assert_eq!(changes("loopback", 1969), (None, false));
        assert_eq!(changes("127.0.0.1", 1969), (None, false), "it means the same");
        assert_eq!(changes("loopback", 2000), (None, true), "the port is that of the flag");
        assert_eq!(changes("::1", 1969), (Some("::1".to_owned()), true));
        assert_eq!(changes("unix:/a", 1), (Some("unix:/a".to_owned()), false), "it has no port");
        assert!(source.plan_change(&first, &mut gateway("all", 1969)).is_err(), "it has no token");
    }
}
