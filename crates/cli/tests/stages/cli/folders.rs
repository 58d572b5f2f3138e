//! Folders that are written: by one program at a time, whole, of what the checkpoint's folder itself holds.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::files::copy_of_tiny;
use super::whole::ended;
use super::{PROGRAM, stdout, text, tiny};

/// A converted model is given to others, so what is copied into it must be what the checkpoint's folder holds.
#[cfg(unix)]
#[test]
fn a_link_out_of_the_checkpoint_is_not_published() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret.json");
    fs::write(&secret, r#"{"token": "hidden"}"#).unwrap();
    for file in [
        "LICENSE",
        "README.md",
        "tokenizer.json",
        "generation_config.json",
    ] {
        let copy = copy_of_tiny();
        let path = copy.path().join(file);
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink(&secret, &path).unwrap();
        let to = dir.path().join("to");
        let from = copy.path().display().to_string();
        super::refused(
            &["convert", &from, &to.display().to_string()],
            3,
            &[file, "a link that leads out of the folder"],
        );
        assert!(!to.exists() && !dir.path().join("to.part").exists());
    }
    // Within the folder it may lead where it likes.
    let copy = copy_of_tiny();
    fs::write(copy.path().join("terms"), "free").unwrap();
    std::os::unix::fs::symlink("terms", copy.path().join("LICENSE")).unwrap();
    let to = dir.path().join("to").display().to_string();
    stdout(&["convert", &copy.path().display().to_string(), &to]);
    assert_eq!(fs::read_to_string(format!("{to}/LICENSE")).unwrap(), "free");
}

fn start(args: &[&str]) -> Child {
    Command::new(PROGRAM)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn different_conversions_into_one_folder_at_once_leave_one_whole_model() {
    let dir = tempfile::tempdir().unwrap();
    let kinds = ["q4", "q8"];
    let clean = kinds.map(|kind| {
        let to = dir.path().join(kind);
        stdout(&[
            "convert",
            &tiny(),
            &to.display().to_string(),
            "--quant",
            kind,
        ]);
        contents(&to)
    });
    for round in 0..8 {
        let folder = dir.path().join(format!("round-{round}"));
        fs::create_dir(&folder).unwrap();
        let to = folder.join("model");
        let path = to.display().to_string();
        let started = [0, 1, 0, 1].map(|kind| {
            let args = ["convert", &tiny(), &path, "--quant", kinds[kind]];
            (kind, start(&args))
        });
        let mut winners = Vec::new();
        for (kind, child) in started {
            let output = ended(child);
            let stderr = text(&output.stderr);
            match output.status.code() {
                Some(0) => winners.push(kind),
                Some(7) => assert!(
                    stderr.contains("is being written by another run")
                        || stderr.contains("it is there already"),
                    "{stderr}"
                ),
                other => panic!("{other:?}: {stderr}"),
            }
        }
        assert_eq!(winners.len(), 1, "one of them wins");
        assert!(
            contents(&to) == clean[winners[0]],
            "it is the winner's, whole"
        );
        let beside: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(beside.len(), 1, "{beside:?}");
    }
}

/// Killed at any moment, the same command goes on, and ends with the same model.
#[test]
fn a_conversion_that_was_killed_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let clean = dir.path().join("clean");
    let args = |to: &Path| {
        [
            "convert",
            &tiny(),
            &to.display().to_string(),
            "--quant",
            "q8",
        ]
        .map(String::from)
    };
    let run = |to: &Path| {
        let args = args(to);
        start(&args.each_ref().map(String::as_str))
    };
    let begun = Instant::now();
    assert!(ended(run(&clean)).status.success());
    let whole = begun.elapsed();
    for moment in 0..12 {
        let folder = dir.path().join(moment.to_string());
        fs::create_dir(&folder).unwrap();
        let to = folder.join("model");
        let mut child = run(&to);
        std::thread::sleep(whole * moment / 10);
        child.kill().unwrap();
        child.wait().unwrap();
        if to.exists() {
            assert!(contents(&to) == contents(&clean), "what is there is whole");
            continue;
        }
        let output = ended(run(&to));
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(contents(&to) == contents(&clean));
        let beside: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(beside.len(), 1, "{beside:?}");
    }
}

/// The first run goes on for as long as the test likes.
#[cfg(unix)]
#[test]
fn one_training_run_at_a_time_writes_a_folder_and_a_killed_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("train.toml");
    let model = tiny();
    let lines = format!(
        "seed = 3\nmodel = {model:?}\n[[stage]]\nname = \"short\"\nkind = \"tower\"\nunits = 2\n\
         learning_rate = 1e-3\nsteps = 40\n"
    );
    fs::write(&file, lines).unwrap();
    let (file, out) = (file.display().to_string(), dir.path().join("out"));
    let path = out.display().to_string();
    let args = ["train", &file, "--out", &path, "--workers", "1", "--resume"];
    let mut first = start(&args);
    // What it says first it says with the lock in its hands.
    let mut said = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().starts_with("stage short"));
    // What is stopped keeps its locks.
    // SAFETY: the process is a child that was not waited for, so the number is still its own.
    let stopped = unsafe { libc::kill(first.id() as i32, libc::SIGSTOP) };
    assert_eq!(stopped, 0);
    let ablation = dir.path().join("ablation.toml");
    let lines = format!(
        "model = {model:?}\nseeds = [1]\nexam_seed = 5\nexam_count = 6\n[[stage]]\nname = \"short\"\n\
         kind = \"instruction\"\nsteps = 1\nunits = 2\nlearning_rate = 1e-3\npictures = 2\nquestions = 1\n\
         [[table]]\ntitle = \"One\"\npaper_columns = [\"POPE\"]\n[[table.row]]\nname = \"both\"\n\
         id = \"both\"\npaper = [86.94]\n"
    );
    fs::write(&ablation, lines).unwrap();
    let ablation = ablation.display().to_string();
    let scenes = ["scenes", "--count", "1", "--out", &path];
    for other in [&args[..], &["ablate", &ablation, "--out", &path], &scenes] {
        super::refused(other, 7, &[&path, "is being written by another run"]);
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let output = ended(start(&args));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(out.join("model/model.safetensors").is_file());
    let mut names: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["model", "short"]);
}
