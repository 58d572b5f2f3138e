//! What is asked of a hub by name: revisions, sizes and licences, and what it does not give.

use std::fs;
use std::path::Path;

use inf_llava_core::hub::{Hub, Settings, Weights};
use inf_llava_core::progress::{StopFlag, Watch};

use super::hub::{BESIDE, download, download_of, named, settings, tree};
use super::hub_peer::{Body, COMMIT, Peer, Reply, Repository as Served, WEIGHTS};

/// A revision is asked for by its name, escaped, and kept under it; a commit is kept as what it is.
#[test]
fn a_revision_is_downloaded_and_kept_by_its_name() {
    for (revision, escaped, reference) in [
        ("v1.0", "v1.0", Some("refs/v1.0")),
        ("refs/pr/5", "refs%2Fpr%2F5", Some("refs/refs/pr/5")),
        (COMMIT, COMMIT, None),
    ] {
        let hub = Served::honest().at(escaped).serve();
        let home = tempfile::tempdir().unwrap();
        let name = format!("owner/name@{revision}");
        let downloaded = download_of(&hub.url, home.path(), &name, Weights::Safetensors).unwrap();
        assert_eq!(downloaded.revision, COMMIT);
        assert!(downloaded.folder.join(WEIGHTS).is_file());
        let own = home.path().join("models--owner--name");
        match reference {
            Some(path) => assert_eq!(fs::read_to_string(own.join(path)).unwrap(), COMMIT),
            None => assert!(!own.join("refs").exists()),
        }
        let offline = Settings {
            offline: true,
            ..settings("http://127.0.0.1:1", home.path())
        };
        let offline = Hub::new(offline).unwrap();
        let again = |name: &str| {
            let weights = Weights::Safetensors;
            offline.download(&named(name), weights, &BESIDE, &mut Watch::nobody())
        };
        assert_eq!(again(&name), Ok(downloaded));
        // Nothing stands for the branch, which was not downloaded.
        assert!(again("owner/name").is_err(), "{revision}");
    }
}

/// What is missing, and its licence, are known before it is downloaded.
#[test]
fn sizes_and_licence_are_told_before_a_download() {
    let mut repository = Served::honest();
    repository.card = serde_json::json!({"license": "llama3"});
    let bytes: usize = ["model.safetensors", "config.json", "README.md", "LICENSE"]
        .iter()
        .map(|file| repository.files[*file].len())
        .sum();
    let hub = repository.serve();
    let home = tempfile::tempdir().unwrap();
    let own = Hub::new(settings(&hub.url, home.path())).unwrap();
    let find = || {
        let stop = StopFlag::default();
        own.find(&named("owner/name"), Weights::Safetensors, &BESIDE, &stop)
    };
    let found = find().unwrap();
    assert_eq!(found.missing_bytes(), bytes as u64);
    assert_eq!(found.license(), Some("llama3"));
    assert_eq!(tree(home.path()), Vec::<String>::new());
    let asked = hub.asked();
    assert!(asked.iter().all(|asked| asked.path.contains("/api/")
        || asked.end == Some(0)
        || asked.start.is_none()));
    own.fetch(&found, &mut Watch::nobody()).unwrap();
    assert_eq!(find().unwrap().missing_bytes(), 0);
}

/// Weights that only `torch.save` can have written are told of before they are downloaded, with what to do.
#[test]
fn pickled_weights_are_not_downloaded_to_be_loaded() {
    let mut repository = Served::honest();
    let weights = repository.files.remove(WEIGHTS).unwrap();
    repository.files.insert("pytorch_model.bin".into(), weights);
    let hub = repository.serve();
    let home = tempfile::tempdir().unwrap();
    let get = |weights| download_of(&hub.url, home.path(), "owner/name", weights);
    let says = get(Weights::Safetensors).unwrap_err().to_string();
    assert!(
        says.contains("inf-llava convert owner/name FOLDER"),
        "{says}"
    );
    assert!(
        hub.asked()
            .iter()
            .all(|asked| asked.path.starts_with("/api/"))
    );
    let downloaded = get(Weights::OrPickled).unwrap();
    assert!(downloaded.folder.join("pytorch_model.bin").is_file());
}

/// Without a network, what was downloaded before is named.
#[test]
fn a_hub_that_is_not_reached_says_what_there_is() {
    let hub = Served::honest().serve();
    let home = tempfile::tempdir().unwrap();
    download(&hub.url, home.path()).unwrap();
    let says = |cache: &Path| download("http://127.0.0.1:1", cache).unwrap_err();
    let error = says(home.path());
    assert_eq!(error.code(), "network");
    assert!(error.to_string().contains("HF_HUB_OFFLINE=1"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert!(!says(empty.path()).to_string().contains("HF_HUB_OFFLINE"));
}

/// A hub that lists a repository to everybody gives its files only to who has accepted its licence.
#[test]
fn a_gated_repository_says_how_it_is_opened() {
    let repository = Served::honest();
    let hub = Peer::start(move |asked, before| match asked.path.ends_with(WEIGHTS) {
        true => Reply {
            head: "HTTP/1.1 403 Forbidden\r\nX-Error-Code: GatedRepo\r\nContent-Length: 0".into(),
            body: Body::Whole(Vec::new()),
        },
        false => repository.answer(asked, before),
    });
    let home = tempfile::tempdir().unwrap();
    let says = download(&hub.url, home.path()).unwrap_err().to_string();
    for word in [
        "owner/name is gated",
        &format!("{}/owner/name", hub.url),
        "HF_TOKEN",
    ] {
        assert!(says.contains(word), "{word} is not in {says}");
    }
    assert_eq!(tree(home.path()), Vec::<String>::new());
}
