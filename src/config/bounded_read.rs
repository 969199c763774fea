//! File reads with a size limit, because a path may name an endless file (`/dev/zero`).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// In MiB. The largest configuration by hand has some hundred KiB.
const MAX_MIB: u64 = 8;

/// The whole file.
///
/// # Errors
/// When it cannot be read, or is larger than 8 MiB.
pub(super) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let limit = MAX_MIB << 20;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {MAX_MIB} MiB")));
    }
    Ok(bytes)
}
