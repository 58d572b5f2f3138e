//! What no message tells: the token that a hub was sent, and what in an address lets one in.

use inf_llava_core::hub::{Hub, Settings, Weights};
use inf_llava_core::progress::Watch;

use super::hub::named;
use super::hub_peer::{Body, Peer, Repository};

const TOKEN: &str = "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345";

/// A hub that puts what it was sent into its answers, where it is told as refused.
#[test]
fn a_hub_that_says_the_token_again_is_not_quoted() {
    let list = |text: String| {
        let mut repository = Repository::honest();
        repository.list = Some(Body::Whole(text.into_bytes()));
        repository
    };
    let padding = "x".repeat(70);
    let mut etag = Repository::honest();
    etag.etag = Some(format!("\"Bearer {TOKEN}\""));
    let mut commit = Repository::honest();
    commit.commit = TOKEN.into();
    let mut location = Repository::honest();
    location.location = Some(format!("ftp://{TOKEN}/{TOKEN}"));
    let mut path = Repository::honest();
    path.location = Some(format!("/{TOKEN}"));
    let mut size = Repository::honest();
    size.headers = format!("\r\nX-Linked-Size: {TOKEN}");
    let mut encoding = Repository::honest();
    encoding.headers = format!("\r\nContent-Encoding: {TOKEN}");
    for (case, repository) in [
        ("no JSON", list(format!("Bearer {TOKEN}"))),
        ("cut short in it", list(format!("{padding}{TOKEN}"))),
        (
            "another type",
            list(format!("{{\"sha\": \"0\", \"siblings\": \"{TOKEN}\"}}")),
        ),
        ("commit of the list", {
            let mut repository = Repository::honest();
            repository.sha = format!("/{TOKEN}");
            repository
        }),
        ("ETag", etag),
        ("commit", commit),
        ("redirect", location),
        ("path", path),
        ("size", size),
        ("encoding", encoding),
    ] {
        let hub = Peer::start(move |asked, before| repository.answer(asked, before));
        let home = tempfile::tempdir().unwrap();
        let settings = Settings {
            endpoint: hub.url.clone(),
            cache: home.path().into(),
            token: Some(TOKEN.into()),
            offline: false,
        };
        let downloaded = Hub::new(settings).unwrap().download(
            &named("owner/name"),
            Weights::OrPickled,
            &["config.json"],
            &mut Watch::nobody(),
        );
        let error = downloaded.expect_err(case);
        let says = format!("{error} {error:?}");
        assert!(!says.contains(&TOKEN[..8]), "{case}: {says}");
        let sent = hub.asked().iter().all(|asked| asked.token.is_some());
        assert!(sent && says.contains(&hub.url), "{case}: {says}");
    }
}

#[test]
fn an_address_that_is_refused_does_not_tell_what_lets_one_in() {
    let home = tempfile::tempdir().unwrap();
    for endpoint in [
        "https://user:pass-word@hub.example",
        "https://user:pass?word@hub.example",
        "user:pass-word@hub.example",
        "ftp://user:pass-word@hub.example/x",
        "https://hub.example?key=pass-word",
        "https://hub.example/#pass-word",
        "https://hub.example:port?key=pass-word",
    ] {
        let settings = Settings {
            endpoint: endpoint.into(),
            cache: home.path().into(),
            token: None,
            offline: false,
        };
        let Err(error) = Hub::new(settings) else {
            panic!("{endpoint} was taken");
        };
        let says = format!("{error} {error:?}");
        assert!(
            !says.contains("pass") && !says.contains("word") && says.contains("hub.example"),
            "{endpoint}: {says}"
        );
    }
}
