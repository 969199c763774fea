//! Whether the providers are reachable and accept their keys.

use http::header::USER_AGENT;
use url::Url;

use crate::catalog::{AdapterId, builtin_catalog};
use crate::config::settings::Auth;
use crate::doctor::facts::Facts;
use crate::doctor::finding::{CheckResult, Finding, FindingKind, Severity};
use crate::doctor::network::{ProbeOutcome, ProbeStage, ProviderProbe};
use crate::doctor::provider_query::{detect_other_product, uses_catalog_host};
use crate::protocol::api::Api;

pub(super) fn reachability(facts: &Facts) -> CheckResult {
    let probes = facts.provider_probes.as_deref().unwrap_or_default();
    if probes.is_empty() {
        return Err("no provider has a key that can be tested".to_owned());
    }
    // If every provider fails, no request can succeed.
    let all_failed = probes.iter().all(|probe| matches!(probe.outcome, ProbeOutcome::Failed { .. }));
    let severity = if all_failed { Severity::Error } else { Severity::Warning };
    let check = |probe: &ProviderProbe| match &probe.outcome {
        ProbeOutcome::Failed { stage, why } => {
            Some(explain_stage(*stage, why, probe, facts).with_severity(severity))
        }
        ProbeOutcome::Response { status, .. } => check_status(probe, *status, facts),
    };
    Ok(probes.iter().filter_map(check).collect())
}

fn explain_stage(stage: ProbeStage, why: &str, probe: &ProviderProbe, facts: &Facts) -> Finding {
    let (id, url) = (&probe.provider, &probe.url);
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_else(|| url.clone());
    let retry = || "moonrelay models status --probe in a minute".to_owned();
    let (kind, problem, fix) = match stage {
        ProbeStage::NameResolution => (
            FindingKind::NameNotResolved,
            format!("the name {host} has no address"),
            format!("getent hosts {host}; then check the name servers of this machine (/etc/resolv.conf)"),
        ),
        ProbeStage::Connection => (
            FindingKind::ConnectionFailed,
            format!("{host} does not accept the connection"),
            format!("curl -v {url}; then check the firewall, or the server itself"),
        ),
        ProbeStage::Tls => (
            FindingKind::TlsFailed,
            format!("the TLS handshake with {host} fails"),
            facts.choose_fix(
                "install CA certificates (ca-certificates), or set SSL_CERT_FILE; also check the clock",
                "security.pki.certificateFiles = [ ./ca.pem ]; # if a company's own authority signs",
            ),
        ),
        ProbeStage::Proxy => (
            FindingKind::ProxyFailed,
            format!("the request to {host} through the proxy fails"),
            format!("export NO_PROXY={host}, or fix the proxy"),
        ),
        ProbeStage::Response => {
            (FindingKind::NoResponse, format!("{host} accepts the connection and does not respond"), retry())
        }
        ProbeStage::Login => {
            let problem = format!("provider {id} has no key: its login gives none");
            let fix = probe.login_command.clone().unwrap_or_else(retry);
            return Finding::new(FindingKind::LoginFailed, problem, why).with_fix(fix);
        }
    };
    let problem = format!("provider {id} cannot be reached: {problem}");
    Finding::new(kind, problem, format!("GET {url}: {why}")).with_fix(fix)
}

fn check_status(probe: &ProviderProbe, status: u16, facts: &Facts) -> Option<Finding> {
    let id = &probe.provider;
    let key = probe.key.as_deref().unwrap_or("none");
    let (kind, problem, fix) = match status {
        // A separate check reports that the key is valid in the other region.
        401 if probe.accepting_region().is_some() => return None,
        401 => {
            let other = probe.other_region.as_ref();
            let also = other.map_or(String::new(), |(other, _)| format!("; so does {other}"));
            let fix = probe.login_command.clone().unwrap_or_else(|| facts.key_fix(id, None));
            (FindingKind::KeyRejected, format!("rejects its key {key}{also}"), Some(fix))
        }
        402 | 403 => (
            FindingKind::KeyNotServed,
            format!(
                "knows its key {key} but does not serve it: no membership, no balance, or a blocked address"
            ),
            Some(format!("moonrelay models status --probe shows the error of {id}")),
        ),
        404 => (
            FindingKind::NoModelList,
            "has no model list at this address: its baseUrl may be wrong".to_owned(),
            Some(facts.set_fix(&format!("models.providers.{id}.baseUrl"), "\"https://…/v1\"")),
        ),
        300..=399 => (FindingKind::ProviderRedirects, "redirects: its baseUrl has moved".to_owned(), None),
        500.. => (FindingKind::ProviderError, "has a server error".to_owned(), None),
        _ => return None,
    };
    let evidence = format!("GET {} returned {status}", probe.url);
    Some(Finding { fix, ..Finding::new(kind, format!("provider {id} {problem}"), evidence) })
}

