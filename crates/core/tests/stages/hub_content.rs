//! What is in the hub's cache is what its names say, whoever wrote it and however the hub answers.

use std::fs;

use super::hub::download;
use super::hub_peer::{Body, COMMIT, Peer, Reply, Repository, WEIGHTS, git_hash};

/// The names that the content of an honest repository's weights may have.
fn names(repository: &Repository) -> [String; 4] {
    [
        repository.hash(),
        repository.hash().to_uppercase(),
        git_hash(repository.weights()),
        "no-hash".into(),
    ]
}

/// A beginning that does not belong to the file is found by its hash, and fetched anew. Where there is no hash to find
/// it by, none is gone on with.
#[test]
fn a_damaged_beginning_is_fetched_anew() {
    for etag in names(&Repository::honest()) {
        for junk in [5000, 300_000, 300_001] {
            let mut repository = Repository::honest();
            let weights = repository.weights().clone();
            repository.etag = Some(format!("\"{etag}\""));
            let hub = repository.serve();
            let home = tempfile::tempdir().unwrap();
            let blobs = home.path().join("models--owner--name/blobs");
            fs::create_dir_all(&blobs).unwrap();
            fs::write(blobs.join(format!("{etag}.incomplete")), vec![7; junk]).unwrap();
            let downloaded = download(&hub.url, home.path()).unwrap();
            let found = fs::read(downloaded.folder.join(WEIGHTS)).unwrap();
            assert!(found == weights, "{etag} after {junk} bytes of another");
        }
    }
}

/// A content under the name of a hash that it does not have is not taken, and makes way for the right one.
#[test]
fn a_wrong_content_in_the_cache_is_fetched_anew() {
    let [sha256, upper, git, _] = names(&Repository::honest());
    for etag in [sha256, upper, git] {
        let mut repository = Repository::honest();
        let (weights, damaged) = (repository.weights().clone(), repository.damaged());
        repository.etag = Some(format!("\"{etag}\""));
        let hub = repository.serve();
        let home = tempfile::tempdir().unwrap();
        let blobs = home.path().join("models--owner--name/blobs");
        fs::create_dir_all(&blobs).unwrap();
        fs::write(blobs.join(&etag), damaged).unwrap();
        let downloaded = download(&hub.url, home.path()).unwrap();
        assert!(fs::read(downloaded.folder.join(WEIGHTS)).unwrap() == weights);
        assert!(fs::read(blobs.join(&etag)).unwrap() == weights);
    }
}

/// A hub of HTTP/1.0 closes the connection where a file ends, or where it broke off: only a hash tells which.
#[test]
fn a_content_without_a_length_is_taken_by_its_hash_only() {
    let content = b"{\"model_type\": \"llava_llama\"}".to_vec();
    for (is_hashed, is_whole) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut repository = Repository::honest();
        repository
            .files
            .insert("config.json".into(), content.clone());
        let sent = match is_whole {
            true => content.len(),
            false => content.len() / 2,
        };
        let (etag, content) = match is_hashed {
            true => (git_hash(&content), content.clone()),
            false => ("no-hash".into(), content.clone()),
        };
        let bytes = content.clone();
        let hub = Peer::start(move |asked, before| match asked.path.as_str() {
            "/owner/name/resolve/main/config.json" => Reply {
                head: format!("HTTP/1.0 200 OK\r\nETag: \"{etag}\"\r\nX-Repo-Commit: {COMMIT}"),
                body: Body::Cut(bytes.clone(), sent),
            },
            _ => repository.answer(asked, before),
        });
        let home = tempfile::tempdir().unwrap();
        let downloaded = download(&hub.url, home.path());
        let case = format!("hashed {is_hashed}, whole {is_whole}: {downloaded:?}");
        match is_hashed && is_whole {
            true => {
                let path = downloaded.expect(&case).folder.join("config.json");
                assert_eq!(fs::read(path).unwrap(), content, "{case}");
            }
            false => {
                let error = downloaded.expect_err(&case);
                assert_eq!(error.code(), "hub", "{case}");
                assert!(error.to_string().contains("config.json"), "{case}");
                let linked = format!("models--owner--name/snapshots/{COMMIT}/config.json");
                assert!(!home.path().join(linked).exists(), "{case}");
            }
        }
    }
}
