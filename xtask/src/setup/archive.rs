//! Extracts one program from a downloaded archive. Nothing is written to disk here, and names in
//! the archive are never used as paths.

use std::io::{Cursor, Read};
use std::path::{Component, Path, PathBuf};

/// Most entries; the archives used here have fewer.
const MOST_ENTRIES: usize = 1000;
/// Size limit of a program, and of an archive's total contents, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// The bytes of the only regular file called `program` in a `.tar.gz` or `.zip` (distinguished by
/// `name`).
pub fn program(archive: &[u8], name: &str, program: &str) -> Result<Vec<u8>, String> {
    let found = if name.ends_with(".zip") {
        from_zip(archive, program)
    } else {
        from_tar(archive, program)
    };
    match found.map_err(|why| format!("{name} {why}"))?.as_mut_slice() {
        [one] => Ok(std::mem::take(one)),
        [] => Err(format!("{name} holds no file {program}")),
        _ => Err(format!("{name} holds {program} more than once")),
    }
}

fn from_tar(archive: &[u8], program: &str) -> Result<Vec<Vec<u8>>, String> {
    let damaged = |error: std::io::Error| format!("is damaged ({error})");
    // Read to its end, where its own checksum is.
    let mut unpacked = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(archive).take(MOST_BYTES + 1);
    decoder.read_to_end(&mut unpacked).map_err(damaged)?;
    if unpacked.len() as u64 > MOST_BYTES {
        return Err(format!("unpacks to more than {MOST_BYTES} bytes"));
    }
    let mut archive = tar::Archive::new(unpacked.as_slice());
    let mut found = Vec::new();
    for (count, entry) in archive.entries().map_err(damaged)?.enumerate() {
        let mut entry = entry.map_err(damaged)?;
        check_count(count)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        check_path(&path)?;
        if path.file_name().is_some_and(|name| name == program) {
            if !entry.header().entry_type().is_file() {
                return Err(format!("holds {program} as something other than a file"));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(damaged)?;
            found.push(bytes);
        }
    }
    Ok(found)
}

fn from_zip(archive: &[u8], program: &str) -> Result<Vec<Vec<u8>>, String> {
    let damaged = |error: zip::result::ZipError| format!("is damaged ({error})");
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).map_err(damaged)?;
    let mut found = Vec::new();
    for index in 0..archive.len() {
        check_count(index)?;
        let file = archive.by_index(index).map_err(damaged)?;
        let path = PathBuf::from(file.name().map_err(damaged)?.as_ref());
        check_path(&path)?;
        if path.file_name().is_some_and(|name| name == program) {
            if !file.is_file() || file.is_symlink() {
                return Err(format!("holds {program} as something other than a file"));
            }
            let mut bytes = Vec::new();
            let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
            read.map_err(|error| format!("is damaged ({error})"))?;
            if bytes.len() as u64 > MOST_BYTES {
                return Err(format!("unpacks to more than {MOST_BYTES} bytes"));
            }
            found.push(bytes);
        }
    }
    Ok(found)
}

fn check_count(count: usize) -> Result<(), String> {
    if count < MOST_ENTRIES {
        return Ok(());
    }
    Err(format!("holds more than {MOST_ENTRIES} files"))
}

/// Refuses a path that leads out of the archive, which would be malicious.
fn check_path(path: &Path) -> Result<(), String> {
    let stays = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.components().all(stays) && !path.to_string_lossy().contains('\\') {
        return Ok(());
    }
    Err(format!(
        "holds a path that leads out of it: {}",
        path.display()
    ))
}

#[cfg(test)]
pub mod tests {
    use std::io::Write;

    use super::*;

    /// Makes a `.tar.gz` of files by name, like those of releases. Names are not validated.
    pub fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o755);
            header.set_entry_type(tar::EntryType::Regular);
            header.set_cksum();
            tar.append(&header, *bytes).expect("in memory");
        }
        let tar = tar.into_inner().expect("in memory");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).expect("in memory");
        gzip.finish().expect("in memory")
    }

    fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            let options = zip::write::SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Deflated);
            zip.start_file(*name, options).expect("in memory");
            zip.write_all(bytes).expect("in memory");
        }
        zip.finish().expect("in memory").into_inner()
    }

    #[test]
    fn the_program_is_found_at_the_top_and_in_a_folder() {
        for name in ["trunk", "trunk-1.0-x86_64/trunk", "./trunk"] {
            let files: &[(&str, &[u8])] = &[("README.md", b"words"), (name, b"program")];
            let tar = program(&tar_gz(files), "a.tar.gz", "trunk");
            assert_eq!(tar.as_deref(), Ok(b"program".as_slice()), "{name}");
            let zip = program(&zip_of(files), "a.zip", "trunk");
            assert_eq!(zip.as_deref(), Ok(b"program".as_slice()), "{name}");
        }
    }

    #[test]
    fn an_archive_with_a_path_that_leads_out_is_refused_whole() {
        for name in ["../trunk", "/etc/passwd", "a/../../b", "..\\trunk"] {
            let files: &[(&str, &[u8])] = &[("trunk", b"program"), (name, b"else")];
            let refused = |result: Result<Vec<u8>, String>| {
                result.is_err_and(|why| why.contains("leads out of it"))
            };
            assert!(
                refused(program(&tar_gz(files), "a.tar.gz", "trunk")),
                "{name}"
            );
            assert!(refused(program(&zip_of(files), "a.zip", "trunk")), "{name}");
        }
    }

    #[test]
    fn what_is_no_whole_archive_is_refused() {
        let files: &[(&str, &[u8])] = &[("trunk", &[7; 100_000])];
        let (tar, zip) = (tar_gz(files), zip_of(files));
        for (whole, name) in [(&tar, "a.tar.gz"), (&zip, "a.zip")] {
            assert!(program(whole, name, "trunk").is_ok());
            for cut in [0, 10, whole.len() / 2, whole.len() - 9] {
                assert!(
                    program(&whole[..cut], name, "trunk").is_err(),
                    "{name} cut at {cut}"
                );
            }
            let other = program(whole, name, "wasm-bindgen");
            assert!(other.is_err_and(|why| why.contains("no file wasm-bindgen")));
        }
        let twice = tar_gz(&[("a/trunk", b"1"), ("b/trunk", b"2")]);
        assert!(
            program(&twice, "a.tar.gz", "trunk").is_err_and(|why| why.contains("more than once"))
        );
    }
}