pub(super) fn key_region(facts: &Facts) -> CheckResult {
    let probes = facts.provider_probes.iter().flatten();
    let findings = probes.filter_map(|probe| {
        let (id, other) = (&probe.provider, probe.accepting_region()?);
        let key = probe.key.as_deref().unwrap_or_default();
        let problem = format!("the key of provider {id}, {key}, belongs to the other region: {other}");
        let evidence = format!("GET {} returned 401, and the other region accepts the key", probe.url);
        let fix = facts.set_fix(&format!("models.providers.{id}.baseUrl"), &format!("\"{other}\""));
        Some(Finding::new(FindingKind::KeyOfOtherRegion, problem, evidence).with_fix(fix))
    });
    Ok(findings.collect())
}

pub(super) fn key_product(facts: &Facts) -> CheckResult {
    let mut found = Vec::new();
    for provider in facts.require_settings()?.providers.values() {
        if provider.disabled_reason.is_some() || matches!(provider.auth, Auth::None | Auth::Login) {
            continue;
        }
        for key in &provider.keys {
            let Some(other) = detect_other_product(provider.adapter, &key.secret) else { continue };
            let (own, product) = (product_name(provider.adapter), product_name(other));
            let problem =
                format!("provider {} is {own}, but its key ({}) is for {product}", provider.id, key.origin);
            let evidence = format!("the key has the prefix of {product}; {own} rejects it");
            // A proxy may have keys of its own.
            let severity = if uses_catalog_host(provider) { Severity::Error } else { Severity::Warning };
            let known = builtin_catalog().providers.iter().find(|known| known.adapter == other);
            let fix = facts.key_fix(known.map_or("", |known| known.id.as_str()), None);
            let finding = Finding::new(FindingKind::KeyOfOtherProduct, problem, evidence);
            found.push(finding.with_severity(severity).with_fix(fix));
        }
    }
    Ok(found)
}

const fn product_name(adapter: AdapterId) -> &'static str {
    match adapter {
        AdapterId::Moonshot => "Moonshot's platform",
        AdapterId::KimiCode => "Kimi Code",
        AdapterId::OpenRouter => "OpenRouter",
        AdapterId::Generic => "another server",
    }
}

/// Kimi Code's Chat Completions API accepts known coding agents only.
pub(super) fn client_gate(facts: &Facts) -> CheckResult {
    let settings = facts.require_settings()?;
    let chain = &settings.default_chain.references;
    for (index, reference) in chain.iter().enumerate() {
        let Some(provider) = settings.providers.get(&reference.provider) else { continue };
        let model = provider.find_model(&reference.model);
        let mut headers = model.iter().flat_map(|model| &model.headers).chain(&provider.headers);
        let is_gated = provider.adapter == AdapterId::KimiCode && provider.disabled_reason.is_none();
        if !is_gated || headers.any(|header| header.name == USER_AGENT) {
            continue;
        }
        let next = match chain.get(index + 1) {
            Some(next) => format!("and {next} serves them"),
            None => "and the chain has no target after it".to_owned(),
        };
        let problem = format!(
            "Kimi Code rejects unknown clients of Chat Completions and Responses (403, forbidden_client), {next}. It accepts Kimi's own \
             programs, Claude Code, Roo Code, Kilo Code, and every client of the Messages API"
        );
        let evidence = format!("{reference} is in the default chain, without a configured User-Agent header");
        let header = format!("models.providers.{}.headers.User-Agent", provider.id);
        let fix = facts.choose_fix(
            format!("use the Messages API in the client (ANTHROPIC_BASE_URL), or set its name: moonrelay config set {header} NAME/VERSION"),
            format!("services.moonrelay.settings.{header} = \"NAME/VERSION\"; # the name of your client"),
        );
        let has_messages = provider.apis.iter().any(|(api, _)| *api == Api::Messages);
        let severity = if has_messages { Severity::Info } else { Severity::Warning };
        let finding = Finding::new(FindingKind::ClientGate, problem, evidence);
        return Ok(vec![finding.with_severity(severity).with_fix(fix)]);
    }
    Ok(Vec::new())
}
