//! Whether the providers answer, and take their keys.

use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::network::{Asked, Outcome, Stage};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "reach",
    group: "Providers",
    says: "each provider in use answers and takes its key; what fails is told apart: the name, the connection, TLS, a proxy, the key, the address",
    asks_providers: true,
    run,
};

fn run(facts: &Facts) -> Verdict {
    let asked = facts.providers.as_deref().unwrap_or_default();
    if asked.is_empty() {
        return Err("no provider can be asked with a key of its own".to_owned());
    }
    let nobody = !asked.iter().any(|asked| matches!(asked.outcome, Outcome::Answered { .. }));
    Ok(asked.iter().filter_map(|asked| judge(asked, nobody, facts)).collect())
}

fn judge(asked: &Asked, nobody: bool, facts: &Facts) -> Option<Finding> {
    let (id, url) = (&asked.provider, &asked.url);
    match &asked.outcome {
        Outcome::Failed { stage, why } => {
            let (what, how, fix) = match stage {
                Stage::Login => {
                    let what = format!("provider {id} has no key: its login gives none");
                    (what, why.clone(), asked.login.clone().unwrap_or_else(|| mend(*stage, url, facts)))
                }
                _ => {
                    let what = format!("provider {id} cannot be reached: {}", words(*stage, url));
                    (what, format!("GET {url}: {why}"), mend(*stage, url, facts))
                }
            };
            let kind = match stage {
                Stage::Name => FindingKind::NameNotResolved,
                Stage::Connection => FindingKind::ConnectionFailed,
                Stage::Tls => FindingKind::TlsFailed,
                Stage::Proxy => FindingKind::ProxyFailed,
                Stage::Answer => FindingKind::NoResponse,
                Stage::Login => FindingKind::LoginFailed,
            };
            let finding =
                if nobody { Finding::error(kind, what, how) } else { Finding::warning(kind, what, how) };
            Some(finding.fix(fix))
        }
        Outcome::Answered { status, .. } => refused(asked, *status, facts),
    }
}

fn refused(asked: &Asked, status: u16, facts: &Facts) -> Option<Finding> {
    let (id, url) = (&asked.provider, &asked.url);
    let how = format!("GET {url} answered {status}");
    let key = asked.key.as_deref().unwrap_or("none");
    match status {
        // The key is good, in the other region: a check of its own tells that.
        401 if asked.takes_the_key_elsewhere() => None,
        401 => {
            let also =
                asked.elsewhere.as_ref().map_or(String::new(), |(other, _)| format!("; so does {other}"));
            let what = format!("provider {id} refuses its key {key}{also}");
            let fix = asked.login.clone();
            let fix = fix.unwrap_or_else(|| super::keys::remedy(facts, id, super::keys::variable(id)));
            Some(Finding::error(FindingKind::KeyRejected, what, how).fix(fix))
        }
        402 | 403 => {
            let what = format!(
                "provider {id} knows its key {key} and does not serve it: no membership, no money, or this address is not allowed"
            );
            Some(
                Finding::warning(FindingKind::KeyNotServed, what, how)
                    .fix(format!("moonrelay models status --probe tells {id}'s own words")),
            )
        }
        404 => {
            let what = format!(
                "provider {id} has no list of models where one is expected: its baseUrl may be wrong"
            );
            let fix = facts.fix(
                format!("moonrelay config set models.providers.{id}.baseUrl https://…/v1"),
                format!("services.moonrelay.settings.models.providers.{id}.baseUrl = \"https://…/v1\";"),
            );
            Some(Finding::warning(FindingKind::NoModelList, what, how).fix(fix))
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

impl Asked {
    /// Whether the other region takes what this one refused.
    pub(in crate::cli::doctor) fn takes_the_key_elsewhere(&self) -> bool {
        matches!(&self.elsewhere, Some((_, Outcome::Answered { status: 200..=299, .. })))
    }
}

fn host(url: &str) -> String {
    url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| url.to_owned())
}

fn words(stage: Stage, url: &str) -> String {
    let host = host(url);
    match stage {
        Stage::Name => format!("the name {host} has no address"),
        Stage::Connection => format!("nobody takes a connection at {host}"),
        Stage::Tls => format!("no safe connection (TLS) to {host} comes about"),
        Stage::Proxy => format!("the way to {host} leads through a proxy, and fails"),
        Stage::Answer => format!("{host} takes the connection and does not answer"),
        Stage::Login => "its login gives no key".to_owned(),
    }
}

fn mend(stage: Stage, url: &str, facts: &Facts) -> String {
    let host = host(url);
    match stage {
        Stage::Name => {
            format!("getent hosts {host}; then the name servers of this machine (/etc/resolv.conf)")
        }
        Stage::Connection => format!("curl -v {url}; then the firewall, or the server itself"),
        Stage::Tls => facts.fix(
            "install CA certificates (ca-certificates), or set SSL_CERT_FILE; a wrong clock does that, too",
            "security.pki.certificateFiles = [ ./ca.pem ]; # where a company's own authority signs",
        ),
        Stage::Proxy => format!("export NO_PROXY={host}, or mend the proxy"),
        Stage::Answer | Stage::Login => "moonrelay models status --probe in a minute".to_owned(),
    }
}
