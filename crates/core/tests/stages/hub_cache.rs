//! A cache that others can write in: links and pipes in the place of its files lead nowhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use inf_llava_core::Error;
use inf_llava_core::hub::{Download, Hub, Settings, Weights};
use inf_llava_core::progress::Watch;

use super::hub::{named, settings, tree};
use super::hub_peer::{COMMIT, Repository, WEIGHTS, git_hash};

/// A pipe that is waited for is waited for without end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Downloads on a thread of its own.
fn download(settings: Settings) -> Result<Download, Error> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let hub = Hub::new(settings).unwrap();
        let (repository, weights) = (named("owner/name"), Weights::OrPickled);
        let downloaded = hub.download(&repository, weights, &["config.json"], &mut Watch::nobody());
        sender.send(downloaded).unwrap();
    });
    receiver
        .recv_timeout(PATIENCE)
        .expect("a pipe is waited for")
}

fn refused(downloaded: Result<Download, Error>, path: &Path) {
    match downloaded {
        Err(Error::FileAccess { file, reason }) => {
            assert_eq!(Path::new(&file), path, "{reason}");
        }
        other => panic!("{} is used: {other:?}", path.display()),
    }
}

fn own(cache: &Path, path: &str) -> PathBuf {
    let path = cache.join("models--owner--name").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

fn pipe(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn no_pipe_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let path = own(home.path(), "refs/main");
    pipe(&path);
    let offline = Settings {
        offline: true,
        ..settings("http://127.0.0.1:1", home.path())
    };
    refused(download(offline), &path);

    let repository = Repository::honest();
    let etag = git_hash(repository.weights());
    let hub = repository.serve();
    for path in [
        format!(".locks/models--owner--name/{etag}.lock"),
        format!("models--owner--name/blobs/{etag}.incomplete"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(path);
        pipe(&path);
        refused(download(settings(&hub.url, home.path())), &path);
    }
    // What is replaced and not opened may be anything.
    for path in [
        format!("blobs/{etag}"),
        format!("snapshots/{COMMIT}/{WEIGHTS}"),
        "refs/main".into(),
    ] {
        let home = tempfile::tempdir().unwrap();
        pipe(&own(home.path(), &path));
        let downloaded = download(settings(&hub.url, home.path())).unwrap();
        let found = fs::read(downloaded.folder.join(WEIGHTS)).unwrap();
        assert!(found == *Repository::honest().weights(), "{path}");
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let repository = Repository::honest();
    let etag = git_hash(repository.weights());
    let hub = repository.serve();
    // Files.
    for path in [
        format!(".locks/models--owner--name/{etag}.lock"),
        format!("models--owner--name/blobs/{etag}.incomplete"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let (victim, cache) = (home.path().join("victim"), home.path().join("cache"));
        let path = cache.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&victim, "mine").unwrap();
        symlink(&victim, &path).unwrap();
        refused(download(settings(&hub.url, &cache)), &path);
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
        // Nor is one made that was not there.
        fs::remove_file(&victim).unwrap();
        refused(download(settings(&hub.url, &cache)), &path);
        assert!(!victim.exists());
    }
    // A file that is written to take another's place.
    let home = tempfile::tempdir().unwrap();
    let (victim, cache) = (home.path().join("victim"), home.path().join("cache"));
    fs::write(&victim, "mine").unwrap();
    let beside = format!("refs/.main.{}", std::process::id());
    symlink(&victim, own(&cache, &beside)).unwrap();
    download(settings(&hub.url, &cache)).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"mine");
    // Folders.
    for path in [
        "snapshots".into(),
        format!("snapshots/{COMMIT}"),
        "refs".into(),
    ] {
        let home = tempfile::tempdir().unwrap();
        let (outside, cache) = (home.path().join("outside"), home.path().join("cache"));
        fs::create_dir(&outside).unwrap();
        let path = own(&cache, &path);
        symlink(&outside, &path).unwrap();
        refused(download(settings(&hub.url, &cache)), &path);
        assert_eq!(tree(&outside), Vec::<String>::new());
    }
}

/// Those whose disk is too small put a repository, or the contents of its files, on another one.
#[test]
fn a_cache_may_lie_on_another_disk() {
    let hub = Repository::honest().serve();
    for path in ["", "models--owner--name", "models--owner--name/blobs"] {
        let home = tempfile::tempdir().unwrap();
        let (disk, cache) = (home.path().join("disk"), home.path().join("cache"));
        fs::create_dir(&disk).unwrap();
        let link = match path {
            "" => cache.clone(),
            path => cache.join(path),
        };
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&disk, &link).unwrap();
        let downloaded = download(settings(&hub.url, &cache)).unwrap();
        let found = fs::read(downloaded.folder.join(WEIGHTS)).unwrap();
        assert!(found == *Repository::honest().weights(), "{path}");
        assert_ne!(tree(&disk), Vec::<String>::new(), "{path}");
    }
}
