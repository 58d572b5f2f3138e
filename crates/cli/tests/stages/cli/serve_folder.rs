//! What of a folder `inf-llava serve` gives, and to whom. The folders here hold what no stranger may see, and the pages
//! that ask are those of other sites.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::server::{Answer, Server, read};

fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn manifest(shard: &[u8], files: &[Value]) -> Value {
    let rows = shard.len() / 4;
    let piece = json!({"shard": 0, "offset": 0, "rows": rows});
    let tensor = json!({"shape": [rows], "dtype": "f32", "pieces": [piece]});
    json!({
        "format": "inf-llava", "version": 1, "name": "m", "revision": "r", "license": "none", "config": {},
        "generation": {}, "prompt": "p", "files": files, "tensors": {"t": tensor},
        "shards": [{"file": "shard-00001.bin", "bytes": shard.len(), "sha256": hash(shard)}],
    })
}

/// A converted model with one shard, whose hash this gives; its length is a multiple of 4.
pub fn write_model(folder: &Path, shard: &[u8]) -> String {
    fs::write(folder.join("shard-00001.bin"), shard).unwrap();
    let manifest = manifest(shard, &[]);
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    hash(shard)
}

/// A checkpoint with secrets beside it.
fn write_checkpoint(folder: &Path) {
    for inner in [".git", "samples", "drafts"] {
        fs::create_dir_all(folder.join(inner)).unwrap();
    }
    let samples = json!([
        {"image": "samples/1.png"}, {"image": "../outside.png"}, {"image": ".hidden.png"}, {"image": "drafts/a/1.png"},
    ]);
    let index = json!({"weight_map": {
        "a": "model-00001-of-00001.safetensors", "b": "../outside.safetensors", "c": ".env", "d": "id_rsa",
    }});
    for (name, text) in [
        ("config.json", "{}".to_string()),
        ("tokenizer.json", "{}".into()),
        ("model-00001-of-00001.safetensors", "weights".into()),
        ("model.safetensors.index.json", index.to_string()),
        ("samples.json", samples.to_string()),
        ("samples/1.png", "picture".into()),
        ("samples/2.png", "picture".into()),
        ("README.md", "card".into()),
        (".env", "secret".into()),
        (".hidden.png", "secret".into()),
        (".git/config", "secret".into()),
        ("id_rsa", "secret".into()),
        ("notes.txt", "secret".into()),
        ("expected.safetensors", "secret".into()),
        ("pytorch_model.bin", "secret".into()),
        ("config.json~", "secret".into()),
        ("drafts/config.json", "secret".into()),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn status(server: &Server, path: &str) -> u16 {
    server.get(path, "").status
}

#[test]
fn only_the_models_own_files_are_given() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    write_checkpoint(&model);
    for name in ["outside.png", "outside.safetensors", "secret"] {
        fs::write(dir.path().join(name), "secret").unwrap();
    }
    let server = Server::start(&model, &[]);
    for name in [
        "config.json",
        "tokenizer.json",
        "model-00001-of-00001.safetensors",
        "model.safetensors.index.json",
        "samples.json",
        "samples/1.png",
        "README.md",
    ] {
        assert_eq!(status(&server, &format!("/model/{name}")), 200, "{name}");
    }
    for name in [
        ".env",
        ".hidden.png",
        ".git/config",
        "%2egit/config",
        "id_rsa",
        "notes.txt",
        "expected.safetensors",
        "pytorch_model.bin",
        "config.json~",
        "drafts/config.json",
        "samples/2.png",
        "samples/",
        "",
        "../secret",
        "..%2fsecret",
        "%2e%2e%2foutside.png",
        "..%5csecret",
        "samples/../id_rsa",
        "samples/%2e%2e/id_rsa",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "config.json/",
        "config.json%00",
        "./config.json",
    ] {
        let answer = server.get(&format!("/model/{name}"), "");
        let text = String::from_utf8_lossy(&answer.body).to_string();
        assert!(
            answer.status != 200 && !text.contains("secret"),
            "{name}: {text}"
        );
    }
    assert_eq!(server.post("/model/config.json", "", b"{}").status, 405);

    // Converted, the manifest alone says what else there is.
    fs::write(model.join("LICENSE"), "licence").unwrap();
    let file = json!({"file": "LICENSE", "bytes": 7, "sha256": hash(b"licence")});
    write_model(&model, b"1234");
    let named = manifest(b"1234", &[file]);
    fs::write(model.join("manifest.json"), named.to_string()).unwrap();
    for name in [
        "manifest.json",
        "shard-00001.bin",
        "LICENSE",
        "samples.json",
        "samples/1.png",
    ] {
        assert_eq!(status(&server, &format!("/model/{name}")), 200, "{name}");
    }
    for name in [
        "config.json",
        "tokenizer.json",
        "README.md",
        ".env",
        "shard-00002.bin",
    ] {
        assert_eq!(status(&server, &format!("/model/{name}")), 404, "{name}");
    }
    // A manifest that is none names nothing, and can be looked at.
    fs::write(model.join("manifest.json"), "{\"files\": [").unwrap();
    assert_eq!(status(&server, "/model/shard-00001.bin"), 404);
    assert_eq!(status(&server, "/model/manifest.json"), 200);
}

#[cfg(unix)]
#[test]
fn a_link_leads_to_nothing_outside_the_folder_and_a_pipe_keeps_nobody_waiting() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let (model, page) = (dir.path().join("model"), dir.path().join("page"));
    fs::create_dir_all(&model).unwrap();
    fs::create_dir_all(page.join(".git")).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    fs::write(model.join("config.json"), "{}").unwrap();
    fs::write(model.join(".env"), "secret").unwrap();
    fs::write(model.join("own"), "own").unwrap();
    symlink("/etc/passwd", model.join("LICENSE")).unwrap();
    symlink("../secret", model.join("README.md")).unwrap();
    symlink(".env", model.join("NOTICE")).unwrap();
    symlink("own", model.join("USE_POLICY.md")).unwrap();
    symlink("/dev/zero", model.join("tokenizer.json")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .args([model.join("generation_config.json"), page.join("pipe")])
        .status();
    assert!(made.unwrap().success());
    fs::create_dir_all(model.join("preprocessor_config.json")).unwrap();
    fs::write(page.join("index.html"), "page").unwrap();
    fs::write(page.join(".env"), "secret").unwrap();
    fs::write(page.join(".git/config"), "secret").unwrap();
    symlink("../secret", page.join("link.txt")).unwrap();
    symlink("index.html", page.join("inner.html")).unwrap();
    symlink("..", page.join("up")).unwrap();

    let page = page.display().to_string();
    let server = Server::start(&model, &["--page", &page]);
    for path in [
        "/model/config.json",
        "/model/USE_POLICY.md",
        "/index.html",
        "/inner.html",
    ] {
        assert_eq!(status(&server, path), 200, "{path}");
    }
    for path in [
        "/model/LICENSE",
        "/model/README.md",
        "/model/NOTICE",
        "/model/tokenizer.json",
        "/model/generation_config.json",
        "/model/preprocessor_config.json",
        "/link.txt",
        "/up/secret",
        "/.env",
        "/.git/config",
        "/pipe",
        "/up",
    ] {
        let answer = server.get(path, "");
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            !answer.body.windows(6).any(|six| six == b"secret"),
            "{path}"
        );
    }
}

