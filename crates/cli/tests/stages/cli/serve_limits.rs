//! `inf-llava serve` and those who keep it waiting, come in crowds or send too much: all are told, none of them takes
//! another one's place for long, and the server goes on.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Answer, PATIENCE, Server, read};

const COMPLETIONS: &str = "/v1/chat/completions";
/// More than the system takes in for a reader that does not read.
const LARGE_BYTES: u64 = 64 << 20;

fn tiny(more: &[&str]) -> Server {
    Server::start(
        &crate::fixture("tiny"),
        &[&["--device", "cpu"], more].concat(),
    )
}

fn ask(max_tokens: usize) -> Value {
    json!({"model": "tiny", "max_tokens": max_tokens, "temperature": 0, "messages": [{"role": "user", "content": "a"}]})
}

/// A question whose body has `bytes` at least.
fn long(bytes: usize) -> Vec<u8> {
    let mut ask = ask(1);
    ask["user"] = "u".repeat(bytes).into();
    ask.to_string().into_bytes()
}

/// A model folder with a file that is large and takes no room.
fn with_large_file(folder: &Path) {
    fs::write(folder.join("config.json"), "{}").unwrap();
    let file = fs::File::create(folder.join("model.safetensors")).unwrap();
    file.set_len(LARGE_BYTES).unwrap();
}

fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"].as_str().unwrap().to_string()
}

