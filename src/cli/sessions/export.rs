//! `sessions export`.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

use super::show;
use crate::assistant::session::SessionStore;
use crate::assistant::transcript::reader::Transcript;
use crate::cli::command::{CommandContext, CommandError};

/// Arguments of `sessions export`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Session id, or a prefix of it
    pub(super) id: String,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// Include the models' reasoning in Markdown; `jsonl` always has it
    #[arg(long)]
    thinking: bool,
    /// File to write, with mode 0600 [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Markdown, for reading
    Markdown,
    /// The lines of the session file, without unreadable ones
    Jsonl,
}

/// Prints the session, or writes it to a file.
pub(super) fn export(
    sessions: &SessionStore,
    id: &str,
    args: &Args,
    context: &mut CommandContext<'_>,
) -> Result<(), CommandError> {
    let transcript = sessions.read(id)?.unwrap_or_default();
    let bytes = match args.format {
        Format::Markdown => show::as_markdown(id, &transcript, args.thinking).into_bytes(),
        Format::Jsonl => Transcript::valid_lines(&sessions.bytes(id)?.unwrap_or_default()),
    };
    let Some(path) = &args.output else {
        return context.out.write_all(&bytes).map_err(CommandError::from_output_error);
    };
    write_atomically(path, &bytes, args.force).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let why = format!("{} already exists. Use --force to replace it.", path.display());
            CommandError::failure("file_exists", why)
        }
        _ => CommandError::failure("file_error", format!("cannot write {}: {error}", path.display())),
    })?;
    let value = json!({ "ok": true, "id": id, "path": path, "brokenLines": transcript.corrupt_lines() });
    context.report(&value, || format!("Exported session {id} to {}", path.display()))
}

/// Writes a temporary file and renames it, so that the file is never incomplete.
fn write_atomically(path: &Path, bytes: &[u8], force: bool) -> io::Result<()> {
    if !force {
        // Reserves the name, so that no other file is replaced below.
        create(path)?;
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = directory.join(format!(".moonrelay-{:016x}.tmp", fastrand::u64(..)));
    let written = create(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        let ours = [Some(draft.as_path()), (!force).then_some(path)];
        // Only the first error is reported.
        ours.into_iter().flatten().for_each(|path| drop(std::fs::remove_file(path)));
    }
    written
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
