//! Archives of the program for each machine, and their checksums.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::version;
use crate::command::Command;
use crate::error::Error;
use crate::project::Project;
use crate::setup::{self, Tools};

/// The machines that a release is built for.
pub const TARGETS: [&str; 5] = [
    "aarch64-apple-darwin",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-msvc",
    "x86_64-unknown-linux-gnu",
];
const PROGRAM: &str = "inf-llava";
/// Files that are packed with the program: the licences of its parts require their texts.
const BESIDE: [&str; 3] = ["LICENSE", "README.md", "THIRD-PARTY.txt"];
const SUMS: &str = "SHA256SUMS";

/// Builds the program and packs it into the target folder's `release-files`.
pub fn build(project: &Project, tools: &Tools, target: Option<&str>) -> Result<(), Error> {
    let host = tools.host(project)?;
    let target = target.unwrap_or(&host);
    if !TARGETS.contains(&target) {
        return Err(Error::Usage(format!(
            "a release has no program for `{target}`; it has those for {}",
            TARGETS.join(", ")
        )));
    }
    let version = version::of_crates(project, tools)?;
    let mut command = tools.cargo(project, "build --release --bin").arg(PROGRAM);
    let mut folder = project.target.clone();
    if target != host {
        command = command.args(["--target", target]);
        folder = folder.join(target);
    }
    command.run()?;
    let program = folder.join("release").join(file_of(target));
    if target == host {
        try_program(&program, &version)?;
    }
    let path = pack(project, &program, &version, target)?;
    println!("{}: {} bytes", path.display(), size(&path)?);
    Ok(())
}

fn file_of(target: &str) -> String {
    let end = if target.contains("windows") {
        ".exe"
    } else {
        ""
    };
    format!("{PROGRAM}{end}")
}

/// The name of an archive; the folder in it has the same name without the extension.
fn name_of(version: &str, target: &str) -> String {
    let end = if target.contains("windows") {
        "zip"
    } else {
        "tar.gz"
    };
    format!("{PROGRAM}-{version}-{target}.{end}")
}

/// Checks that the program starts and has the right version.
fn try_program(program: &Path, version: &str) -> Result<(), Error> {
    let said = Command::program(program).arg("--version").output();
    match said {
        Some(said) if said.split_whitespace().any(|word| word == version) => Ok(()),
        said => Err(Error::Failed(format!(
            "{} --version says `{}`, and not {version}",
            program.display(),
            said.unwrap_or_default()
        ))),
    }
}

/// Writes the archive, and verifies the program in it.
fn pack(project: &Project, program: &Path, version: &str, target: &str) -> Result<PathBuf, Error> {
    let name = name_of(version, target);
    let folder = name.trim_end_matches(".zip").trim_end_matches(".tar.gz");
    let mut files = vec![(file_of(target), read(program)?, 0o755)];
    for name in BESIDE {
        files.push((name.to_owned(), read(&project.root.join(name))?, 0o644));
    }
    let packed = if name.ends_with(".zip") {
        zip(folder, &files)
    } else {
        tar_gz(folder, &files)
    };
    let packed = packed.map_err(|why| Error::Failed(format!("cannot pack {name}: {why}")))?;
    let again = setup::archive::program(&packed, &name, &file_of(target));
    if again.as_ref() != Ok(&files[0].1) {
        return Err(Error::Failed(format!(
            "{name} does not hold the program that was packed: {}",
            again.err().unwrap_or_default()
        )));
    }
    let out = project.target.join("release-files");
    let path = out.join(&name);
    std::fs::create_dir_all(&out)
        .and_then(|()| std::fs::write(&path, packed))
        .map_err(|error| Error::Failed(format!("cannot write {}: {error}", path.display())))?;
    Ok(path)
}

type File = (String, Vec<u8>, u32);

/// Without times and owners, so that equal files give equal archives.
fn tar_gz(folder: &str, files: &[File]) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        let path = format!("{folder}/{name}");
        tar.append_data(&mut header, path, bytes.as_slice())
            .map_err(failed)?;
    }
    let tar = tar.into_inner().map_err(failed)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&tar)
        .and_then(|()| gzip.finish())
        .map_err(failed)
}

fn zip(folder: &str, files: &[File]) -> Result<Vec<u8>, String> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes, mode) in files {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(*mode);
        let path = format!("{folder}/{name}");
        zip.start_file(path, options)
            .map_err(|error| error.to_string())?;
        zip.write_all(bytes).map_err(|error| error.to_string())?;
    }
    let written = zip.finish().map_err(|error| error.to_string())?;
    Ok(written.into_inner())
}