/// As the hub's cache lays a model out.
#[cfg(unix)]
#[test]
fn a_model_in_the_hubs_cache_is_given_with_its_links() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let repository = dir.path().join("models--owner--name");
    let model = repository.join("snapshots/0123456789abcdef");
    fs::create_dir_all(&model).unwrap();
    fs::create_dir_all(repository.join("blobs")).unwrap();
    fs::write(repository.join("blobs/aa"), "{}").unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    symlink("../../blobs/aa", model.join("config.json")).unwrap();
    symlink("../../../secret", model.join("README.md")).unwrap();
    symlink("../../blobs/aa", model.join("notes.txt")).unwrap();
    let server = Server::start(&model, &[]);
    assert_eq!(server.get("/model/config.json", "").body, b"{}");
    assert_eq!(status(&server, "/model/README.md"), 404);
    assert_eq!(status(&server, "/model/notes.txt"), 404);
}

fn code(answer: &Answer) -> String {
    let code = answer.json()["error"]["code"].as_str().map(str::to_string);
    code.unwrap_or_default()
}

#[test]
fn pages_of_other_sites_do_not_get_the_model() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), b"1234");
    let server = Server::start(dir.path(), &["--allow-origin", "https://friend.example"]);
    let (address, path) = (&server.address, "/model/shard-00001.bin");
    let shared = |answer: &Answer, origin: &str| {
        let header = format!("access-control-allow-origin: {origin}");
        format!("{}\r\n", answer.headers).contains(&format!("{header}\r\n"))
    };
    for origin in [
        "https://evil.example",
        "null",
        "https://friend.example.evil.example",
        "http://localhost.evil.example",
    ] {
        let header = format!("Origin: {origin}\r\n");
        let preflight = format!("{header}Access-Control-Request-Method: GET\r\n");
        let preflight = read(server.send(&format!("OPTIONS {path}"), &preflight, b""));
        for answer in [server.get(path, &header), preflight] {
            assert_eq!(
                (answer.status, code(&answer).as_str()),
                (403, "foreign-origin"),
                "{origin}"
            );
            assert!(
                !answer.headers.contains("access-control-allow"),
                "{}",
                answer.headers
            );
        }
    }
    for origin in [
        "https://friend.example",
        "http://localhost:3000",
        &format!("http://{address}"),
    ] {
        let answer = server.get(path, &format!("Origin: {origin}\r\n"));
        assert!(
            answer.status == 200 && shared(&answer, origin),
            "{origin}: {}",
            answer.headers
        );
        assert!(
            answer.headers.contains("vary: origin"),
            "{}",
            answer.headers
        );
        assert!(
            answer
                .headers
                .contains("cross-origin-resource-policy: same-origin")
        );
    }
    // What may have the model may not ask it.
    let friend = "Origin: https://friend.example\r\n";
    assert_eq!(code(&server.get("/v1/models", friend)), "foreign-origin");

    let server = Server::start(dir.path(), &["--allow-origin", "*"]);
    let answer = server.get(path, "Origin: https://anybody.example\r\n");
    assert!(answer.status == 200 && shared(&answer, "https://anybody.example"));
    assert!(!answer.headers.contains("cross-origin-resource-policy"));
}

