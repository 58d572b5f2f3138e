//! `inf-llava serve` under all at once, on loopback: idle connections, large bodies, streams that nobody hears to the
//! end, slow readers and writers. Some seconds; with SOAK=1 five minutes, over and over. Afterwards the server answers
//! as before, and takes no more than before.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Server, Usage, read};

const COMPLETIONS: &str = "/v1/chat/completions";
const LARGE_BYTES: usize = 180_000_000;
/// What the allocator keeps for later, and the system's own share of a thread.
const ALLOWANCE_MIB: usize = 64;
/// The bodies that are allowed at once, and one that is being read: its text, its values and its picture.
const MOST_MIB: usize = (400 + 3 * 180) * 1_000_000 / (1 << 20) + 1;

struct Load {
    idle: usize,
    bodies: usize,
    streams: usize,
    slow: usize,
    lasts: Duration,
}

fn load() -> Load {
    match std::env::var_os("SOAK").is_some() {
        false => Load {
            idle: 500,
            bodies: 12,
            streams: 60,
            slow: 20,
            lasts: Duration::ZERO,
        },
        true => Load {
            idle: 500,
            bodies: 50,
            streams: 260,
            slow: 60,
            lasts: Duration::from_secs(300),
        },
    }
}

fn ask(max_tokens: usize) -> Value {
    let messages = json!([{"role": "user", "content": "Tell me everything."}]);
    json!({"model": "model", "temperature": 0, "max_tokens": max_tokens, "messages": messages})
}

/// A request of the largest size, with what is no picture.
fn large() -> Vec<u8> {
    let before = br#"{"model": "model", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,"#;
    let after = br#""}}]}]}"#;
    let data = (LARGE_BYTES - before.len() - after.len()) / 4 * 4;
    [before, vec![b'A'; data].as_slice(), after].concat()
}

/// Connections that say nothing, while others are answered.
fn idle(server: &Server, count: usize) {
    let crowd: Vec<TcpStream> = (0..count).map(|_| server.connect()).collect();
    assert_eq!(server.complete(&ask(1)).status, 200);
    drop(crowd);
}

/// Some are read, what the memory has no room for is told to come again, and nobody hears nothing. Gives how many were
/// read.
fn bodies(server: &Server, count: usize, body: &[u8]) -> usize {
    let statuses = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                let answer = server.post(COMPLETIONS, "", body);
                let error = &answer.json()["error"]["code"];
                match answer.status {
                    400 => assert_eq!(error, "image-format"),
                    503 => assert!(answer.headers.contains("retry-after: ") && error == "busy"),
                    other => panic!("{other}: {error}"),
                }
                statuses.lock().unwrap().push(answer.status);
            });
        }
    });
    let statuses = statuses.into_inner().unwrap();
    statuses.iter().filter(|status| **status == 400).count()
}

/// Every second one is heard for a while.
fn streams(server: &Server, count: usize) {
    let mut request = ask(100_000);
    request["stream"] = true.into();
    let request = request.to_string();
    for index in 0..count {
        let mut stream = server.send_post(COMPLETIONS, "", request.as_bytes());
        if index % 2 == 0 {
            // A refusal is shorter.
            let _ = stream.read_exact(&mut [0; 400]);
        }
    }
}

fn slow(server: &Server, count: usize) {
    let mut crowd = Vec::new();
    for index in 0..count {
        crowd.push(match index % 3 {
            0 => server.send("GET /model/README.md", "", b""),
            1 => {
                let headers = "Content-Type: application/json\r\nContent-Length: 1000000\r\n";
                server.send(&format!("POST {COMPLETIONS}"), headers, &[b' '; 5000])
            }
            _ => {
                let mut stream = server.connect();
                stream
                    .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
                    .unwrap();
                stream
            }
        });
    }
    assert_eq!(server.complete(&ask(1)).status, 200);
    // One of each is waited for until the server has had enough of it.
    for mut stream in crowd.drain(..3) {
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

fn largest(one: Usage, other: Usage) -> Usage {
    Usage {
        resident_mib: one.resident_mib.max(other.resident_mib),
        threads: one.threads.max(other.threads),
        descriptors: one.descriptors.max(other.descriptors),
    }
}

#[test]
fn under_load_it_answers_and_afterwards_it_takes_no_more_than_before() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    fs::create_dir_all(&model).unwrap();
    for entry in fs::read_dir(crate::fixture("tiny")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
        }
    }
    let readme = fs::File::create(model.join("README.md")).unwrap();
    readme.set_len(64 << 20).unwrap();
    let server = Server::start(
        &model,
        &["--device", "cpu", "--timeout", "5", "--idle", "60"],
    );
    let (load, body) = (load(), large());
    // The model is loaded, and every kind of request has been there once.
    let expected = server.complete(&ask(5)).json()["choices"][0]["message"].clone();
    assert!(expected["content"].is_string(), "{expected}");
    assert_eq!(bodies(&server, 1, &body), 1);
    streams(&server, 2);
    server.until(|usage| usage.resident_mib < MOST_MIB);
    assert_eq!(server.complete(&ask(1)).status, 200);
    let before = server.usage();

    let (is_over, peak) = (AtomicBool::new(false), Mutex::new(before));
    let begun = Instant::now();
    let mut rounds = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let now = server.usage();
                let mut peak = peak.lock().unwrap();
                *peak = largest(*peak, now);
                drop(peak);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while rounds == 0 || begun.elapsed() < load.lasts {
                idle(&server, load.idle);
                assert!(bodies(&server, load.bodies, &body) > 0);
                streams(&server, load.streams);
                slow(&server, load.slow);
                rounds += 1;
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
    let answer = read(server.send_post(COMPLETIONS, "", ask(5).to_string().as_bytes()));
    assert_eq!(answer.json()["choices"][0]["message"], expected);
    let after = server.until(|now| {
        now.descriptors <= before.descriptors
            && now.threads <= before.threads
            && now.resident_mib <= before.resident_mib + ALLOWANCE_MIB
    });
    let peak = *peak.lock().unwrap();
    println!(
        "{rounds} rounds in {:?}: before {before:?}, at the most {peak:?}, after {after:?}",
        begun.elapsed()
    );
    assert!(
        peak.resident_mib <= before.resident_mib + MOST_MIB,
        "{peak:?}"
    );
}
