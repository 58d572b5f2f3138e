//! A model folder that others write to while it is used: one model, whole, or an error that names the file.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use inf_llava_core::Error;
use inf_llava_core::weights::folder::Folder;
use inf_llava_core::weights::source::{Source, read_file};

use crate::block_on;

fn folder(path: &Path, text: &str) -> Folder {
    fs::create_dir_all(path).unwrap();
    for file in ["config.json", "a.bin"] {
        fs::write(path.join(file), format!("{text} {file}")).unwrap();
    }
    Folder::new(path)
}

fn read(folder: &Folder, file: &str) -> Result<String, Error> {
    let bytes = block_on(read_file(folder, file, 1 << 10))?;
    Ok(bytes.map_or("none".into(), |bytes| String::from_utf8(bytes).unwrap()))
}

fn says(error: &Error, words: &[&str]) {
    let message = error.to_string();
    assert_eq!(error.code(), "model-changed", "{message}");
    for word in words.iter().chain(&["load the model again"]) {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

#[test]
fn a_folder_that_was_exchanged_is_seen_and_the_old_one_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (path, next) = (dir.path().join("model"), dir.path().join("next"));
    let held = folder(&path, "old");
    folder(&next, "new");
    assert_eq!(read(&held, "config.json").unwrap(), "old config.json");
    assert_eq!(read(&held, "a.bin").unwrap(), "old a.bin");
    held.unchanged().unwrap();

    fs::rename(&path, dir.path().join("away")).unwrap();
    says(&held.unchanged().unwrap_err(), &["a.bin", "is not there"]);
    fs::rename(&next, &path).unwrap();
    says(&held.unchanged().unwrap_err(), &["a.bin", "was 9 bytes"]);
    // An answer that is being said comes from one model.
    assert_eq!(read(&held, "a.bin").unwrap(), "old a.bin");
    let anew = Folder::new(&path);
    assert_eq!(read(&anew, "a.bin").unwrap(), "new a.bin");
    anew.unchanged().unwrap();
    // Back where it was, it is the same model.
    fs::rename(&path, &next).unwrap();
    fs::rename(dir.path().join("away"), &path).unwrap();
    held.unchanged().unwrap();
}

#[test]
fn what_is_written_into_an_open_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.bin");
    type Change = fn(&Path);
    let changes: [(Change, &str); 4] = [
        // As long as before: only its time tells.
        (|file| overwrite(file, b"NEW a.bin"), "is 9 bytes"),
        (|file| fs::write(file, "ol").unwrap(), "is 2 bytes"),
        (
            |file| fs::write(file, "old a.bin, longer").unwrap(),
            "is 17 bytes",
        ),
        (|file| fs::remove_file(file).unwrap(), "is not there"),
    ];
    for (change, now) in changes {
        let held = folder(dir.path(), "old");
        assert_eq!(read(&held, "a.bin").unwrap(), "old a.bin");
        change(&file);
        says(
            &held.unchanged().unwrap_err(),
            &["a.bin", "was 9 bytes", now],
        );
        match file.exists() {
            true => says(&read(&held, "a.bin").unwrap_err(), &["a.bin", now]),
            // Its handle still holds it.
            false => assert_eq!(read(&held, "a.bin").unwrap(), "old a.bin"),
        }
    }
}

/// Writes other bytes in a file's place, at another time than before, however coarse the system's clock is.
fn overwrite(file: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut open = fs::OpenOptions::new().write(true).open(file).unwrap();
    open.write_all(bytes).unwrap();
    let later = SystemTime::now() + Duration::from_secs(2);
    open.set_modified(later).unwrap();
}

#[test]
fn a_file_that_appears_is_a_change_too() {
    let dir = tempfile::tempdir().unwrap();
    let held = folder(dir.path(), "old");
    assert_eq!(read(&held, "generation_config.json").unwrap(), "none");
    held.unchanged().unwrap();
    fs::write(dir.path().join("generation_config.json"), "{}").unwrap();
    let error = held.unchanged().unwrap_err();
    says(
        &error,
        &["generation_config.json", "was not there", "is 2 bytes"],
    );
    // It is not mixed in.
    assert_eq!(read(&held, "generation_config.json").unwrap(), "none");
}

/// More files than may be open at once: each is still the one that it was.
#[test]
fn a_model_of_many_files_is_one_model() {
    let dir = tempfile::tempdir().unwrap();
    let name = |index: usize| format!("{index}.bin");
    for index in 0..200 {
        fs::write(dir.path().join(name(index)), name(index)).unwrap();
    }
    let held = Folder::new(dir.path());
    for index in (0..200).chain(0..200) {
        assert_eq!(read(&held, &name(index)).unwrap(), name(index));
    }
    held.unchanged().unwrap();
    // This one was closed for others; another one takes its name.
    fs::write(dir.path().join("next"), "0.bin").unwrap();
    fs::rename(dir.path().join("next"), dir.path().join(name(0))).unwrap();
    says(&read(&held, &name(0)).unwrap_err(), &["0.bin"]);
    says(&held.unchanged().unwrap_err(), &["0.bin"]);
    assert_eq!(read(&held, &name(199)).unwrap(), name(199));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_model_file() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("config.json");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let error = read(&Folder::new(dir.path()), "config.json").unwrap_err();
    assert_eq!(error.code(), "file-access");
    assert!(error.to_string().contains("a pipe"), "{error}");
}