/// A site whose name leads here after a while (DNS rebinding) is its own page's server for a browser.
#[test]
fn a_foreign_name_is_answered_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), b"1234");
    fs::write(dir.path().join("index.html"), "page").unwrap();
    let page = dir.path().display().to_string();
    let server = Server::start(
        dir.path(),
        &["--page", &page, "--allow-host", "chat.example.com"],
    );
    let paths = [
        "/",
        "/index.html",
        "/model/manifest.json",
        "/model/shard-00001.bin",
        "/v1/models",
        "/nothing",
    ];
    for path in paths {
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "192.168.0.1:8080",
            "",
        ] {
            let answer = server.get(path, &format!("Host: {host}\r\n"));
            assert_eq!(answer.status, 403, "{path} for {host:?}");
            assert_eq!(code(&answer), "foreign-host", "{path} for {host:?}");
        }
        for host in [
            "localhost",
            "chat.example.com",
            "chat.example.com:443",
            &server.address,
        ] {
            let answer = server.get(path, &format!("Host: {host}\r\n"));
            assert_ne!(answer.status, 403, "{path} for {host}");
        }
    }
    let own = "Host: chat.example.com\r\nOrigin: https://chat.example.com\r\n";
    assert_eq!(server.get("/v1/models", own).status, 200);
    for args in [
        ["--allow-origin", "example.com"],
        ["--allow-host", "https://example.com"],
    ] {
        super::refused(
            &["serve", &page, "--port", "0", args[0], args[1]],
            2,
            &[args[0], "example.com"],
        );
    }
}

/// Nothing is promised to stay as it is: a file may be written over in place, at the length that its manifest states.
#[test]
fn what_is_asked_for_by_its_hash_is_that_version_and_is_asked_for_anew() {
    let dir = tempfile::tempdir().unwrap();
    let shard: Vec<u8> = (0..=255).collect();
    let own = write_model(dir.path(), &shard);
    fs::write(dir.path().join("index.html"), "page").unwrap();
    let page = dir.path().display().to_string();
    let server = Server::start(dir.path(), &["--page", &page]);
    let get = |path: &str| server.get(path, "");
    let is_asked_anew = |answer: &Answer| answer.headers.contains("cache-control: no-cache\r\n");
    let path = "/model/shard-00001.bin";
    let other = hash(b"another version");
    for query in [
        "?sha256=anything",
        "?sha256=",
        &format!("?sha256={other}"),
        &format!("?sha256={other}&sha256={own}"),
    ] {
        let answer = get(&format!("{path}{query}"));
        assert_eq!(answer.status, 404, "{query}: {}", answer.headers);
    }
    for path in [
        path.to_string(),
        format!("{path}?sha256={own}"),
        format!("{path}?a=b&sha256={own}"),
        format!("{path}?sha256={}", own.to_uppercase()),
        format!("/model/manifest.json?sha256={own}"),
        format!("/index.html?sha256={own}"),
    ] {
        let answer = get(&path);
        assert!(
            answer.status == 200 && is_asked_anew(&answer),
            "{path}: {}",
            answer.headers
        );
    }

    // Who has it asks whether it has changed, and is told when it has.
    let by_hash = format!("{path}?sha256={own}");
    let first = get(&by_hash);
    let tag = first
        .headers
        .lines()
        .find_map(|line| line.strip_prefix("etag: "));
    let if_changed = format!("If-None-Match: {}\r\n", tag.unwrap());
    assert_eq!(server.get(&by_hash, &if_changed).status, 304);
    let damaged = vec![0; shard.len()];
    // Where the clock of files is coarse, the same moment is to be left behind.
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(dir.path().join("shard-00001.bin"), &damaged).unwrap();
    let again = server.get(&by_hash, &if_changed);
    assert!(again.status == 200 && again.body == damaged && is_asked_anew(&again));

    // The model is renewed: the manifest first, as a slow copy may have it.
    let renewed = [&shard[..], b"more"].concat();
    fs::write(
        dir.path().join("manifest.json"),
        manifest(&renewed, &[]).to_string(),
    )
    .unwrap();
    let half = get(&format!("{path}?sha256={}", hash(&renewed)));
    assert_eq!(half.status, 200);
    assert_eq!(get(&by_hash).status, 404);
    fs::write(dir.path().join("shard-00001.bin"), &renewed).unwrap();
    let whole = get(&format!("{path}?sha256={}", hash(&renewed)));
    assert_eq!(whole.body, renewed);
}

