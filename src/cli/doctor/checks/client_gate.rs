//! Kimi Code's client gate: its Chat Completions API accepts known coding agents only.

use http::header::USER_AGENT;

use crate::catalog::AdapterId;
use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::protocol::api::Api;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "gate",
    group: "Chain",
    description: "which clients Kimi Code will refuse by their User-Agent, and what they get instead",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let settings = facts.require_settings()?;
    let chain = &settings.default_chain.references;
    let mut found: Vec<Finding> = Vec::new();
    for (at, reference) in chain.iter().enumerate() {
        let Some(provider) = settings.providers.get(&reference.provider) else { continue };
        let model = provider.find_model(&reference.model);
        let headers = model.iter().flat_map(|model| &model.headers).chain(&provider.headers);
        let named = headers.into_iter().any(|header| header.name == USER_AGENT);
        if provider.adapter != AdapterId::KimiCode
            || provider.disabled_reason.is_some()
            || named
            || !found.is_empty()
        {
            continue;
        }
        let next = chain.get(at + 1).map_or_else(
            || "and nobody is left behind it".to_owned(),
            |next| format!("and {next} answers them"),
        );
        let only_chat = !provider.apis.iter().any(|(face, _)| *face == Api::Messages);
        let what = format!(
            "Kimi Code refuses clients of Chat Completions and Responses that it does not know (403, forbidden_client), {next}; Kimi's own \
             programs, Claude Code, Roo Code and Kilo Code pass, and whoever speaks the Messages protocol"
        );
        let how =
            format!("{reference} is in the default chain, and no header User-Agent is configured for it");
        let id = &provider.id;
        let finding = if only_chat {
            Finding::warning(FindingKind::ClientGate, what, how)
        } else {
            Finding::info(FindingKind::ClientGate, what, how)
        };
        found.push(finding.with_fix(facts.choose_fix(
            format!("point the client at the Messages protocol (ANTHROPIC_BASE_URL), or set what it is: moonrelay config set models.providers.{id}.headers.User-Agent NAME/VERSION"),
            format!("services.moonrelay.settings.models.providers.{id}.headers.User-Agent = \"NAME/VERSION\"; # what your client is"),
        )));
    }
    Ok(found)
}
