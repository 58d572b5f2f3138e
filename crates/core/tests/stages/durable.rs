//! Files that are written whole, folders that one program writes, and what is opened to be read.

use std::fs;
use std::path::{Path, PathBuf};

use inf_llava_core::Error;
use inf_llava_core::durable::{
    self, Step, lock, recorded, replace, write_file, write_in_unfinished,
};
use inf_llava_core::files::{self, FileState};

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let names = fs::read_dir(folder).unwrap().map(name);
    let mut names: Vec<String> = names.map(|n| n.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_on_the_disk_before_it_has_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.json");
    for text in ["first", "second"] {
        let (written, steps) = recorded(|| write_file(&file, text.as_bytes()));
        written.unwrap();
        let [
            Step::Synced(part),
            Step::Renamed(from, to),
            Step::SyncedFolder(folder),
        ] = &steps[..]
        else {
            panic!("{steps:?}");
        };
        assert!(part == from && *to == file && folder == dir.path());
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(names(dir.path()), ["a.json"]);
    }
    // What cannot take the name leaves nothing behind.
    fs::create_dir(dir.path().join("folder")).unwrap();
    for place in ["folder", "missing/a.json"] {
        let error = write_file(&dir.path().join(place), b"text").unwrap_err();
        assert!(matches!(error, Error::Output { .. }), "{error}");
    }
    assert_eq!(names(dir.path()), ["a.json", "folder"]);
}

#[test]
fn a_folder_is_on_the_disk_before_the_old_one_goes() {
    let dir = tempfile::tempdir().unwrap();
    let [folder, next, old] = ["model", "model.next", "model.old"].map(|n| dir.path().join(n));
    for text in ["first", "second"] {
        fs::create_dir(&next).unwrap();
        let (_, steps) = recorded(|| {
            write_in_unfinished(&next.join("weights"), text.as_bytes()).unwrap();
            replace(&folder, &next, &old).unwrap();
        });
        let mut expected = vec![
            Step::Synced(next.join("weights")),
            Step::SyncedFolder(next.clone()),
            Step::Renamed(next.clone(), folder.clone()),
            Step::SyncedFolder(dir.path().into()),
        ];
        if text == "second" {
            expected.insert(2, Step::Renamed(folder.clone(), old.clone()));
            expected.push(Step::Removed(old.clone()));
        }
        assert_eq!(steps, expected);
        assert_eq!(fs::read_to_string(folder.join("weights")).unwrap(), text);
        assert_eq!(names(dir.path()), ["model"]);
    }
}

#[cfg(unix)]
#[test]
fn links_devices_and_rights_stay_what_they_are() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let [file, link] = ["answers", "link"].map(|name| dir.path().join(name));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("answers", &link).unwrap();
    write_file(&link, b"new").unwrap();
    assert!(link.is_symlink() && fs::read_to_string(&file).unwrap() == "new");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else may read what was private");

    let null = Path::new("/dev/null");
    write_file(null, b"text").unwrap();
    assert!(fs::metadata(null).unwrap().file_type().is_char_device());
}

#[test]
fn a_folder_is_locked_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, path) = (
        dir.path().join("new/model"),
        dir.path().join("new/model.lock"),
    );
    // One that a program left when it was killed locks nobody out.
    fs::create_dir(dir.path().join("new")).unwrap();
    fs::write(&path, "").unwrap();
    let held = lock(&folder, path.clone()).unwrap();
    let error = lock(&folder, path.clone()).unwrap_err();
    assert_eq!(error.code(), "folder-in-use");
    assert!(error.to_string().starts_with(&folder.display().to_string()));
    drop(held);
    drop(lock(&folder, path).unwrap());
    assert_eq!(names(&dir.path().join("new")), [""; 0]);
}

