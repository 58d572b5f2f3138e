//! Verifies a file's content against its ETag: one of 64 hexadecimal digits is the content's
//! SHA-256 (used by hubs for large, LFS files), one of 40 digits is its git SHA-1.
//!
//! SHA-1 detects damage, and protects against an attacker who must match the hash of a given file.
//! It does not protect against a hub that creates two files with the same hash, but such a hub
//! could serve either file anyway.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::progress::StopFlag;

/// Bytes read at once.
const PIECE_BYTES: usize = 1 << 20;

/// The known hash of a content, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256(String),
    Git(String),
}

impl Hash {
    /// The hash in `etag`, if it is one.
    pub fn named(etag: &str) -> Option<Self> {
        if !etag.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        match etag.len() {
            64 => Some(Hash::Sha256(etag.to_ascii_lowercase())),
            40 => Some(Hash::Git(etag.to_ascii_lowercase())),
            _ => None,
        }
    }

    /// The kind of hash, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Hash::Sha256(_) => "SHA-256",
            Hash::Git(_) => "git SHA-1",
        }
    }

    /// The hexadecimal digits.
    pub fn digits(&self) -> &str {
        match self {
            Hash::Sha256(digits) | Hash::Git(digits) => digits,
        }
    }

    /// Computes the hash of the same kind for the whole of `file`.
    ///
    /// # Errors
    /// The system's error, converted by `failed`; [`Error::Stopped`].
    pub fn of(
        &self,
        file: &mut File,
        failed: impl Fn(io::Error) -> Error,
        stop: &StopFlag,
    ) -> Result<Self> {
        match self {
            Hash::Sha256(_) => digits(Sha256::new(), file, failed, stop).map(Hash::Sha256),
            Hash::Git(_) => {
                let bytes = file.metadata().map_err(&failed)?.len();
                let begun = Sha1::new_with_prefix(format!("blob {bytes}\0"));
                digits(begun, file, failed, stop).map(Hash::Git)
            }
        }
    }
}

fn digits<D: Digest>(
    mut hash: D,
    file: &mut File,
    failed: impl Fn(io::Error) -> Error,
    stop: &StopFlag,
) -> Result<String> {
    file.seek(SeekFrom::Start(0)).map_err(&failed)?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        stop.check()?;
        match file.read(&mut piece).map_err(&failed)? {
            0 => break,
            read => hash.update(&piece[..read]),
        }
    }
    let bytes = hash.finalize();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn contents_are_known_by_the_names_that_hubs_and_git_give() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"hello\n").expect("written");
        for name in [
            // `git hash-object`, `sha256sum`
            "ce013625030ba8dba906f756967f9e9ca394464a",
            "CE013625030BA8DBA906F756967F9E9CA394464A",
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        ] {
            let hash = Hash::named(name).expect(name);
            let failed = |error: io::Error| Error::config("file", error);
            let found = hash.of(&mut file, failed, &StopFlag::default());
            assert_eq!(found.as_ref(), Ok(&hash));
            assert_eq!(hash.digits(), name.to_lowercase());
        }
        for name in ["", "abc", &"g".repeat(40), &"0".repeat(41)] {
            assert_eq!(Hash::named(name), None, "{name}");
        }
    }
}
