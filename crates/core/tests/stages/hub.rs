//! Downloads from a hub: honest, interrupted, hostile.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use inf_llava_core::Error;
use inf_llava_core::hub::{Download, Hub, Repository, Settings, Weights};
use inf_llava_core::progress::{StopFlag, Watch};

use super::hub_peer::{
    Body, COMMIT, Hostile, Peer, Reply, Repository as Served, WEIGHTS, git_hash, hostile, part,
};

pub const BESIDE: [&str; 4] = ["config.json", "README.md", "LICENSE", "tokenizer.json"];
const SECRET: &str = "hf_secret";

pub fn settings(hub: &str, cache: &Path) -> Settings {
    Settings {
        endpoint: hub.into(),
        cache: cache.into(),
        token: Some(SECRET.into()),
        offline: false,
    }
}

/// The repository of the hub on this machine, at a revision if there is an @ in `text`.
pub fn named(text: &str) -> Repository {
    text.parse().unwrap()
}

pub fn download(hub: &str, cache: &Path) -> Result<Download, Error> {
    download_of(hub, cache, "owner/name", Weights::OrPickled)
}

pub fn download_of(
    hub: &str,
    cache: &Path,
    name: &str,
    weights: Weights,
) -> Result<Download, Error> {
    let hub = Hub::new(settings(hub, cache))?;
    hub.download(&named(name), weights, &BESIDE, &mut Watch::nobody())
}

/// Every path below `folder`, from there.
pub fn tree(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            paths.extend(
                tree(&path)
                    .into_iter()
                    .map(|below| format!("{name}/{below}")),
            );
        }
        paths.push(name);
    }
    paths
}

