//! A hub on this machine, which may be told to answer as a hostile or a broken one does.
#![allow(dead_code, reason = "each program of tests uses a part")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const WEIGHTS: &str = "model.safetensors";
/// A body without an end is given up after so many bytes: a client that takes them all has failed.
const ENDLESS_BYTES: usize = 64 << 20;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub start: Option<u64>,
    pub end: Option<u64>,
    pub token: Option<String>,
}

/// Bytes of a body, and what happens after them.
#[derive(Clone)]
pub enum Body {
    Whole(Vec<u8>),
    /// The connection is closed after so many bytes.
    Cut(Vec<u8>, usize),
    /// Again and again.
    Endless(Vec<u8>),
    /// The first bytes, and then nothing for as long as the client waits.
    Stalled(Vec<u8>),
}

pub struct Reply {
    /// Status line and headers.
    pub head: String,
    pub body: Body,
}

/// A server on a free port.
pub struct Peer {
    pub url: String,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Peer {
    pub fn start(answer: impl Fn(&Asked, &[Asked]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (log.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || {
                    // A client that has gone away is its own affair.
                    let _ = speak(stream, &seen, answer.as_ref());
                });
            }
        });
        Peer { url, log }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }
}

fn speak(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked, &[Asked]) -> Reply,
) -> std::io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut asked = Asked {
        path: request.split(' ').nth(1).unwrap_or_default().to_string(),
        start: None,
        end: None,
        token: None,
    };
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_lowercase().as_str() {
            "authorization" => asked.token = Some(value.to_string()),
            "range" => {
                let (from, to) = value.trim_start_matches("bytes=").split_once('-').unwrap();
                (asked.start, asked.end) = (from.parse().ok(), to.parse().ok());
            }
            _ => {}
        }
    }
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log[..log.len() - 1].to_vec()
    };
    let Reply { head, body } = answer(&asked, &before);
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    match body {
        Body::Whole(bytes) => stream.write_all(&bytes),
        Body::Cut(bytes, length) => stream.write_all(&bytes[..length]),
        Body::Endless(bytes) => {
            let mut sent = 0;
            while sent < ENDLESS_BYTES {
                stream.write_all(&bytes)?;
                sent += bytes.len();
            }
            Ok(())
        }
        Body::Stalled(bytes) => {
            stream.write_all(&bytes)?;
            // Ends when the client hangs up.
            std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
        }
    }
}

/// A repository `owner/name`, whole and honest until something in it is changed.
#[derive(Clone)]
pub struct Repository {
    pub files: BTreeMap<String, Vec<u8>>,
    /// Listed beside the files.
    pub more: Vec<String>,
    /// As the list of files and as the headers tell it.
    pub sha: String,
    pub commit: String,
    /// Of the weights, in quotation marks if it has any.
    pub etag: Option<String>,
    /// Headers of the weights, besides.
    pub headers: String,
    /// Where the weights are instead.
    pub location: Option<String>,
    /// How the weights' body is sent when more than their first byte is asked for.
    pub body: Option<Body>,
    /// The list of files, if it is another.
    pub list: Option<Body>,
    /// What the list says of the model's card.
    pub card: serde_json::Value,
    /// The revision in addresses.
    pub revision: String,
}

