//! A file of a folder that is served, opened so that it is no other one: a plain file, within the folder, under no name
//! with a dot at its beginning. A link leads to a file of the folder, or of the hub's cache where the folder is a
//! part of it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// A plain file.
#[derive(Debug)]
pub struct Opened {
    /// To be read from.
    pub file: File,
    /// Of the same file.
    pub data: Metadata,
}

/// Opens the file called `name`, with `/` between its parts. None if there is none that may be given.
///
/// # Errors
/// What the system says if there is one and it cannot be opened.
pub fn open(folder: &Path, name: &str) -> io::Result<Option<Opened>> {
    let real = match find(folder, name) {
        Err(error) => return none_there(error),
        Ok(None) => return Ok(None),
        Ok(Some(real)) => real,
    };
    // A pipe or a device would keep whoever opens it waiting.
    match real.symlink_metadata() {
        Err(error) => return none_there(error),
        Ok(data) if !data.is_file() => return Ok(None),
        Ok(_) => {}
    }
    let mut options = OpenOptions::new();
    options.read(true);
    // What has taken its place since then is no link, and does not block.
    #[cfg(unix)]
    {
        use nix::fcntl::OFlag;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    }
    let file = match options.open(&real) {
        Ok(file) => file,
        Err(error) => return none_there(error),
    };
    let data = file.metadata()?;
    Ok(data.is_file().then_some(Opened { file, data }))
}

fn none_there(error: io::Error) -> io::Result<Option<Opened>> {
    use ErrorKind::{InvalidInput, NotADirectory, NotFound};
    match [NotFound, NotADirectory, InvalidInput].contains(&error.kind()) {
        true => Ok(None),
        false => Err(error),
    }
}

/// Where the file really lies, if it may lie there.
fn find(folder: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    if !name.split('/').all(is_shown) {
        return Ok(None);
    }
    let folder = folder.canonicalize()?;
    let real = folder.join(name).canonicalize()?;
    let is_within = real.strip_prefix(&folder).is_ok_and(|rest| {
        rest.components().all(|part| match part {
            Component::Normal(part) => !part.as_encoded_bytes().starts_with(b"."),
            _ => false,
        })
    });
    let is_blob = || {
        real.parent()
            .is_some_and(|parent| blobs(&folder).as_deref() == Some(parent))
    };
    Ok((is_within || is_blob()).then_some(real))
}

/// Whether a part of a path is a name, and not one that hides.
fn is_shown(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':', '\0'])
}

/// Where the hub's cache has the files of a revision: `models--owner--name/snapshots/COMMIT` has links to files in
/// `models--owner--name/blobs`.
fn blobs(folder: &Path) -> Option<PathBuf> {
    let snapshots = folder.parent()?;
    let repository = snapshots.parent()?;
    let is_cache = snapshots.file_name()? == "snapshots"
        && repository.file_name()?.to_str()?.starts_with("models--");
    is_cache.then(|| repository.join("blobs"))
}

#[cfg(test)]
mod tests {
    use super::open;
    use std::fs;

    fn is_given(folder: &std::path::Path, name: &str) -> bool {
        open(folder, name).expect("an answer").is_some()
    }

    #[test]
    fn plain_files_below_the_folder_are_given() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("model");
        fs::create_dir_all(folder.join("samples/.hidden")).expect("folders");
        fs::create_dir_all(folder.join(".git")).expect("a folder");
        for name in [
            "a",
            "samples/1.png",
            ".env",
            ".git/config",
            "samples/.hidden/x",
            "../secret",
        ] {
            fs::write(folder.join(name), name).expect("a file");
        }
        for name in ["a", "samples/1.png"] {
            assert!(is_given(&folder, name), "{name}");
        }
        let outside = dir.path().join("secret").display().to_string();
        for name in [
            ".env",
            ".git/config",
            "samples/.hidden/x",
            "../secret",
            "samples/../a",
            "samples",
            "samples/",
            "/a",
            "a/",
            "a/b",
            "",
            ".",
            "..",
            "b",
            "a\0",
            &outside,
            "samples/../../secret",
            "samples\\1.png",
        ] {
            assert!(!is_given(&folder, name), "{name:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_to_files_of_the_folder_or_of_the_hubs_cache() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().expect("a folder");
        let repository = dir.path().join("models--a--b");
        let folder = repository.join("snapshots/0123");
        for name in ["snapshots/0123", "blobs", "refs"] {
            fs::create_dir_all(repository.join(name)).expect("a folder");
        }
        for name in [
            "blobs/ff",
            "refs/main",
            "snapshots/0123/own",
            "snapshots/0123/.env",
        ] {
            fs::write(repository.join(name), name).expect("a file");
        }
        let elsewhere = dir.path().join("blobs");
        fs::create_dir_all(&elsewhere).expect("a folder");
        fs::write(elsewhere.join("ff"), "").expect("a file");
        for (name, target, given) in [
            ("config.json", "../../blobs/ff", true),
            ("inner", "own", true),
            ("hidden", ".env", false),
            ("ref", "../../refs/main", false),
            ("far", "../../../blobs/ff", false),
            ("passwords", "/etc/passwd", false),
            ("nowhere", "nothing", false),
            ("folder", "../../blobs", false),
            ("null", "/dev/null", false),
        ] {
            symlink(target, folder.join(name)).expect("a link");
            assert_eq!(is_given(&folder, name), given, "{name} -> {target}");
        }
        symlink("loop", folder.join("loop")).expect("a link");
        assert!(!open(&folder, "loop").is_ok_and(|opened| opened.is_some()));

        // The same links in a folder that is no part of the cache.
        let plain = dir.path().join("plain/snapshots/0123");
        fs::create_dir_all(&plain).expect("a folder");
        fs::create_dir_all(dir.path().join("plain/blobs")).expect("a folder");
        fs::write(dir.path().join("plain/blobs/ff"), "").expect("a file");
        symlink("../../blobs/ff", plain.join("config.json")).expect("a link");
        assert!(!is_given(&plain, "config.json"));
    }
}
