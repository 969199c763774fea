//! `sessions export`.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

use super::session_id::resolve_id;
use super::{markdown, session_error};
use crate::assistant::session::SessionStore;
use crate::assistant::transcript::reader::Transcript;
use crate::cli::console::Console;
use crate::cli::exit::CommandError;

/// For its owner alone, as the session itself.
const EXPORT_MODE: u32 = 0o600;

/// `sessions export`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The session's id, or the beginning of it
    id: String,
    /// As what
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// Also what the models thought; the lines always have it
    #[arg(long)]
    thinking: bool,
    /// Into this file, which is for you alone [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also where that file is there already
    #[arg(long, requires = "output")]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// To read
    Markdown,
    /// The lines of the file, without those that cannot be read
    Jsonl,
}

/// Writes it out.
pub(super) fn export(
    sessions: &SessionStore,
    args: &Args,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let id = resolve_id(sessions, &args.id)?;
    let transcript = sessions.read(&id).map_err(session_error)?.unwrap_or_default();
    let bytes = match args.format {
        Format::Markdown => markdown::render_page(&id, &transcript, args.thinking).into_bytes(),
        Format::Jsonl => {
            Transcript::valid_lines(&sessions.bytes(&id).map_err(session_error)?.unwrap_or_default())
        }
    };
    let Some(path) = &args.output else {
        return console.out.write_all(&bytes).map_err(CommandError::from_output_error);
    };
    write_atomically(path, &bytes, args.force).map_err(|error| write_error(path, &error))?;
    if console.json {
        let broken = transcript.corrupt_lines();
        return console.print_json(&json!({ "ok": true, "id": id, "path": path, "brokenLines": broken }));
    }
    console.print_line(format_args!("Session {id} is in {}", path.display()))
}

fn write_error(path: &Path, error: &io::Error) -> CommandError {
    let path = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => {
            CommandError::failure("file_exists", format!("{path} is there already: --force replaces it"))
        }
        _ => CommandError::failure("file_error", format!("cannot write {path}: {error}")),
    }
}

/// All of it or nothing: beside the file, then under its name.
fn write_atomically(path: &Path, bytes: &[u8], force: bool) -> io::Result<()> {
    if !force {
        // The name is reserved now, and no other file is replaced below.
        create(path)?;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = folder.join(format!(".moonrelay-{:016x}.tmp", fastrand::u64(..)));
    let written = write_draft(&draft, bytes).and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        // The first error has been reported.
        let ours = [Some(draft.as_path()), (!force).then_some(path)];
        ours.into_iter().flatten().for_each(|path| drop(std::fs::remove_file(path)));
    }
    written
}

fn write_draft(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(EXPORT_MODE).open(path)
}
