//! The certificates that a connection trusts.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, Error, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// Trusts the system's certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
///
/// # Errors
/// When there are none.
pub(super) fn trust_system_roots() -> Result<ClientConfig, Error> {
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(with_protocols(versions.with_platform_verifier()?.with_no_client_auth()))
}

/// Trusts no certificate: for connections without TLS.
///
/// # Errors
/// Never with ring.
pub(super) fn trust_none() -> Result<ClientConfig, Error> {
    trusting(RootCertStore::empty())
}

pub(super) fn trusting(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(with_protocols(versions.with_root_certificates(roots).with_no_client_auth()))
}

fn with_protocols(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