impl Repository {
    pub fn honest() -> Self {
        let weights = (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
        let files = [
            (WEIGHTS, weights.collect()),
            ("config.json", b"{}".to_vec()),
            ("README.md", b"---\nlicense: llama3\n---\n".to_vec()),
            ("LICENSE", Vec::new()),
        ];
        Repository {
            files: files.map(|(name, bytes)| (name.to_string(), bytes)).into(),
            more: vec![
                "original/consolidated.00.pth".into(),
                ".gitattributes".into(),
            ],
            sha: COMMIT.into(),
            commit: COMMIT.into(),
            etag: None,
            headers: String::new(),
            location: None,
            body: None,
            list: None,
            card: json!({}),
            revision: "main".into(),
        }
    }

    /// The same at another revision, as addresses have it.
    pub fn at(mut self, revision: &str) -> Self {
        self.revision = revision.into();
        self
    }

    pub fn weights(&self) -> &Vec<u8> {
        &self.files[WEIGHTS]
    }

    /// The hash of the weights, as LFS names them.
    pub fn hash(&self) -> String {
        let hash = Sha256::digest(self.weights());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The weights with their last bytes changed: as long as the true ones.
    pub fn damaged(&self) -> Vec<u8> {
        let mut bytes = self.weights().clone();
        bytes.iter_mut().rev().take(100).for_each(|byte| *byte ^= 1);
        bytes
    }

    pub fn serve(self) -> Peer {
        Peer::start(move |asked, before| self.answer(asked, before))
    }

    pub fn answer(&self, asked: &Asked, _before: &[Asked]) -> Reply {
        let listed = format!("/api/models/owner/name/revision/{}", self.revision);
        if asked.path == listed {
            let names = self.files.keys().chain(&self.more);
            let siblings: Vec<_> = names.map(|name| json!({"rfilename": name})).collect();
            let list = json!({"sha": self.sha, "siblings": siblings, "cardData": self.card})
                .to_string()
                .into_bytes();
            let body = self.list.clone().unwrap_or(Body::Whole(list));
            let length = match &body {
                Body::Whole(bytes) | Body::Cut(bytes, _) => {
                    format!("\r\nContent-Length: {}", bytes.len())
                }
                Body::Endless(_) | Body::Stalled(_) => String::new(),
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json{length}");
            return Reply { head, body };
        }
        let name = asked
            .path
            .strip_prefix(&format!("/owner/name/resolve/{}/", self.revision))
            .unwrap_or_default();
        let Some(bytes) = self.files.get(name) else {
            let head = "HTTP/1.1 404 Not Found\r\nContent-Length: 0".into();
            return Reply {
                head,
                body: Body::Whole(Vec::new()),
            };
        };
        let is_weights = name == WEIGHTS;
        let own = format!("\"{}\"", git_hash(bytes));
        let etag = self.etag.clone().filter(|_| is_weights).unwrap_or(own);
        let more = if is_weights {
            self.headers.as_str()
        } else {
            ""
        };
        let common = format!("\r\nETag: {etag}\r\nX-Repo-Commit: {}{more}", self.commit);
        if let Some(location) = self.location.as_ref().filter(|_| is_weights) {
            let head =
                format!("HTTP/1.1 302 Found{common}\r\nLocation: {location}\r\nContent-Length: 0");
            return Reply {
                head,
                body: Body::Whole(Vec::new()),
            };
        }
        let (mut head, part) = part(bytes, asked);
        let is_whole = asked.end.is_none();
        let body = self.body.clone().filter(|_| is_weights && is_whole);
        if let Some(Body::Endless(_)) = &body {
            // Nothing says where it ends.
            let length = format!("\r\nContent-Length: {}", part.len());
            head = head.replace(&length, "");
        }
        Reply {
            head: head + &common,
            body: body.unwrap_or(Body::Whole(part)),
        }
    }
}

/// By which git, and an honest hub, names a file's content.
pub fn git_hash(bytes: &[u8]) -> String {
    let hash = Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes);
    let hash = hash.finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The part of `bytes` that is asked for, as an honest server gives it.
pub fn part(bytes: &[u8], asked: &Asked) -> (String, Vec<u8>) {
    let Some(start) = asked.start else {
        return (
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}", bytes.len()),
            bytes.to_vec(),
        );
    };
    let start = start as usize;
    if start >= bytes.len() {
        let head = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0";
        return (head.into(), Vec::new());
    }
    let end = asked
        .end
        .map_or(bytes.len(), |end| bytes.len().min(end as usize + 1));
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}",
        end - start,
        end - 1,
        bytes.len()
    );
    (head, bytes[start..end].to_vec())
}

/// A hub that must be refused, and what the refusal must name.
pub struct Hostile {
    pub name: &'static str,
    pub repository: Repository,
    pub words: Vec<&'static str>,
}