/// Asks until the answer is no 503, each of which says when to ask again.
fn insist(ask: impl Fn() -> Answer) -> Answer {
    let last = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.status != 503 {
            return answer;
        }
        assert!(
            answer.headers.contains("retry-after: "),
            "{}",
            answer.headers
        );
        assert!(Instant::now() < last, "busy for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Reads to the end, however it comes.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    bytes
}

#[test]
fn whoever_keeps_the_server_waiting_is_told_and_let_go() {
    let server = tiny(&["--timeout", "1", "--idle", "1"]);
    // Nothing at all: nothing to answer either.
    assert_eq!(rest(server.connect()), b"");
    // A head that does not end, in one piece and in drops.
    for drops in [false, true] {
        let mut stream = server.connect();
        stream
            .write_all(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n")
            .unwrap();
        let mut dropping = stream.try_clone().unwrap();
        let dripping = std::thread::spawn(move || {
            while drops && dropping.write_all(b"x: y\r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let answer = read(stream);
        assert_eq!(answer.status, 408, "drops: {drops}");
        assert!(answer.headers.contains("connection: close"));
        dripping.join().unwrap();
    }
    // A body that does not end.
    for drops in [false, true] {
        let headers = "Content-Type: application/json\r\nContent-Length: 100000\r\n";
        let stream = server.send(&format!("POST {COMPLETIONS}"), headers, b"{");
        let mut dropping = stream.try_clone().unwrap();
        let dripping = std::thread::spawn(move || {
            while drops && dropping.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let answer = read(stream);
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (408, "timeout"),
            "drops: {drops}"
        );
        dripping.join().unwrap();
    }
    // Between two requests there is time, but not for ever.
    let mut stream = server.connect();
    for _ in 0..2 {
        let request = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 17];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK\r\n");
        let mut left = [0; 4096];
        while !String::from_utf8_lossy(&left).contains("\"list\"}") {
            assert_ne!(stream.read(&mut left).unwrap(), 0);
        }
    }
    assert_eq!(rest(stream), b"");
    // Who waits for an answer is not late, however long that takes.
    assert_eq!(server.complete(&ask(3000)).status, 200);
}

#[test]
fn whoever_takes_no_answer_loses_it() {
    let dir = tempfile::tempdir().unwrap();
    with_large_file(dir.path());
    let server = Server::start(dir.path(), &["--timeout", "1"]);
    let before = server.usage().descriptors;
    let mut stream = server.send("GET /model/model.safetensors", "", b"");
    stream.read_exact(&mut [0; 100]).unwrap();
    assert!(server.usage().descriptors > before);
    server.until(|usage| usage.descriptors <= before);
    // What the system had taken in is still there; the rest is not.
    let length = rest(stream).len() as u64;
    assert!(length < LARGE_BYTES, "{length}");
    // Who does read gets all.
    let answer = server.get("/model/model.safetensors", "");
    assert_eq!(answer.body.len() as u64, LARGE_BYTES);
}

#[test]
fn where_all_places_are_taken_a_quiet_one_makes_room_and_a_busy_one_does_not() {
    let server = tiny(&["--connections", "4"]);
    let get = || server.get("/v1/models", "");
    let quiet: Vec<TcpStream> = (0..4).map(|_| server.connect()).collect();
    assert_eq!(insist(get).status, 200);
    drop(quiet);
    // These are being answered.
    let headers = "Content-Type: application/json\r\nContent-Length: 1000\r\n";
    let busy = || server.send(&format!("POST {COMPLETIONS}"), headers, b"{");
    let busy: Vec<TcpStream> = (0..4).map(|_| busy()).collect();
    let last = Instant::now() + PATIENCE;
    while get().status != 503 {
        assert!(Instant::now() < last, "five at once");
    }
    // A large request reads its refusal, too.
    let refused = server.post(COMPLETIONS, "", &long(3_000_000));
    assert_eq!(refused.status, 503);
    assert!(
        refused.headers.contains("retry-after: 1"),
        "{}",
        refused.headers
    );
    drop(busy);
    assert_eq!(insist(|| server.complete(&ask(1))).status, 200);
}

#[test]
fn few_descriptors_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    with_large_file(dir.path());
    for count in [64, 512] {
        let server = Server::start_with_descriptors(count, dir.path(), &[]);
        let before = server.usage().descriptors;
        // All at once, and more than there are descriptors.
        let crowd: Vec<TcpStream> = (0..count + 36).map(|_| server.connect()).collect();
        assert_eq!(
            insist(|| server.get("/model/config.json", "")).status,
            200,
            "{count}"
        );
        assert!(server.usage().descriptors <= count);
        drop(crowd);
        // Files that nobody reads.
        let get = || server.send("GET /model/model.safetensors", "", b"");
        let crowd: Vec<TcpStream> = (0..count / 4).map(|_| get()).collect();
        let answer = server.get("/model/config.json", "");
        assert!([200, 503].contains(&answer.status), "{}", answer.status);
        drop(crowd);
        assert_eq!(
            insist(|| server.get("/model/config.json", "")).status,
            200,
            "{count}"
        );
        server.until(|usage| usage.descriptors <= before);
    }
    let model = dir.path().display().to_string();
    let limited = "ulimit -n 50 && exec \"$0\" serve \"$1\" --port 0";
    let output = Command::new("sh")
        .args(["-c", limited, super::PROGRAM, &model])
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(
        output.status.code() == Some(2) && says.contains("ulimit -n"),
        "{says}"
    );
}

/// Others may use up what the whole system has.
#[test]
fn where_no_descriptor_can_be_had_the_server_waits_for_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.json"), "{}").unwrap();
    fs::write(dir.path().join("index.html"), "").unwrap();
    let page = dir.path().display().to_string();
    let server = Server::start(dir.path(), &["--page", &page]);
    assert!(server.talk().contains("serving"));
    let allow = |soft: &str| {
        let id = server.id().to_string();
        let limit = format!("--nofile={soft}:");
        let done = Command::new("prlimit")
            .args(["--pid", &id, &limit])
            .status();
        assert!(done.unwrap().success());
    };
    assert_eq!(server.get("/model/config.json", "").status, 200);
    allow("3");
    let crowd: Vec<TcpStream> = (0..20)
        .map(|_| server.send("GET /model/config.json", "", b""))
        .collect();
    assert!(server.talk_until("cannot be taken"));
    allow("64");
    for stream in crowd {
        assert_eq!(read(stream).status, 200);
    }
}

/// Waits until others hold so much that there is no room for a body of so many bytes. It is only announced: what came
/// of it would take the room that the others are to take.
fn until_refused(server: &Server, bytes: usize) -> Answer {
    let headers = format!("Content-Type: application/json\r\nContent-Length: {bytes}\r\n");
    let last = Instant::now() + PATIENCE;
    loop {
        let announced = server.send(&format!("POST {COMPLETIONS}"), &headers, b"");
        let soon = Some(Duration::from_millis(300));
        announced.set_read_timeout(soon).unwrap();
        if announced.peek(&mut [0]).is_ok() {
            announced.set_read_timeout(Some(PATIENCE)).unwrap();
            let answer = read(announced);
            assert_eq!(answer.status, 503);
            return answer;
        }
        assert!(Instant::now() < last, "there is room for ever");
    }
}

#[test]
fn requests_together_hold_no_more_than_is_allowed() {
    // Longer than a busy machine takes to load the model: the half request must be there all the while.
    let server = tiny(&["--memory", "2", "--timeout", "120"]);
    let headers = "Content-Type: application/json\r\nContent-Length: 1500000\r\n";
    let half = server.send(&format!("POST {COMPLETIONS}"), headers, &long(1_200_000));
    let ask_for = |bytes| server.post(COMPLETIONS, "", &long(bytes));
    let busy = until_refused(&server, 1_000_000);
    assert_eq!(code(&busy), "busy");
    assert!(busy.headers.contains("retry-after: "), "{}", busy.headers);
    // One that does not say how large it is.
    let body = long(1_000_000);
    let mut chunked = server.send(
        &format!("POST {COMPLETIONS}"),
        "Transfer-Encoding: chunked\r\n",
        b"",
    );
    let head = format!("{:x}\r\n", body.len());
    chunked
        .write_all(&[head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat())
        .unwrap();
    assert_eq!(read(chunked).status, 503);
    // Small ones have room.
    assert_eq!(server.complete(&ask(1)).status, 200);
    drop(half);
    assert_eq!(insist(|| ask_for(1_000_000)).status, 200);
    // What would not fit alone is not told to come again.
    assert_eq!(ask_for(2_000_000).status, 413);

    // What waits for its turn holds what it brought, until it goes away.
    let mut speaking = ask(100_000);
    speaking["stream"] = true.into();
    let speak = || server.send_post(COMPLETIONS, "", speaking.to_string().as_bytes());
    let mut speaking: Vec<TcpStream> = (0..8).map(|_| speak()).collect();
    speaking[0].read_exact(&mut [0; 300]).unwrap();
    let waiting = server.send_post(COMPLETIONS, "", &long(1_500_000));
    until_refused(&server, 1_000_000);
    drop(waiting);
    drop(speaking);
    assert_eq!(insist(|| ask_for(1_000_000)).status, 200);
}

/// Who says that much is to come takes no memory by it, even where the system counts what is only reserved.
#[test]
fn announced_bodies_do_not_end_the_server() {
    let limited = "ulimit -v 3000000 && exec \"$0\" \"$@\"";
    let args = ["--device", "cpu"];
    let server = Server::start_by(
        &["sh", "-c", limited],
        Path::new("."),
        &crate::fixture("tiny"),
        &args,
    );
    assert_eq!(server.complete(&ask(1)).status, 200);
    let headers = "Content-Type: application/json\r\nContent-Length: 179999999\r\n";
    let announce = || server.send(&format!("POST {COMPLETIONS}"), headers, b"{");
    let crowd: Vec<TcpStream> = (0..40).map(|_| announce()).collect();
    assert_eq!(insist(|| server.complete(&ask(1))).status, 200);
    drop(crowd);
    assert_eq!(insist(|| server.complete(&ask(1))).status, 200);
}
