//! How `inf-llava serve` ends: answers first, within a time, and with an exit code; also as the first process of a
//! container, which no signal ends by itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::server::{Server, read};

const COMPLETIONS: &str = "/v1/chat/completions";

fn tiny(more: &[&str]) -> Server {
    Server::start(
        &crate::fixture("tiny"),
        &[&["--device", "cpu"], more].concat(),
    )
}

/// A stream that has begun.
fn speaking(server: &Server, max_tokens: usize) -> TcpStream {
    let mut stream = server.send_post(
        COMPLETIONS,
        "",
        ask(max_tokens, true).to_string().as_bytes(),
    );
    let mut head = [0; 17];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK\r\n");
    stream
}

fn ask(max_tokens: usize, stream: bool) -> Value {
    let messages = json!([{"role": "user", "content": "Tell me everything."}]);
    json!({"model": "tiny", "temperature": 0, "max_tokens": max_tokens, "stream": stream, "messages": messages})
}

fn signal(name: &str, id: u32) {
    let sent = Command::new("kill").args([name, &id.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// The rest of a stream whose first line was read.
fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("0\r\n\r\n"), "not ended properly: {text}");
    text
}

#[test]
fn a_signal_ends_it_and_nobody_who_only_waits_keeps_it() {
    for name in ["-TERM", "-INT"] {
        let mut server = tiny(&["--grace", "3600"]);
        let _nothing = server.connect();
        let mut half = server.connect();
        half.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
        let mut kept = server.connect();
        kept.write_all(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        kept.read_exact(&mut [0; 17]).unwrap();
        assert_eq!(server.get("/v1/models", "").status, 200);
        signal(name, server.id());
        assert_eq!(server.wait().code(), Some(0), "{name}");
    }
}

#[test]
fn as_the_first_process_of_a_container_it_ends_too() {
    let plain = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let as_user = [&plain[..1], &["--user", "--map-root-user"], &plain[1..]].concat();
    let works = |by: &[&str]| {
        let tried = Command::new(by[0]).args(&by[1..]).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    };
    let by = [plain.to_vec(), as_user].into_iter().find(|by| works(by));
    for name in ["-TERM", "-INT"] {
        let args = ["--device", "cpu"];
        let mut server = match &by {
            Some(by) => Server::start_by(by, Path::new("."), &crate::fixture("tiny"), &args),
            // A system that lets nobody make a container: then as any process.
            None => tiny(&[]),
        };
        assert_eq!(server.get("/v1/models", "").status, 200);
        let id = match &by {
            Some(_) => {
                let id = server.id();
                let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
                children.unwrap().trim().parse().unwrap()
            }
            None => server.id(),
        };
        signal(name, id);
        assert_eq!(server.wait().code(), Some(0), "{name}");
    }
}

#[test]
fn answers_come_to_their_end_and_no_new_caller_is_taken() {
    let mut server = tiny(&["--grace", "3600"]);
    let first = speaking(&server, 200);
    let waiting = server.send_post(COMPLETIONS, "", ask(3, false).to_string().as_bytes());
    // Both are here before the signal is.
    assert_eq!(server.get("/v1/models", "").status, 200);
    signal("-TERM", server.id());
    assert!(server.talk_until("SIGTERM"));
    // Whether its connection is refused or reset, or taken by the system and closed: it gets no answer.
    let late = TcpStream::connect(&server.address).and_then(|mut late| {
        write!(
            late,
            "GET /v1/models HTTP/1.1\r\nHost: {}\r\n\r\n",
            server.address
        )?;
        late.read(&mut [0])
    });
    assert!(!matches!(late, Ok(1..)), "{late:?}");
    let text = rest(first);
    assert!(
        text.contains("\"finish_reason\":\"length\"") && text.contains("[DONE]"),
        "{text}"
    );
    assert_eq!(read(waiting).status, 200);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn what_takes_longer_is_broken_off_and_told_so() {
    for (grace, signals) in [("0", 1), ("3600", 2)] {
        let mut server = tiny(&["--grace", grace]);
        let first = speaking(&server, 100_000);
        let waiting = server.send_post(COMPLETIONS, "", ask(3, false).to_string().as_bytes());
        assert_eq!(server.get("/v1/models", "").status, 200);
        signal("-TERM", server.id());
        assert!(server.talk_until("SIGTERM"));
        if signals > 1 {
            signal("-INT", server.id());
        }
        let text = rest(first);
        assert!(
            text.contains("\"code\":\"stopping\"") && !text.contains("[DONE]"),
            "{text}"
        );
        let answer = read(waiting);
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (503, &json!("stopping"))
        );
        assert!(
            answer.headers.contains("retry-after: "),
            "{}",
            answer.headers
        );
        assert_eq!(server.wait().code(), Some(0));
    }
}

/// A small file that takes its decoder as long as one may: a grey progressive JPEG of 64 megapixels, drawn 33 times over.
#[cfg(target_os = "linux")]
fn slow_picture() -> Vec<u8> {
    const SIDE: [u8; 2] = 8000u16.to_be_bytes();
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0]; // one table of 64 quantisers
    bytes.extend([1; 64]);
    bytes.extend([0xFF, 0xC2, 0, 17, 8]);
    bytes.extend([SIDE, SIDE].concat());
    bytes.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    bytes.extend([0xFF, 0xC4, 0, 20, 0, 1]); // the code 0 means that a block is as the one before it
    bytes.extend([0; 16]);
    for _ in 0..33 {
        bytes.extend([0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0]);
        bytes.extend([0; 1000]);
    }
    bytes.extend([0xFF, 0xD9]);
    bytes
}

/// Threads of the server that decode a picture.
#[cfg(target_os = "linux")]
fn decoders(server: &Server) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let names = tasks.flatten();
    let names = names.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.trim() == "picture").count()
}