/// Whoever wins removes the lock's file while others open it: never do two hold it, and none is refused for good.
#[test]
fn a_lock_that_is_removed_is_nobodys() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let dir = tempfile::tempdir().unwrap();
    let (inside, wins) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut own = 0;
                while own < 500 {
                    let path = dir.path().join("model.lock");
                    let Ok(_lock) = lock(&dir.path().join("model"), path) else {
                        std::thread::yield_now();
                        continue;
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                    // So that others come while it is held.
                    std::thread::yield_now();
                    own += 1;
                    wins.fetch_add(1, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(wins.into_inner(), 8 * 500);
}

#[test]
fn a_slash_at_the_end_is_no_other_folder() {
    for path in ["models/out", "models/out/", "models/./out"] {
        let part = durable::beside(Path::new(path), "part");
        assert!(part.ends_with("out.part"), "{part:?}");
    }
}

#[test]
fn only_plain_files_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "text").unwrap();
    let (_, state) = files::open(&file).unwrap();
    assert_eq!(Some(state), FileState::at(&file).unwrap());
    assert_eq!(files::read(&file, 4).unwrap(), b"text");
    let error = files::read(&file, 3).unwrap_err();
    assert!(error.to_string().contains("more than the 3 bytes"));
    let missing = files::open(&dir.path().join("missing")).unwrap_err();
    assert!(files::is_missing(&missing));
    assert!(files::is_missing(
        &files::open(&file.join("below")).unwrap_err()
    ));

    let mut others = vec![(dir.path().to_path_buf(), "a folder")];
    if cfg!(unix) {
        let pipe = dir.path().join("pipe");
        // Whoever opened this would wait for a writer.
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        others.push((pipe, "a pipe"));
        others.push((PathBuf::from("/dev/zero"), "a device"));
    }
    for (path, kind) in others {
        let error = files::open(&path).unwrap_err().to_string();
        assert_eq!(error, format!("it is {kind}, not a plain file"));
    }
}

#[cfg(unix)]
#[test]
fn a_link_belongs_where_it_leads() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("models--owner--name");
    let (blobs, snapshot) = (cache.join("blobs"), cache.join("snapshots/0123"));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    let secret = dir.path().join("secret");
    fs::write(blobs.join("ab"), "text").unwrap();
    fs::write(&secret, "text").unwrap();
    let link = |folder: &Path, to: &Path| {
        let _ = fs::remove_file(folder.join("LICENSE"));
        symlink(to, folder.join("LICENSE")).unwrap();
        files::belongs(folder, &folder.join("LICENSE"))
    };
    assert!(link(&snapshot, Path::new("../../blobs/ab")).unwrap());
    assert!(!link(&snapshot, Path::new("../../../secret")).unwrap());
    assert!(!link(&snapshot, &secret).unwrap());
    assert!(link(&snapshot, Path::new("gone")).is_err());
    // What only looks like the cache from one side is none.
    let plain = dir.path().join("plain/0123");
    fs::create_dir_all(&plain).unwrap();
    fs::create_dir(dir.path().join("blobs")).unwrap();
    fs::write(dir.path().join("blobs/ab"), "text").unwrap();
    assert!(!link(&plain, Path::new("../../blobs/ab")).unwrap());
    fs::write(plain.join("own"), "text").unwrap();
    assert!(link(&plain, Path::new("own")).unwrap());
}

/// Those whose disk is too small put a repository of the hub's cache, or its blobs, on another one.
#[cfg(unix)]
#[test]
fn a_snapshot_belongs_to_blobs_on_another_disk() {
    use std::os::unix::fs::symlink;
    let hash = "0123456789abcdef0123456789abcdef01234567";
    for linked in ["models--owner--name", "models--owner--name/blobs"] {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk");
        fs::create_dir(&disk).unwrap();
        let link = dir.path().join(linked);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&disk, &link).unwrap();
        let cache = dir.path().join("models--owner--name");
        let (blobs, snapshot) = (cache.join("blobs"), cache.join("snapshots/0123"));
        fs::create_dir_all(&blobs).unwrap();
        fs::create_dir_all(&snapshot).unwrap();
        for name in [hash, "id_rsa"] {
            fs::write(blobs.join(name), "text").unwrap();
        }
        fs::write(dir.path().join(hash), "text").unwrap();
        let belongs = |to: &Path| {
            let _ = fs::remove_file(snapshot.join("LICENSE"));
            symlink(to, snapshot.join("LICENSE")).unwrap();
            files::belongs(&snapshot, &snapshot.join("LICENSE")).unwrap()
        };
        assert!(belongs(&Path::new("../../blobs").join(hash)), "{linked}");
        // It may be a folder of something else.
        assert!(!belongs(Path::new("../../blobs/id_rsa")), "{linked}");
        assert!(!belongs(&dir.path().join(hash)), "{linked}");
    }
}