/// The cache is as Python's library reads and writes it: content by its ETag, relative links by commit, the branch.
#[test]
fn a_download_lies_where_python_looks_for_it() {
    let mut repository = Served::honest();
    repository.headers = format!(
        "\r\nX-Linked-Size: 300000\r\nX-Linked-Etag: \"{}\"",
        repository.hash()
    );
    let (weights, hash) = (repository.weights().clone(), repository.hash());
    let hub = repository.serve();
    let home = tempfile::tempdir().unwrap();
    let downloaded = download(&hub.url, home.path()).unwrap();
    let own = home.path().join("models--owner--name");
    assert_eq!(downloaded.folder, own.join("snapshots").join(COMMIT));
    assert_eq!(downloaded.revision, COMMIT);
    assert_eq!(fs::read_to_string(own.join("refs/main")).unwrap(), COMMIT);
    assert_eq!(fs::read(own.join("blobs").join(&hash)).unwrap(), weights);
    let link = fs::read_link(downloaded.folder.join(WEIGHTS)).unwrap();
    assert_eq!(link, Path::new("../../blobs").join(&hash));
    assert_eq!(
        fs::read(downloaded.folder.join("config.json")).unwrap(),
        b"{}"
    );
    assert_eq!(fs::read(downloaded.folder.join("LICENSE")).unwrap(), b"");
    assert!(
        home.path()
            .join(format!(".locks/models--owner--name/{hash}.lock"))
            .is_file()
    );
    let left: Vec<String> = tree(home.path())
        .into_iter()
        .filter(|path| path.contains("incomplete"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(!downloaded.folder.join("consolidated.00.pth").exists());
    let token = Some(format!("Bearer {SECRET}"));
    assert!(hub.asked().iter().all(|asked| asked.token == token));

    // Once more nothing is asked but whether it is the newest; offline nothing at all.
    let asked = hub.asked().len();
    assert_eq!(download(&hub.url, home.path()), Ok(downloaded.clone()));
    assert_eq!(hub.asked().len(), asked + 1);
    let offline = Settings {
        offline: true,
        ..settings("http://127.0.0.1:1", home.path())
    };
    let offline = |name: &str| {
        Hub::new(offline.clone()).unwrap().download(
            &named(name),
            Weights::OrPickled,
            &BESIDE,
            &mut Watch::nobody(),
        )
    };
    assert_eq!(offline("owner/name"), Ok(downloaded));
    let none = offline("owner/other").unwrap_err().to_string();
    assert!(
        none.contains("owner/other") && none.contains("HF_HUB_OFFLINE"),
        "{none}"
    );
}

/// What Python's library has downloaded is used, and what one of the versions that leave a beginning has begun.
#[test]
fn what_python_has_downloaded_is_used() {
    let repository = Served::honest();
    let weights = repository.weights().clone();
    let hub = repository.serve();
    let home = tempfile::tempdir().unwrap();
    let own = home.path().join("models--owner--name");
    let snapshot = own.join("snapshots").join(COMMIT);
    fs::create_dir_all(own.join("blobs")).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(own.join("blobs/0badcafe"), "{\"model_type\": \"x\"}").unwrap();
    std::os::unix::fs::symlink("../../blobs/0badcafe", snapshot.join("config.json")).unwrap();
    let etag = git_hash(&weights);
    fs::write(
        own.join(format!("blobs/{etag}.incomplete")),
        &weights[..1000],
    )
    .unwrap();

    let downloaded = download(&hub.url, home.path()).unwrap();
    assert_eq!(
        fs::read(downloaded.folder.join("config.json")).unwrap(),
        b"{\"model_type\": \"x\"}"
    );
    assert_eq!(fs::read(downloaded.folder.join(WEIGHTS)).unwrap(), weights);
    let asked = hub.asked();
    assert!(
        !asked
            .iter()
            .any(|asked| asked.path.ends_with("config.json")),
        "{asked:?}"
    );
    let starts: Vec<_> = asked
        .iter()
        .filter(|asked| asked.path.ends_with(WEIGHTS))
        .map(|a| (a.start, a.end))
        .collect();
    assert_eq!(starts, [(Some(0), Some(0)), (Some(1000), None)]);
}

/// Nothing is written but in the cache, nothing is left half there, and the refusal says what was refused.
#[test]
fn hostile_hubs_are_refused() {
    for Hostile {
        name,
        repository,
        words,
    } in hostile()
    {
        let hub = repository.serve();
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("a/b/cache");
        let case = format!("{name} {words:?}");
        let error = match download(&hub.url, &cache) {
            Ok(downloaded) => panic!("{case}: {downloaded:?}"),
            Err(error) => error,
        };
        assert!(
            matches!(error.code(), "hub" | "network"),
            "{case}: {error:?}"
        );
        let says = error.to_string();
        assert!(says.contains(&hub.url), "{case}: {says}");
        for word in &words {
            assert!(says.contains(word), "{case}: {word} is not in {says}");
        }
        assert!(
            says.chars().all(inf_llava_core::printable::is_harmless) && !says.contains('\n'),
            "{case}: {says:?}"
        );
        assert!(says.len() < 1000, "{case}: {} bytes", says.len());

        let paths = tree(home.path());
        let outside = paths
            .iter()
            .filter(|path| !path.starts_with("a/b/cache") && !"a/b/cache".starts_with(*path));
        assert_eq!(outside.count(), 0, "{case}: {paths:?}");
        let linked = paths
            .iter()
            .filter(|path| path.contains("snapshots/") && path.ends_with(WEIGHTS));
        assert_eq!(linked.count(), 0, "{case}: {paths:?}");
        assert!(
            !paths.iter().any(|path| path.ends_with("incomplete")),
            "{case}: {paths:?}"
        );
    }
}

/// An honest hub leads to its storage with a redirect; the storage must not see who asks.
#[test]
fn the_token_goes_to_the_hubs_own_origin_only() {
    let mut repository = Served::honest();
    let weights = repository.weights().clone();
    let storage = Peer::start(move |asked, _| {
        let (head, body) = part(&weights, asked);
        Reply {
            head,
            body: Body::Whole(body),
        }
    });
    repository.headers = format!(
        "\r\nX-Linked-Size: 300000\r\nX-Linked-Etag: \"{}\"",
        repository.hash()
    );
    repository.location = Some(format!("{}/storage?signature=x", storage.url));
    let weights = repository.weights().clone();
    let hub = repository.serve();
    let home = tempfile::tempdir().unwrap();
    let downloaded = download(&hub.url, home.path()).unwrap();
    assert_eq!(fs::read(downloaded.folder.join(WEIGHTS)).unwrap(), weights);
    let seen = storage.asked();
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|asked| asked.token.is_none()), "{seen:?}");

    // Nor when its list of files is elsewhere, nor on the way back.
    let own = Arc::new(Mutex::new(String::new()));
    let back = own.clone();
    let elsewhere = Peer::start(move |_, _| Reply {
        head: format!(
            "HTTP/1.1 302 Found\r\nLocation: {}/list\r\nContent-Length: 0",
            back.lock().unwrap()
        ),
        body: Body::Whole(Vec::new()),
    });
    let to = elsewhere.url.clone();
    let hub = Peer::start(move |asked, _| match asked.path.as_str() {
        "/list" => Reply {
            head: "HTTP/1.1 404 Not Found\r\nContent-Length: 0".into(),
            body: Body::Whole(Vec::new()),
        },
        _ => Reply {
            head: format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}/x\r\nContent-Length: 0"
            ),
            body: Body::Whole(Vec::new()),
        },
    });
    *own.lock().unwrap() = hub.url.clone();
    download(&hub.url, home.path()).unwrap_err();
    let (seen, returned) = (elsewhere.asked(), hub.asked());
    assert!(seen.len() == 1 && seen[0].token.is_none(), "{seen:?}");
    assert!(
        returned.iter().any(|asked| asked.path == "/list"),
        "{returned:?}"
    );
}

