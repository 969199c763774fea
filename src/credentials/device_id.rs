//! Identifies this installation to the authorization server: a random number, not derived from the machine.

use std::io::{self, ErrorKind};

use super::{LoginFile, file};

impl LoginFile {
    /// The id, 32 hexadecimal digits; made up the first time, and kept.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn load_device_id(&self) -> io::Result<String> {
        let path = self.directory.join("device");
        match std::fs::read_to_string(&path) {
            Ok(id) if id.trim().len() == 32 && id.trim().bytes().all(|b| b.is_ascii_hexdigit()) => {
                return Ok(id.trim().to_owned());
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let id = generate_id();
        let draft = self.directory.join(format!(".{id}.tmp"));
        file::write_atomically(&self.directory, &draft, &path, format!("{id}\n").as_bytes())?;
        Ok(id)
    }
}

/// 32 hexadecimal digits, for what must differ and need not be secret.
#[must_use]
pub fn generate_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}
