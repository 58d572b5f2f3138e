//! Tests with a local stand-in for the publishers' host: correct files are installed, everything
//! else is refused with the reason.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::setup::archive::tests::tar_gz;

const TOOL: Tool = Tool {
    program: "trunk",
    package: "trunk",
    version: "0.21.14",
};
/// Seconds, so that a silent host is given up quickly.
pub const LIMITS: Limits = Limits {
    connect: Duration::from_secs(2),
    stall: Duration::from_secs(1),
    total: Duration::from_secs(4),
    bytes: 1 << 20,
};

/// The stand-in's answer to every request.
#[derive(Clone)]
pub enum Answer {
    /// The archive; for `.sha256` the text.
    Files(Vec<u8>, String),
    /// Fewer bytes than announced.
    Truncated(Vec<u8>),
    NotFound,
    /// An endless body without an announced length.
    Endless,
    /// No answer on an open connection.
    Silent,
}

pub fn stand_in(answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    // Ends with the test's process; each test makes only a few requests.
    thread::spawn(move || {
        for stream in listener.incoming().take(4).flatten() {
            let answer = answer.clone();
            thread::spawn(move || respond(stream, &answer));
        }
    });
    format!("http://127.0.0.1:{port}")
}

fn respond(mut stream: TcpStream, answer: &Answer) {
    let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
    let request = lines.next().and_then(Result::ok).unwrap_or_default();
    while lines
        .next()
        .and_then(Result::ok)
        .is_some_and(|line| !line.is_empty())
    {}
    let head = |length: usize| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    // Some of the tests are about clients that disconnect early.
    let _ = match answer {
        Answer::Files(archive, checksum) => {
            let asked_for = request.split(' ').nth(1).unwrap_or_default();
            let body = if asked_for.ends_with(".sha256") {
                checksum.as_bytes()
            } else {
                archive
            };
            stream.write_all(&[head(body.len()).as_bytes(), body].concat())
        }
        Answer::Truncated(archive) => {
            let half = &archive[..archive.len() / 2];
            stream.write_all(&[head(archive.len()).as_bytes(), half].concat())
        }
        Answer::NotFound => {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")
        }
        Answer::Endless => {
            let mut written = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while written.is_ok() {
                written = stream.write_all(&[b'x'; 65536]);
            }
            written
        }
        Answer::Silent => {
            thread::sleep(Duration::from_secs(600));
            Ok(())
        }
    };
}

/// An archive like trunk's release: a program that prints its version.
pub fn release(version: &str) -> Vec<u8> {
    let program = format!("#!/bin/sh\necho trunk {version}\n");
    tar_gz(&[("README.md", b"words"), ("trunk", program.as_bytes())])
}

fn archive(pinned: Option<String>) -> Archive {
    Archive {
        pinned,
        ..Archive::of(TOOL, "x86_64-unknown-linux-gnu").expect("a known machine")
    }
}

/// Tries to install; returns the result and the files in the folder afterwards.
fn attempt(answer: Answer, archive: &Archive) -> (Result<String, String>, Vec<String>) {
    let place = std::env::temp_dir().join(format!(
        "xtask-prebuilt-{}-{:?}",
        std::process::id(),
        thread::current().id()
    ));
    let folder = place.join("trunk-0.21.14");
    let result = put(archive, TOOL, &stand_in(answer), LIMITS, &folder);
    let left = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let left = left
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let beside: Vec<_> = std::fs::read_dir(&place)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    assert!(beside.len() <= 1, "written outside its folder: {beside:?}");
    let _ = std::fs::remove_dir_all(&place);
    (result, left)
}

fn refused(answer: Answer, archive: &Archive, reason: &str) {
    let (result, left) = attempt(answer, archive);
    let why = result.expect_err("refused");
    assert!(why.contains(reason), "{why}");
    assert_eq!(left, [""; 0], "{why}");
}

#[cfg(unix)]
#[test]
fn what_has_the_pinned_hash_is_installed() {
    let bytes = release("0.21.14");
    let pinned = archive(Some(hex(&Sha256::digest(&bytes))));
    // The publisher's checksum is not even requested.
    let (result, left) = attempt(Answer::Files(bytes, "nonsense".to_owned()), &pinned);
    assert!(result.is_ok_and(|said| said.contains("that is pinned")));
    assert_eq!(left, ["trunk"]);
}