/// Writes SHA256SUMS beside the archives of one version, all of which must exist.
pub fn checksums(project: &Project, tools: &Tools, folder: &Path) -> Result<(), Error> {
    let text = sums(folder, &version::of_crates(project, tools)?)?;
    let path = folder.join(SUMS);
    std::fs::write(&path, &text)
        .map_err(|error| Error::Failed(format!("cannot write {}: {error}", path.display())))?;
    print!("{}:\n{text}", path.display());
    Ok(())
}

/// Lines in sha256sum's format, sorted by name.
fn sums(folder: &Path, version: &str) -> Result<String, Error> {
    let mut wanted: Vec<String> = TARGETS
        .iter()
        .map(|target| name_of(version, target))
        .collect();
    wanted.sort();
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Error::Failed(format!("cannot read {}: {error}", folder.display())))?;
    let there = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut there: Vec<String> = there.filter(|name| name != SUMS).collect();
    there.sort();
    if there != wanted {
        return Err(Error::Failed(format!(
            "{} holds [{}], and a release is [{}]",
            folder.display(),
            there.join(", "),
            wanted.join(", ")
        )));
    }
    let mut text = String::new();
    for name in wanted {
        let hash = Sha256::digest(read(&folder.join(&name))?);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        text += &format!("{hash}  {name}\n");
    }
    Ok(text)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path)
        .map_err(|error| Error::Failed(format!("cannot read {}: {error}", path.display())))
}

fn size(path: &Path) -> Result<u64, Error> {
    let metadata = std::fs::metadata(path);
    let failed = |error| Error::Failed(format!("cannot read {}: {error}", path.display()));
    metadata.map(|data| data.len()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkout with the files that are packed with the program.
    fn checkout(word: &str) -> Project {
        let root =
            std::env::temp_dir().join(format!("xtask-release-{word}-{}", std::process::id()));
        std::fs::create_dir_all(&root).expect("a folder");
        for name in BESIDE {
            std::fs::write(root.join(name), name).expect("a file");
        }
        let target = root.join("target");
        Project { root, target }
    }

    #[test]
    fn every_machine_gets_an_archive_and_all_of_them_checksums() {
        let project = checkout("whole");
        let program = project.root.join("program");
        std::fs::write(&program, [7; 5000]).expect("a file");
        let mut folder = PathBuf::new();
        for target in TARGETS {
            let path = pack(&project, &program, "1.2.3", target).expect("packed");
            let first = read(&path).expect("an archive");
            assert_eq!(
                read(&pack(&project, &program, "1.2.3", target).expect("packed")).ok(),
                Some(first.clone())
            );
            let notices =
                setup::archive::program(&first, &name_of("1.2.3", target), "THIRD-PARTY.txt");
            assert_eq!(notices.as_deref(), Ok(b"THIRD-PARTY.txt".as_slice()));
            folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        }
        let text = sums(&folder, "1.2.3").expect("whole");
        assert_eq!(text.lines().count(), TARGETS.len());
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.ends_with("  inf-llava-1.2.3-aarch64-apple-darwin.tar.gz"),
            "{first}"
        );
        // The checksum file itself does not count as one of the release's archives.
        std::fs::write(folder.join(SUMS), &text).expect("a file");
        assert_eq!(sums(&folder, "1.2.3").ok(), Some(text));
        assert!(sums(&folder, "1.2.4").is_err());
        std::fs::remove_file(folder.join("inf-llava-1.2.3-x86_64-pc-windows-msvc.zip"))
            .expect("a file");
        assert!(sums(&folder, "1.2.3").is_err_and(|e| e.to_string().contains("a release is")));
        let _ = std::fs::remove_dir_all(&project.root);
    }

    #[test]
    fn a_program_that_does_not_start_is_not_packed() {
        let gone = try_program(Path::new("/no/such/program"), "1.2.3");
        assert!(gone.is_err_and(|e| e.to_string().contains("and not 1.2.3")));
        // The compiler's version is certainly a different one.
        let rustc = crate::project::on_path(&["rustc"]).expect("a compiler");
        assert!(try_program(&rustc, "0.0.0-none").is_err());
    }

    #[test]
    fn the_workflow_builds_what_a_release_has() {
        let workflow = include_str!("../../../.github/workflows/release.yml");
        for target in TARGETS {
            assert!(
                workflow.contains(&format!("{{ target: {target}, ")),
                "{target}"
            );
        }
        assert_eq!(workflow.matches("{ target: ").count(), TARGETS.len());
    }
}
