//! Access rights of files with secrets.

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::secret_files::{FileRole, SecretFile};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "secret-files",
    group: "Secrets",
    description: "the secrets file, the files of SecretRefs, credentials and EnvironmentFiles can be read, and by their owner only",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    // The Nix store check reports files in the store; Nix sets their modes.
    let files = facts
        .secret_files
        .iter()
        .filter(|file| file.role != FileRole::Configuration && !file.is_in_nix_store);
    Ok(files.filter_map(|file| evaluate(file, facts.uid)).collect())
}

fn evaluate(file: &SecretFile, own: Option<u32>) -> Option<Finding> {
    let (path, name) = (file.path.display(), file.describe());
    if file.is_dangling {
        let finding = Finding::error(
            FindingKind::DanglingSecretFile,
            format!("{name} is a link that leads nowhere"),
            "what it leads to is not there",
        );
        return Some(finding.with_fix(format!("ls -l {path}, and put the file there")).with_path(&file.path));
    }
    if let Some(why) = &file.read_error {
        let finding = Finding::error(
            FindingKind::UnreadableSecretFile,
            format!("{name} cannot be read, so nothing in it counts"),
            why.clone(),
        );
        return Some(
            finding
                .with_fix(format!("ls -ld {path}; it is to be a file of your own with mode 600"))
                .with_path(&file.path),
        );
    }
    let stat = file.permissions?;
    let how = format!("its mode is {:03o}", stat.mode);
    let fix = format!("chmod 600 {path}");
    let finding = match stat.mode {
        mode if mode & 0o022 != 0 => {
            Finding::error(FindingKind::SecretFileWritableByOthers, format!("others can write {name}"), how)
                .with_fix(fix)
        }
        mode if mode & 0o004 != 0 => Finding::error(
            FindingKind::SecretFileReadableByAll,
            format!("everybody on this machine can read {name}"),
            how,
        )
        .with_fix(fix),
        mode if mode & 0o040 != 0 => Finding::warning(
            FindingKind::SecretFileReadableByGroup,
            format!("its group can read {name}"),
            how,
        )
        .with_fix(fix),
        _ if own.is_some_and(|own| stat.uid != own && stat.uid != 0) => {
            let finding = Finding::warning(
                FindingKind::SecretFileOfOtherUser,
                format!("{name} belongs to somebody else"),
                format!("its owner is user {}", stat.uid),
            );
            finding.with_fix(format!("chown \"$USER\" {path}"))
        }
        _ => return None,
    };
    Some(finding.with_path(&file.path))
}
