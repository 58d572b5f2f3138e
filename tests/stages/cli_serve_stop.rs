//! How `inf-llava serve` ends: answers first, within a time, and with an exit code; also as the first process of a
//! container, which no signal ends by itself.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

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
    let refused = TcpStream::connect(&server.address).map(|mut late| late.read(&mut [0]));
    assert!(
        matches!(&refused, Err(error) if error.kind() == ErrorKind::ConnectionRefused)
            || refused.is_ok()
    );
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