#[cfg(unix)]
#[test]
fn without_a_pinned_hash_the_publishers_counts_and_that_is_told() {
    let bytes = release("0.21.14");
    let hash = hex(&Sha256::digest(&bytes));
    for text in [format!("{hash}  trunk.tar.gz\n"), hash.to_uppercase()] {
        let (result, left) = attempt(Answer::Files(bytes.clone(), text), &archive(None));
        let said = result.expect("installed");
        assert!(
            said.contains("none is pinned") && said.contains(&hash),
            "{said}"
        );
        assert_eq!(left, ["trunk"]);
    }
    let other = "0".repeat(64);
    refused(
        Answer::Files(bytes.clone(), other),
        &archive(None),
        "and not 000",
    );
    let page = "<html>404</html>".to_owned();
    refused(
        Answer::Files(bytes, page),
        &archive(None),
        "holds no SHA-256",
    );
}

#[test]
fn another_content_than_the_pinned_one_is_refused() {
    let bytes = release("0.21.14");
    let right = hex(&Sha256::digest(&bytes));
    // With a matching checksum: an attacker who changes one file can change the other.
    let changed = release("0.21.14 changed");
    let fits = hex(&Sha256::digest(&changed));
    refused(
        Answer::Files(changed, fits),
        &archive(Some(right)),
        "has the SHA-256",
    );
}

#[test]
fn a_host_that_fails_is_given_up_with_its_reason() {
    let bytes = release("0.21.14");
    let pinned = archive(Some(hex(&Sha256::digest(&bytes))));
    let started = Instant::now();
    refused(Answer::Truncated(bytes), &pinned, "cannot be fetched");
    refused(Answer::NotFound, &pinned, "404");
    refused(Answer::Silent, &pinned, "cannot be fetched");
    refused(Answer::Endless, &pinned, "holds more than 1048576 bytes");
    // With the usual limits the silent host alone would take ten minutes.
    assert!(started.elapsed() < Duration::from_secs(300));
    let gone = TcpListener::bind("127.0.0.1:0")
        .and_then(|it| it.local_addr())
        .expect("a port");
    let why = put(
        &pinned,
        TOOL,
        &format!("http://{gone}"),
        LIMITS,
        Path::new("/nowhere"),
    );
    assert!(why.is_err_and(|why| why.contains("cannot be fetched")));
}

#[cfg(unix)]
#[test]
fn a_program_of_another_version_does_not_stay() {
    let bytes = release("0.20.0");
    let pinned = archive(Some(hex(&Sha256::digest(&bytes))));
    refused(
        Answer::Files(bytes, String::new()),
        &pinned,
        "does not run here as 0.21.14",
    );
}

#[test]
fn the_usual_machines_have_archives_and_hashes_are_hashes() {
    let wasm_bindgen = Tool {
        program: "wasm-bindgen",
        package: "wasm-bindgen-cli",
        version: "0.2.130",
    };
    for triple in [
        "x86_64-unknown-linux-gnu",
        "aarch64-unknown-linux-gnu",
        "x86_64-apple-darwin",
        "aarch64-apple-darwin",
        "x86_64-pc-windows-msvc",
    ] {
        let trunk = Archive::of(TOOL, triple).expect(triple);
        assert!(trunk.pinned.is_some(), "{triple}");
        assert!(Archive::of(wasm_bindgen, triple).is_some(), "{triple}");
    }
    assert_eq!(Archive::of(TOOL, "riscv64gc-unknown-linux-gnu"), None);
    assert!(PINNED.iter().all(|(_, hash)| is_hash(hash)));
    let newer = Tool {
        version: "0.21.15",
        ..TOOL
    };
    let archive = Archive::of(newer, "x86_64-apple-darwin").expect("an archive");
    assert_eq!(archive.pinned, None, "a hash belongs to one version");
}

#[test]
fn a_source_is_encrypted_or_on_this_machine_or_none() {
    let base = |choice| Source::from_choice(choice).map(|source| source.base);
    assert!(base(None).is_ok_and(|base| base.as_deref() == Some(GITHUB)));
    assert!(base(Some("no")).is_ok_and(|base| base.is_none()));
    let mirror = "https://mirror.example.org/github";
    assert!(
        base(Some("https://mirror.example.org/github/"))
            .is_ok_and(|base| base.as_deref() == Some(mirror))
    );
    assert!(base(Some("http://mirror.example.org")).is_err_and(|error| error.exit_code() == 2));
}
