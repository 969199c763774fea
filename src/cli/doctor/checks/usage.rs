//! The usage database.

use serde_json::Value;

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "ledger",
    group: "Machine",
    description: "the ledger can be read, and the running gateway writes it and has lost nothing",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let state = facts.state_directory.as_ref().ok_or("no home, or its disk did not answer")?;
    let mut found = Vec::new();
    if let Some(why) = &state.usage_error {
        let finding = Finding::error(
            FindingKind::UnreadableUsageDatabase,
            "the ledger cannot be read: moonrelay usage shows nothing",
            why.clone(),
        );
        let fix = format!(
            "mv {0}/ledger.sqlite {0}/ledger.old; the gateway begins a new one at its next start",
            state.path.display()
        );
        found.push(finding.with_fix(fix).with_path(&state.path));
    }
    let told = facts.gateway_status().and_then(|status| status.get("ledger"));
    let dropped = told.and_then(|ledger| ledger.get("dropped")?.as_u64()).unwrap_or_default();
    let trouble = told.and_then(|ledger| ledger.get("trouble")).and_then(Value::as_str);
    let how = "moonrelay gateway status";
    if let Some(trouble) = trouble {
        let finding = Finding::error(
            FindingKind::UsageDatabaseNotWritten,
            format!("the running gateway cannot write the ledger ({dropped} entries are lost): {trouble}"),
            how,
        );
        found.push(finding.with_fix("mend that; it goes on by itself"));
    } else if dropped > 0 {
        found.push(Finding::warning(
            FindingKind::UsageEntriesLost,
            format!("the running gateway lost {dropped} entries of the ledger"),
            how,
        ));
    }
    Ok(found)
}
