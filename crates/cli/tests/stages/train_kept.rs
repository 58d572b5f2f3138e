//! What a training run keeps: on the disk before the one before it goes, of one run, and whole when it is taken up.

use std::path::{Path, PathBuf};

use inf_llava::durable::{Step, beside, recorded};
use inf_llava::error::Error;
use inf_llava_cli::train::file::Kind;
use tempfile::TempDir;

use crate::train::{project, stage, train};

/// Of a run that saves after each step: what follows the last save but one.
#[test]
fn a_checkpoint_is_on_the_disk_before_the_one_before_goes() {
    let out = TempDir::new().unwrap();
    let folder = out.path().join("stage");
    let [next, old] = ["next", "old"].map(|suffix| beside(&folder, suffix));
    let mut project = project(out.path());
    project.checkpoint_every = std::time::Duration::ZERO;
    let two = stage(Kind::Tower, 2);
    let (done, steps) = recorded(|| train(&mut project, &two));
    done.unwrap();
    let removed = |step: &Step| *step == Step::Removed(old.clone());
    assert!(
        steps.iter().any(removed),
        "one takes another's place: {steps:?}"
    );
    let mut saves = 0;
    for save in steps
        .split_inclusive(removed)
        .filter(|save| save.iter().any(removed))
    {
        saves += 1;
        let place = |wanted: &Step| {
            let at = save.iter().rposition(|step| step == wanted);
            at.unwrap_or_else(|| panic!("{wanted:?} is not in {save:?}"))
        };
        let order = [
            Step::Synced(next.join("training.json")),
            Step::SyncedFolder(next.clone()),
            Step::Renamed(folder.clone(), old.clone()),
            Step::Renamed(next.clone(), folder.clone()),
            Step::SyncedFolder(out.path().into()),
            Step::Removed(old.clone()),
        ];
        assert!(order.map(|step| place(&step)).is_sorted(), "{save:?}");
        let named = place(&Step::SyncedFolder(next.clone()));
        for file in ["model.safetensors", "training.safetensors", "config.json"] {
            assert!(place(&Step::Synced(next.join(file))) < named, "{file}");
        }
    }
    assert!(saves > 0);
    assert!(!next.exists() && !old.exists());

    let model = out.path().join("model");
    let (_, steps) = recorded(|| project.finish(&model).unwrap());
    let end = [
        Step::SyncedFolder(beside(&model, "next")),
        Step::Renamed(beside(&model, "next"), model.clone()),
        Step::SyncedFolder(out.path().into()),
    ];
    assert_eq!(steps[steps.len() - 3..], end);
}

/// Nothing but the hash tells it: every length and every header is right.
#[test]
fn a_damaged_checkpoint_is_not_gone_on_with() {
    for file in ["model.safetensors", "training.safetensors"] {
        let out = TempDir::new().unwrap();
        train(&mut project(out.path()), &stage(Kind::Tower, 2)).unwrap();
        let path: PathBuf = out.path().join("stage").join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 4;
        bytes[last] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = train(&mut project(out.path()), &stage(Kind::Tower, 2)).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
        let message = error.to_string();
        assert!(
            message.contains(file) && message.contains("damaged"),
            "{message}"
        );
        // Whole again, it goes on.
        bytes[last] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        train(&mut project(out.path()), &stage(Kind::Tower, 2)).unwrap();
    }
}

#[test]
fn one_run_at_a_time_writes_a_folder() {
    let out = TempDir::new().unwrap();
    let short = stage(Kind::Language, 1);
    let mut first = project(out.path());
    first.hold().unwrap();
    let error = train(&mut project(out.path()), &short).unwrap_err();
    assert_eq!(error.code(), "folder-in-use");
    assert!(
        error
            .to_string()
            .contains(&out.path().display().to_string())
    );
    train(&mut first, &short).unwrap();
    drop(first);
    train(&mut project(out.path()), &short).unwrap();
    assert!(!Path::new(&out.path().join(".lock")).exists());
}
