//! The folder that a conversion writes: locked, on the disk before it has its name, and of one conversion only.

use std::fs;
use std::path::Path;

use inf_llava_core::Error;
use inf_llava_core::durable::{Step, beside, recorded};
use inf_llava_core::progress::{Event, Phase, Watch};
use inf_llava_core::weights::arrange::Precision;
use inf_llava_core::weights::checkpoint::Checkpoint;
use inf_llava_core::weights::convert::Conversion;
use inf_llava_core::weights::folder::Folder;

use crate::convert::{SHARD_BYTES, about, convert, open, stopped_after_a_shard};
use crate::{block_on, fixture};

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let names = fs::read_dir(folder).unwrap().map(name);
    let mut names: Vec<String> = names.map(|n| n.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn shards_of_the_right_length_are_not_trusted_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, to] = ["whole", "to"].map(|name| dir.path().join(name));
    let expected = convert("tiny", "f32", &whole, &mut Watch::nobody()).unwrap();
    let error = convert("tiny", "f32", &to, &mut stopped_after_a_shard()).unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error}");

    let first = beside(&to, "part").join(&expected.shards[0].file);
    let mut bytes = fs::read(&first).unwrap();
    bytes[1000] ^= 1;
    fs::write(&first, bytes).unwrap();
    let found = convert("tiny", "f32", &to, &mut Watch::nobody()).unwrap();
    assert_eq!(found, expected);
    for shard in &expected.shards {
        let read = |folder: &Path| fs::read(folder.join(&shard.file)).unwrap();
        assert!(read(&to) == read(&whole), "{}", shard.file);
    }
}

#[test]
fn what_was_cut_off_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("to");
    let error = convert("tiny", "f32", &to, &mut stopped_after_a_shard()).unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error}");
    let part = beside(&to, "part");
    let files = [
        ".inf-llava-1-0.tmp",
        "shard-00002.tmp",
        "shard-00900.bin",
        "LICENSE",
    ];
    for file in files {
        fs::write(part.join(file), "of another run").unwrap();
    }
    let manifest = convert("tiny", "f32", &to, &mut Watch::nobody()).unwrap();
    let listed = manifest.files.iter().chain(&manifest.shards);
    let mut expected: Vec<String> = listed.map(|file| file.file.clone()).collect();
    expected.push("manifest.json".into());
    expected.sort();
    assert_eq!(names(&to), expected);
    assert_eq!(names(dir.path()), ["to"]);
}

#[test]
fn a_folder_that_no_conversion_made_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("to");
    let part = beside(&to, "part");
    fs::create_dir(&part).unwrap();
    fs::write(part.join("photo.png"), "mine").unwrap();
    let error = convert("tiny", "q4", &to, &mut Watch::nobody()).unwrap_err();
    assert!(matches!(error, Error::Output { .. }), "{error}");
    assert!(error.to_string().contains("photo.png"), "{error}");
    assert_eq!(names(&part), ["photo.png"]);
    assert_eq!(names(dir.path()), ["to.part"]);
}

/// Whoever comes while another conversion writes is refused, whatever it would have written.
#[test]
fn one_conversion_at_a_time_writes_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("to");
    let mut refused = Vec::new();
    let mut watch = Watch::new(Default::default(), |event| {
        let is_begun = matches!(
            event,
            Event::Progress {
                phase: Phase::Conversion,
                ..
            }
        );
        if is_begun {
            for kind in ["f32", "q8"] {
                refused.push(convert("tiny", kind, &to, &mut Watch::nobody()).unwrap_err());
            }
        }
    });
    let manifest = convert("tiny", "f32", &to, &mut watch).unwrap();
    drop(watch);
    assert!(refused.len() > 2 * manifest.shards.len());
    for error in refused {
        assert_eq!(error.code(), "folder-in-use");
        assert!(error.to_string().contains(&to.display().to_string()));
    }
    assert_eq!(names(dir.path()), ["to"]);
    // Free again.
    let error = convert("tiny", "q8", &to, &mut Watch::nobody()).unwrap_err();
    assert!(error.to_string().contains("it is there already"), "{error}");
}

#[test]
fn a_model_is_on_the_disk_before_it_has_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("to");
    let part = beside(&to, "part");
    let (manifest, steps) = recorded(|| convert("tiny", "f32", &to, &mut Watch::nobody()));
    let manifest = manifest.unwrap();
    let last = steps.len() - 4;
    let expected = [
        Step::Removed(part.join("journal.json")),
        Step::SyncedFolder(part.clone()),
        Step::Renamed(part.clone(), to.clone()),
        Step::SyncedFolder(dir.path().into()),
    ];
    assert_eq!(steps[last..], expected);
    let listed = manifest.files.iter().chain(&manifest.shards);
    let mut files: Vec<&str> = listed.map(|file| file.file.as_str()).collect();
    files.extend(["manifest.json", "journal.json"]);
    for file in files {
        let path = part.join(file);
        let renamed = |step: &Step| matches!(step, Step::Renamed(_, to) if *to == path);
        let at = steps
            .iter()
            .position(renamed)
            .unwrap_or_else(|| panic!("{file}"));
        let Step::Renamed(from, _) = &steps[at] else {
            panic!("{file}");
        };
        assert_eq!(steps[at - 1], Step::Synced(from.clone()), "{file}");
        assert_eq!(steps[at + 1], Step::SyncedFolder(part.clone()), "{file}");
    }
}

#[test]
fn a_checkpoint_that_changes_meanwhile_is_no_model() {
    let dir = tempfile::tempdir().unwrap();
    let (source, to) = (dir.path().join("source"), dir.path().join("to"));
    fs::create_dir(&source).unwrap();
    for entry in fs::read_dir(fixture("tiny")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, source.join(path.file_name().unwrap())).unwrap();
        }
    }
    let (_, names) = open("tiny");
    let checkpoint = block_on(Checkpoint::open(Folder::new(&source))).unwrap();
    let f32 = Precision::F32;
    let conversion = Conversion::new(&checkpoint, &names, f32, SHARD_BYTES, about("tiny"), &to);
    let (_, file) = checkpoint.files().next().unwrap();
    let exchange = || {
        // The same bytes, but nobody can know that without reading them again.
        let next = source.join("next");
        fs::copy(source.join(file), &next).unwrap();
        fs::rename(next, source.join(file)).unwrap();
    };
    let mut watch = Watch::new(Default::default(), |event| {
        if matches!(event, Event::Progress { done: 1.., .. }) {
            exchange();
        }
    });
    let error = conversion.unwrap().run(&mut watch).unwrap_err();
    assert_eq!(error.code(), "model-changed", "{error}");
    assert!(error.to_string().contains(file) && !to.exists(), "{error}");
}

#[test]
fn a_slash_behind_the_destination_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let to = format!("{}/to/", dir.path().display());
    convert("tiny", "q8", Path::new(&to), &mut Watch::nobody()).unwrap();
    assert_eq!(names(dir.path()), ["to"]);
}