/// All that are refused at their first answers, without waiting for anything.
pub fn hostile() -> Vec<Hostile> {
    let mut all = Vec::new();
    let mut add = |name, words: &[&'static str], change: &dyn Fn(&mut Repository)| {
        let mut repository = Repository::honest();
        change(&mut repository);
        let words = words.to_vec();
        all.push(Hostile {
            name,
            repository,
            words,
        });
    };
    let huge = "e".repeat(50_000);
    let names: [(&'static str, &str); 9] = [
        ("leads out of the cache", "../../x"),
        (
            "leads out of the cache, with a slash at its end",
            "../../../x/",
        ),
        ("is absolute", "/tmp/inf-llava-hostile"),
        ("is empty", ""),
        ("is huge", &huge),
        ("has a slash", "a/b"),
        ("is a folder's name", ".."),
        ("hides", ".x"),
        ("turns the text", "a\u{202e}b"),
    ];
    for (name, value) in names {
        let quoted = format!("\"{value}\"");
        add(name, &["ETag"], &|repository| {
            repository.etag = Some(quoted.clone())
        });
        add(name, &["X-Linked-Etag"], &|repository| {
            repository.headers = format!("\r\nX-Linked-Etag: {quoted}");
        });
        add(name, &["X-Repo-Commit"], &|repository| {
            repository.commit = value.into()
        });
        add(name, &["sha"], &|repository| repository.sha = value.into());
    }
    // In JSON a name may hold what no header can.
    for value in ["a\0b", "a\nb", "a\u{1b}[2Jb", "\u{9b}2J"] {
        add("a control character in the list", &["sha"], &|repository| {
            repository.sha = value.into()
        });
        add(
            "a control character in a file's name",
            &["file"],
            &|repository| repository.more.push(value.into()),
        );
    }
    add("an escape in a header", &[WEIGHTS], &|repository| {
        repository.etag = Some("a\u{1b}[2Jb".into())
    });
    add("NUL in a header", &[WEIGHTS], &|repository| {
        repository.etag = Some("a\0b".into())
    });
    add(
        "a header folded over two lines",
        &[WEIGHTS],
        &|repository| repository.etag = Some("a\r\n b".into()),
    );
    for value in ["../x.safetensors", "a/../../x", "/etc/passwd", "..\\x", ""] {
        add("a listed file leads out", &["file"], &|repository| {
            repository.more.push(value.into())
        });
    }
    add(
        "another commit",
        &["X-Repo-Commit", "abc123"],
        &|repository| repository.commit = "abc123".into(),
    );
    let no_sha = "0".repeat(64);
    add(
        "the content has another hash",
        &["SHA-256", WEIGHTS],
        &|repository| {
            let (size, hash) = (repository.weights().len(), &no_sha);
            repository.headers = format!("\r\nX-Linked-Size: {size}\r\nX-Linked-Etag: \"{hash}\"");
        },
    );
    let honest = Repository::honest();
    for (kind, hash) in [
        ("git SHA-1", git_hash(honest.weights())),
        ("SHA-256", honest.hash()),
        ("SHA-256", honest.hash().to_uppercase()),
    ] {
        add("a damaged content", &[kind, WEIGHTS], &|repository| {
            repository.etag = Some(format!("\"{hash}\""));
            repository.body = Some(Body::Whole(repository.damaged()));
        });
    }
    for value in ["gzip", "x-unknown", "identity, br"] {
        add("a packed content", &["Content-Encoding"], &|repository| {
            repository.headers = format!("\r\nContent-Encoding: {value}");
        });
    }
    add(
        "a size that is no number",
        &["X-Linked-Size"],
        &|repository| {
            repository.headers = "\r\nX-Linked-Size: -1".into();
        },
    );
    add(
        "a size of petabytes",
        &["size", "1000000000000000"],
        &|repository| {
            repository.headers = "\r\nX-Linked-Size: 1000000000000000".into();
        },
    );
    add(
        "a configuration of 4 MB",
        &["size", "config.json"],
        &|repository| {
            repository
                .files
                .insert("config.json".into(), vec![b' '; 4_000_000]);
        },
    );
    add("more than was promised", &[WEIGHTS], &|repository| {
        repository.headers = "\r\nX-Linked-Size: 1000".into();
    });
    add("a body without an end", &["body", WEIGHTS], &|repository| {
        repository.body = Some(Body::Endless(vec![0; 1 << 16]));
    });
    add(
        "a body without an end, of a large file",
        &["body", WEIGHTS],
        &|repository| {
            repository.body = Some(Body::Endless(vec![0; 1 << 16]));
            repository.headers = "\r\nX-Linked-Size: 1000".into();
        },
    );
    add("a list without an end", &["list"], &|repository| {
        repository.list = Some(Body::Endless(b"[\"padding\"],".repeat(4096)));
    });
    add("no list", &["list"], &|repository| {
        repository.list = Some(Body::Whole(b"<html>\x1b]0;login\x07</html>".to_vec()));
    });
    add("a deep list", &["list"], &|repository| {
        repository.list = Some(Body::Whole(vec![b'['; 1 << 20]))
    });
    for location in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "//127.0.0.1:1/x",
        "x",
        "http://u:p@127.0.0.1:1/x",
    ] {
        add(
            "a redirect to what is not asked",
            &["redirect"],
            &|repository| {
                repository.location = Some(location.into());
            },
        );
    }
    let circle = format!("/owner/name/resolve/main/{WEIGHTS}");
    add("redirects in a circle", &["redirects"], &|repository| {
        repository.location = Some(circle.clone())
    });
    all
}