/// Neither its reader's going away nor the server's end waits for a picture that takes long, and no number of those who
/// send one and go away has more than one decoded.
#[cfg(target_os = "linux")]
#[test]
fn a_picture_that_takes_long_keeps_nobody_waiting_once_its_reader_has_gone() {
    let mut server = tiny(&["--grace", "0"]);
    assert_eq!(
        read(server.send_post(COMPLETIONS, "", ask(1, false).to_string().as_bytes())).status,
        200
    );
    while !server.talk().contains("serving") {}
    let data = STANDARD.encode(slow_picture());
    let url = json!({"url": format!("data:image/jpeg;base64,{data}")});
    let content = json!([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": url}]);
    let mut question = ask(1, false);
    question["messages"][0]["content"] = content;
    let question = question.to_string();
    let send = || server.send_post(COMPLETIONS, "", question.as_bytes());

    let first = send();
    let begun = std::time::Instant::now();
    while decoders(&server) == 0 {
        assert!(begun.elapsed().as_secs() < 60, "the picture is not decoded");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(first);
    assert!(server.talk_until("went away before its answer began"));
    assert_eq!(decoders(&server), 1, "it was heard only after the picture");
    for _ in 0..3 {
        // Who goes away before the question is read leaves no trace, and another one comes.
        let is_told = (0..60).any(|_| {
            let next = send();
            std::thread::sleep(std::time::Duration::from_millis(100));
            assert!(decoders(&server) <= 1);
            drop(next);
            server.talks_of("a client went away", std::time::Duration::from_secs(2))
        });
        assert!(is_told);
    }
    // Who brings no picture waits for none.
    let answer = read(server.send_post(COMPLETIONS, "", ask(1, false).to_string().as_bytes()));
    assert_eq!(answer.status, 200);
    let last = send();
    assert_eq!(server.get("/v1/models", "").status, 200);
    signal("-TERM", server.id());
    assert_eq!(read(last).status, 503);
    assert_eq!(server.wait().code(), Some(0));
}