/// A body that is cut off is gone on with; one that is always too short is told, and kept for the next time.
#[test]
fn a_short_body_is_gone_on_with() {
    let honest = Served::honest();
    let weights = honest.weights().clone();
    let broken = AtomicBool::new(false);
    let hub = Peer::start(move |asked, before| {
        let mut reply = honest.answer(asked, before);
        let is_first = asked.path.ends_with(WEIGHTS)
            && asked.end.is_none()
            && !broken.swap(true, Ordering::Relaxed);
        if let (true, Body::Whole(bytes)) = (is_first, &reply.body) {
            reply.body = Body::Cut(bytes.clone(), 100_000);
        }
        reply
    });
    let home = tempfile::tempdir().unwrap();
    let downloaded = download(&hub.url, home.path()).unwrap();
    assert_eq!(fs::read(downloaded.folder.join(WEIGHTS)).unwrap(), weights);

    let mut short = Served::honest();
    short.body = Some(Body::Cut(weights.clone(), 0));
    let hub = short.serve();
    let home = tempfile::tempdir().unwrap();
    let says = download(&hub.url, home.path()).unwrap_err().to_string();
    assert!(says.contains(WEIGHTS) && says.contains(&hub.url), "{says}");
    let tries = hub
        .asked()
        .iter()
        .filter(|asked| asked.path.ends_with(WEIGHTS) && asked.end.is_none())
        .count();
    assert_eq!(tries, 6, "the first and five more");
}

/// A server that does not know ranges gives all, which is not appended to what is there.
#[test]
fn a_hub_without_ranges_gives_all_again() {
    let honest = Served::honest();
    let weights = honest.weights().clone();
    let hub = Peer::start(move |asked, before| {
        let whole = super::hub_peer::Asked {
            start: None,
            end: None,
            ..asked.clone()
        };
        honest.answer(&whole, before)
    });
    let home = tempfile::tempdir().unwrap();
    let blobs = home.path().join("models--owner--name/blobs");
    fs::create_dir_all(&blobs).unwrap();
    let etag = git_hash(&weights);
    fs::write(blobs.join(format!("{etag}.incomplete")), &weights[..1000]).unwrap();
    let downloaded = download(&hub.url, home.path()).unwrap();
    assert_eq!(fs::read(downloaded.folder.join(WEIGHTS)).unwrap(), weights);
}

/// Stop is heard while a hub says nothing: at the list, at a header, within a body.
#[test]
fn stop_is_heard_while_a_hub_is_silent() {
    let body_begins = |repository: &mut Served| repository.body = Some(Body::Stalled(vec![1; 10]));
    let list_begins =
        |repository: &mut Served| repository.list = Some(Body::Stalled(b"{".to_vec()));
    let changes: [&dyn Fn(&mut Served); 2] = [&body_begins, &list_begins];
    for change in changes {
        let mut repository = Served::honest();
        change(&mut repository);
        let (stop, seen) = (StopFlag::default(), StopFlag::default());
        let (pressed, reached) = (stop.clone(), seen.clone());
        let hub = Peer::start(move |asked, before| {
            let reply = repository.answer(asked, before);
            if matches!(reply.body, Body::Stalled(_)) {
                reached.stop();
                pressed.stop();
            }
            reply
        });
        let home = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(stop, |_| {});
        let stopped = Hub::new(settings(&hub.url, home.path())).unwrap().download(
            &named("owner/name"),
            Weights::OrPickled,
            &BESIDE,
            &mut watch,
        );
        // It returns at all: the hub would have kept it waiting for a minute, and five times again.
        assert_eq!(stopped, Err(Error::Stopped));
        assert!(seen.is_set());
    }
}

/// Two at once: one downloads, the other waits and uses it.
#[test]
fn two_at_once_download_once() {
    let hub = Served::honest().serve();
    let home = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| download(&hub.url, home.path()).unwrap()));
        let [one, two] = both.map(|handle| handle.join().unwrap());
        assert_eq!(one, two);
    });
    let asked = hub.asked();
    let bodies = asked
        .iter()
        .filter(|asked| asked.path.ends_with(WEIGHTS) && asked.end.is_none());
    assert_eq!(bodies.count(), 1, "{asked:?}");
}

#[test]
fn tokens_and_names_that_are_none_are_not_sent() {
    let home = tempfile::tempdir().unwrap();
    for token in ["hf_a\r\nX-Evil: 1", "hf a", "h\u{fc}"] {
        let settings = Settings {
            token: Some(token.into()),
            ..settings("http://127.0.0.1:1", home.path())
        };
        let error = Hub::new(settings).err().unwrap().to_string();
        assert!(
            error.contains("HF_TOKEN") && !error.contains(token),
            "{error}"
        );
    }
    for name in [
        "owner",
        "owner/../name",
        "a/b/c",
        "/etc",
        "owner/na me",
        "../name",
        "owner/name@../x",
    ] {
        assert!(name.parse::<Repository>().is_err(), "{name}");
    }
    for endpoint in ["", "hub.example", "file:///x", "https://u:p@hub.example"] {
        assert!(
            Hub::new(settings(endpoint, home.path())).is_err(),
            "{endpoint}"
        );
    }
}
