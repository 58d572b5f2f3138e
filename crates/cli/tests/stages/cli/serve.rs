//! `inf-llava serve`, by the bytes that go over the wire.

use std::fs;
use std::process::Command;

use super::PROGRAM;
use super::server::Server;

#[test]
fn parts_types_and_caching_are_as_the_page_needs_them() {
    let dir = tempfile::tempdir().unwrap();
    let (model, page) = (dir.path().join("model"), dir.path().join("page"));
    fs::create_dir_all(&model).unwrap();
    fs::create_dir_all(&page).unwrap();
    let shard: Vec<u8> = (0..=255).collect();
    let hash = super::serve_folder::write_model(&model, &shard);
    fs::write(page.join("index.html"), "the page").unwrap();
    fs::write(page.join("engine.wasm"), "wasm").unwrap();
    fs::write(dir.path().join("secret"), "not to be served").unwrap();
    let page = page.display().to_string();
    let server = Server::start(&model, &["--page", &page]);

    let whole = server.get(
        "/model/shard-00001.bin",
        "Origin: http://localhost:3000\r\n",
    );
    assert_eq!((whole.status, &whole.body), (200, &shard));
    for header in [
        "accept-ranges: bytes",
        "access-control-allow-origin: http://localhost:3000",
        "content-type: application/octet-stream",
        "cache-control: no-cache",
        "x-content-type-options: nosniff",
    ] {
        assert!(
            whole.headers.contains(header),
            "{header}: {}",
            whole.headers
        );
    }
    let by_hash = format!("/model/shard-00001.bin?sha256={hash}");
    let part = server.get(&by_hash, "Range: bytes=10-19\r\n");
    assert_eq!((part.status, &part.body[..]), (206, &shard[10..20]));
    assert!(
        part.headers.contains("content-range: bytes 10-19/256"),
        "{}",
        part.headers
    );
    assert!(part.headers.contains("no-cache"), "{}", part.headers);
    assert_eq!(
        server
            .get("/model/shard-00001.bin", "Range: bytes=300-\r\n")
            .status,
        416
    );

    let wasm = server.get("/engine.wasm", "");
    assert!(
        wasm.headers.contains("content-type: application/wasm"),
        "{}",
        wasm.headers
    );
    let missing = server.get("/model/shard-00009.bin?sha256=00", "");
    assert_eq!(missing.status, 404);
    for path in [
        "/../secret",
        "/model/../../secret",
        "/model/%2e%2e/secret",
        "/model//etc/passwd",
    ] {
        assert_ne!(server.get(path, "").status, 200, "{path}");
    }

    let opened = server.get("/", "");
    assert_eq!(opened.status, 307);
    assert!(
        opened
            .headers
            .contains("location: /index.html?model=model/"),
        "{}",
        opened.headers
    );
    assert_eq!(server.get("/index.html?model=model/", "").body, b"the page");
    let other = server.get("/?model=models/demo/&device=cpu", "");
    let expected = "location: /index.html?model=models/demo/&device=cpu\r\n";
    assert!(
        format!("{}\r\n", other.headers).contains(expected),
        "{}",
        other.headers
    );
}

#[test]
fn what_is_no_model_or_no_page_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let run = |model: &str, page: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", model, "--page", page, "--port", "0"]);
        let output = command.current_dir(dir.path()).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    fs::create_dir_all(dir.path().join("empty")).unwrap();
    let (code, says) = run("empty", "empty");
    assert!(
        code == Some(3) && says.contains("no model folder"),
        "{says}"
    );
    fs::write(dir.path().join("empty/manifest.json"), "{}").unwrap();
    let (code, says) = run("empty", "empty");
    assert!(code == Some(2) && says.contains("build-web"), "{says}");
}

#[test]
fn without_a_page_the_model_is_served_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("manifest.json"), "{}").unwrap();
    // Where the tests run there may be a page in `dist`.
    let server = Server::start_in(dir.path(), dir.path(), &[]);
    let first = server.talk();
    assert!(first.contains("without the page") && first.contains("build-web"));
    assert_eq!(server.get("/", "").status, 404);
    assert_eq!(server.get("/model/manifest.json", "").body, b"{}");
    assert_eq!(server.get("/v1/models", "").status, 200);
    // The file that makes it no model is named at the start, and not only when a question comes.
    while !server.talk().contains("manifest.json: ") {}
}
