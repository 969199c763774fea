//! Whether the providers are reachable and accept their keys.

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::provider_probe::{ProbeOutcome, ProbeStage, ProviderProbe};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "reach",
    group: "Providers",
    description: "each provider in use answers and takes its key; what fails is told apart: the name, the connection, TLS, a proxy, the key, the address",
    needs_network: true,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let asked = facts.provider_probes.as_deref().unwrap_or_default();
    if asked.is_empty() {
        return Err("no provider can be asked with a key of its own".to_owned());
    }
    let nobody = !asked.iter().any(|asked| matches!(asked.outcome, ProbeOutcome::Answered { .. }));
    Ok(asked.iter().filter_map(|asked| evaluate(asked, nobody, facts)).collect())
}

fn evaluate(asked: &ProviderProbe, nobody: bool, facts: &Facts) -> Option<Finding> {
    let (id, url) = (&asked.provider, &asked.url);
    match &asked.outcome {
        ProbeOutcome::Failed { stage, why } => {
            let (what, how, fix) = match stage {
                ProbeStage::Login => {
                    let what = format!("provider {id} has no key: its login gives none");
                    (
                        what,
                        why.clone(),
                        asked.login_command.clone().unwrap_or_else(|| stage_fix(*stage, url, facts)),
                    )
                }
                _ => {
                    let what = format!("provider {id} cannot be reached: {}", stage_text(*stage, url));
                    (what, format!("GET {url}: {why}"), stage_fix(*stage, url, facts))
                }
            };
            let kind = match stage {
                ProbeStage::NameResolution => FindingKind::NameNotResolved,
                ProbeStage::Connection => FindingKind::ConnectionFailed,
                ProbeStage::Tls => FindingKind::TlsFailed,
                ProbeStage::Proxy => FindingKind::ProxyFailed,
                ProbeStage::Response => FindingKind::NoResponse,
                ProbeStage::Login => FindingKind::LoginFailed,
            };
            let finding =
                if nobody { Finding::error(kind, what, how) } else { Finding::warning(kind, what, how) };
            Some(finding.with_fix(fix))
        }
        ProbeOutcome::Answered { status, .. } => key_rejected(asked, *status, facts),
    }
}

fn key_rejected(asked: &ProviderProbe, status: u16, facts: &Facts) -> Option<Finding> {
    let (id, url) = (&asked.provider, &asked.url);
    let how = format!("GET {url} answered {status}");
    let key = asked.key.as_deref().unwrap_or("none");
    match status {
        // The key is valid in the other region, which a separate check reports.
        401 if asked.other_region_accepts_key() => None,
        401 => {
            let also =
                asked.other_region.as_ref().map_or(String::new(), |(other, _)| format!("; so does {other}"));
            let what = format!("provider {id} refuses its key {key}{also}");
            let fix = asked.login_command.clone();
            let fix = fix.unwrap_or_else(|| super::keys::key_fix(facts, id, super::keys::key_variable(id)));
            Some(Finding::error(FindingKind::KeyRejected, what, how).with_fix(fix))
        }
        402 | 403 => {
            let what = format!(
                "provider {id} knows its key {key} and does not serve it: no membership, no money, or this address is not allowed"
            );
            Some(
                Finding::warning(FindingKind::KeyNotServed, what, how)
                    .with_fix(format!("moonrelay models status --probe tells {id}'s own words")),
            )
        }
        404 => {
            let what = format!(
                "provider {id} has no list of models where one is expected: its baseUrl may be wrong"
            );
            let fix = facts.choose_fix(
                format!("moonrelay config set models.providers.{id}.baseUrl https://…/v1"),
                format!("services.moonrelay.settings.models.providers.{id}.baseUrl = \"https://…/v1\";"),
            );
            Some(Finding::warning(FindingKind::NoModelList, what, how).with_fix(fix))
        }
        300..=399 => Some(Finding::warning(
            FindingKind::ProviderRedirects,
            format!("provider {id} redirects: its baseUrl is not the last one"),
            how,
        )),
        500.. => Some(Finding::warning(
            FindingKind::ProviderError,
            format!("provider {id} is in trouble itself"),
            how,
        )),
        _ => None,
    }
}

impl ProviderProbe {
    /// Whether the other region takes what this one refused.
    pub(in crate::cli::doctor) fn other_region_accepts_key(&self) -> bool {
        matches!(&self.other_region, Some((_, ProbeOutcome::Answered { status: 200..=299, .. })))
    }
}

fn host_of(url: &str) -> String {
    url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| url.to_owned())
}

fn stage_text(stage: ProbeStage, url: &str) -> String {
    let host = host_of(url);
    match stage {
        ProbeStage::NameResolution => format!("the name {host} has no address"),
        ProbeStage::Connection => format!("nobody takes a connection at {host}"),
        ProbeStage::Tls => format!("no safe connection (TLS) to {host} comes about"),
        ProbeStage::Proxy => format!("the way to {host} leads through a proxy, and fails"),
        ProbeStage::Response => format!("{host} takes the connection and does not answer"),
        ProbeStage::Login => "its login gives no key".to_owned(),
    }
}

fn stage_fix(stage: ProbeStage, url: &str, facts: &Facts) -> String {
    let host = host_of(url);
    match stage {
        ProbeStage::NameResolution => {
            format!("getent hosts {host}; then the name servers of this machine (/etc/resolv.conf)")
        }
        ProbeStage::Connection => format!("curl -v {url}; then the firewall, or the server itself"),
        ProbeStage::Tls => facts.choose_fix(
            "install CA certificates (ca-certificates), or set SSL_CERT_FILE; a wrong clock does that, too",
            "security.pki.certificateFiles = [ ./ca.pem ]; # where a company's own authority signs",
        ),
        ProbeStage::Proxy => format!("export NO_PROXY={host}, or mend the proxy"),
        ProbeStage::Response | ProbeStage::Login => "moonrelay models status --probe in a minute".to_owned(),
    }
}