#[test]
fn parts_are_of_one_version_and_a_long_suffix_is_all() {
    let dir = tempfile::tempdir().unwrap();
    let shard: Vec<u8> = (0..=255).collect();
    write_model(dir.path(), &shard);
    let server = Server::start(dir.path(), &[]);
    let path = "/model/shard-00001.bin";
    let get = |headers: &str| server.get(path, headers);
    let header = |answer: &Answer, name: &str| {
        let prefix = format!("{name}: ");
        let value = answer
            .headers
            .lines()
            .find_map(|line| line.strip_prefix(&prefix));
        value.unwrap_or_default().to_string()
    };
    for (range, status, told, body) in [
        ("bytes=-9999", 206, "bytes 0-255/256", &shard[..]),
        ("bytes=-256", 206, "bytes 0-255/256", &shard[..]),
        ("bytes=-6", 206, "bytes 250-255/256", &shard[250..]),
        ("bytes=0-0", 206, "bytes 0-0/256", &shard[..1]),
        ("bytes=256-", 416, "bytes */256", &[]),
        ("bytes=-0", 416, "bytes */256", &[]),
        ("bytes=0-0,5-6", 200, "", &shard[..]),
        ("lines=0-0", 200, "", &shard[..]),
    ] {
        let answer = get(&format!("Range: {range}\r\n"));
        assert_eq!(answer.status, status, "{range}");
        assert_eq!(header(&answer, "content-range"), told, "{range}");
        assert_eq!(answer.body, body, "{range}");
        assert_eq!(
            header(&answer, "content-length"),
            body.len().to_string(),
            "{range}"
        );
    }
    let whole = get("");
    let (tag, date) = (header(&whole, "etag"), header(&whole, "last-modified"));
    // The helper lowers all letters; dates must have theirs.
    let date = httpdate(&date);
    let range = "Range: bytes=0-9\r\n";
    for (condition, status) in [
        (format!("If-Range: {tag}"), 206),
        (format!("If-Range: {date}"), 206),
        ("If-Range: \"another\"".to_string(), 200),
        (format!("If-Range: W/{tag}"), 200),
        ("If-Range: Thu, 01 Jan 1970 00:00:00 GMT".to_string(), 200),
        (format!("If-None-Match: {tag}"), 304),
        (format!("If-Modified-Since: {date}"), 304),
        ("If-Match: \"another\"".to_string(), 412),
    ] {
        assert_eq!(
            get(&format!("{range}{condition}\r\n")).status,
            status,
            "{condition}"
        );
    }
    let head = read(server.send(&format!("HEAD {path}"), "", b""));
    assert_eq!(
        (head.status, header(&head, "content-length")),
        (200, "256".to_string())
    );
    assert!(head.body.is_empty());

    // What has been renewed is not joined to what was there.
    fs::write(
        dir.path().join("shard-00001.bin"),
        [&shard[..], b"1234"].concat(),
    )
    .unwrap();
    assert_eq!(get(&format!("{range}If-Range: {tag}\r\n")).status, 200);
}

/// `thu, 01 jan 1970 00:00:00 gmt` as it was written.
fn httpdate(lowered: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    let words = lowered.replace("gmt", "GMT");
    words.split(' ').map(capital).collect::<Vec<_>>().join(" ")
}
