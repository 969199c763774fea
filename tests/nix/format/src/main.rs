//! `nix-format [--check] FILE…`: formats Nix files in place. With `--check` it only reports files that are not formatted or
//! that do not parse.

use std::process::ExitCode;

use alejandra::format::{Status, in_memory};

fn main() -> ExitCode {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let check = files.first().is_some_and(|first| first == "--check");
    if check {
        files.remove(0);
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        if let Err(error) = format(&file, check) {
            eprintln!("{file}: {error}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn format(file: &str, check: bool) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    match in_memory(file.to_owned(), text) {
        (Status::Error(error), _) => Err(error),
        (Status::Changed(true), _) if check => Err("not formatted. Run `nix fmt .`.".to_owned()),
        (Status::Changed(true), text) => std::fs::write(file, text).map_err(|error| error.to_string()),
        (Status::Changed(false), _) => Ok(()),
    }
}
