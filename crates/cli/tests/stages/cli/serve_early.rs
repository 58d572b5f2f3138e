//! Answers that are known before a request is whole: programs that send all before they read get to read them, on a
//! connection that goes on where it can.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{PATIENCE, Server, read};

const COMPLETIONS: &str = "/v1/chat/completions";
/// More than the systems' buffers on the way hold.
const LARGE_BYTES: usize = 24 << 20;
const MODELS: &str = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// In a folder without a page: where the tests run there may be one in `dist`.
fn tiny(more: &[&str]) -> Server {
    let model = crate::fixture("tiny");
    Server::start_in(&model, &model, &[&["--device", "cpu"], more].concat())
}

/// An answer of stated length, and nothing that comes after it: (status, head in lower case, body).
fn next(stream: &mut TcpStream) -> (u16, String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let count = stream.read(&mut byte).unwrap();
        assert_ne!(
            count,
            0,
            "the end after {:?}",
            String::from_utf8_lossy(&head)
        );
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let lowered = head.to_lowercase();
    let stated = |line: &str| {
        line.strip_prefix("content-length: ")
            .map(|n| n.parse().unwrap())
    };
    let mut body = vec![0; lowered.lines().find_map(stated).unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, lowered, String::from_utf8(body).unwrap())
}

/// Every refusal that needs no body: (what it is, the request's line and headers, status).
fn refusals() -> Vec<(&'static str, String, u16)> {
    let post = |path: &str, headers: &str| {
        let host = if headers.contains("Host:") {
            ""
        } else {
            "Host: localhost\r\n"
        };
        format!("POST {path} HTTP/1.1\r\n{host}{headers}Content-Type: application/json\r\n")
    };
    vec![
        ("a path that is none", post("/v1/nothing", ""), 404),
        ("a path of another API", post("/api/chat", ""), 404),
        (
            "a base address without /v1",
            post("/chat/completions", ""),
            404,
        ),
        ("no page", post("/nothing", ""), 404),
        ("a file that is got", post("/model/config.json", ""), 405),
        ("a method that is none", post("/v1/models", ""), 405),
        (
            "another site",
            post(COMPLETIONS, "Origin: https://evil.example\r\n"),
            403,
        ),
        (
            "another site's page, of a file",
            post("/model/config.json", "Origin: https://evil.example\r\n"),
            403,
        ),
        (
            "another site that asks first",
            post(COMPLETIONS, "Origin: https://evil.example\r\n").replace("POST", "OPTIONS"),
            403,
        ),
        (
            "another name",
            post(COMPLETIONS, "Host: evil.example\r\n"),
            403,
        ),
        (
            "an encoding",
            post(COMPLETIONS, "Content-Encoding: br\r\n"),
            415,
        ),
    ]
}

#[test]
fn every_early_refusal_is_read_by_who_sends_all_first_and_the_connection_goes_on() {
    let server = tiny(&[]);
    let body = vec![b' '; LARGE_BYTES];
    for (what, head, status) in refusals() {
        for is_chunked in [false, true] {
            let mut stream = server.connect();
            let request = match is_chunked {
                false => [
                    format!("{head}Content-Length: {LARGE_BYTES}\r\n\r\n").as_bytes(),
                    &body,
                ]
                .concat(),
                true => {
                    let head =
                        format!("{head}Transfer-Encoding: chunked\r\n\r\n{LARGE_BYTES:x}\r\n");
                    [head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
                }
            };
            stream
                .write_all(&request)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let (found, head, body) = next(&mut stream);
            assert_eq!(found, status, "{what}: {body}");
            assert!(!head.contains("connection: close"), "{what}: {head}");
            stream.write_all(MODELS.as_bytes()).unwrap();
            assert_eq!(next(&mut stream).0, 200, "{what}, then another request");
        }
    }
}

/// What is refused while it is read, or after that.
#[test]
fn a_refusal_in_the_midst_of_a_body_is_read_too() {
    let server = tiny(&["--memory", "2", "--timeout", "120"]);
    for (headers, status) in [
        (format!("Content-Length: {LARGE_BYTES}\r\n"), 413),
        ("Transfer-Encoding: chunked\r\n".to_string(), 413),
    ] {
        let mut stream = server.connect();
        let head = format!("POST {COMPLETIONS} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let body = vec![b' '; LARGE_BYTES];
        let parts = match headers.contains("chunked") {
            true => [
                format!("{head}{LARGE_BYTES:x}\r\n").as_bytes(),
                &body,
                b"\r\n0\r\n\r\n",
            ]
            .concat(),
            false => [head.as_bytes(), &body].concat(),
        };
        stream.write_all(&parts).unwrap();
        assert_eq!(next(&mut stream).0, status);
        stream.write_all(MODELS.as_bytes()).unwrap();
        assert_eq!(next(&mut stream).0, 200);
    }
}

/// Whoever sends nothing more waits for the answer, and what is more than anybody would take in for nothing is not
/// waited for: both are told that their connection ends.
#[test]
fn who_sends_nothing_or_for_ever_is_answered_all_the_same() {
    let server = tiny(&["--timeout", "120"]);
    for (headers, body) in [
        ("Content-Length: 1000000\r\n", &b""[..]),
        ("Content-Length: 1000000\r\n", b"{"),
        ("Content-Length: 1000000000000\r\n", b""),
        ("Transfer-Encoding: chunked\r\n", b"5\r\nabc"),
    ] {
        let mut stream = server.connect();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let head = format!("POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let (status, head, _) = next(&mut stream);
        assert!(
            status == 404 && head.contains("connection: close"),
            "{head}"
        );
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
}

/// A client that asks whether to send (curl, beyond a megabyte) is not made to send what is refused.
#[test]
fn who_asks_first_whether_to_send_is_told_without_sending() {
    let server = tiny(&[]);
    for (what, head, status) in refusals() {
        let mut stream = server.connect();
        let head = format!("{head}Expect: 100-continue\r\nContent-Length: {LARGE_BYTES}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let (found, head, _) = next(&mut stream);
        assert_eq!(found, status, "{what}");
        assert!(head.contains("connection: close"), "{what}: {head}");
    }
    let body =
        json!({"model": "tiny", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]});
    let body = body.to_string();
    let mut stream = server.connect();
    let head = format!(
        "POST {COMPLETIONS} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(next(&mut stream).0, 100);
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(next(&mut stream).0, 200);
}

fn ask(max_tokens: usize, stream: bool) -> Value {
    json!({
        "model": "tiny", "temperature": 0, "max_tokens": max_tokens, "stream": stream,
        "messages": [{"role": "user", "content": "Tell me everything."}],
    })
}

fn begin(server: &Server, request: &Value) -> TcpStream {
    server.send_post(COMPLETIONS, "", request.to_string().as_bytes())
}

/// Reads until `word` has come.
fn until(stream: &mut TcpStream, word: &str) -> String {
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(word) {
        let mut byte = [0];
        assert_ne!(
            stream.read(&mut byte).unwrap(),
            0,
            "{}",
            String::from_utf8_lossy(&text)
        );
        text.extend(byte);
    }
    String::from_utf8(text).unwrap()
}

/// The events of a stream, without comments.
fn events(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .filter(|data| *data != "[DONE]")
        .map(super::json)
        .collect()
}

#[test]
fn a_stream_that_waits_behind_an_answer_has_its_head_at_once_and_says_later_what_failed() {
    let server = tiny(&[]);
    // Random weights go on for thousands of tokens.
    let mut first = begin(&server, &ask(100_000, true));
    until(&mut first, "data: ");
    let mut waiting = begin(&server, &ask(3, true));
    let mut failing = ask(3, true);
    failing["messages"][0]["content"] = "long ".repeat(20_000).into();
    let mut failing = begin(&server, &failing);
    for stream in [&mut waiting, &mut failing] {
        let head = until(stream, ": waiting\n\n").to_lowercase();
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
    }
    // The first one still speaks.
    first.set_nonblocking(true).unwrap();
    assert!(match first.read(&mut [0; 16]) {
        Ok(count) => count > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    });
    // What can be known without the engine has a status of its own.
    let mut wrong = ask(3, true);
    wrong["n"] = 2.into();
    let refused = read(begin(&server, &wrong));
    assert_eq!(
        (refused.status, &refused.json()["error"]["param"]),
        (400, &json!("n"))
    );
    let mut no_picture = ask(3, true);
    no_picture["messages"][0]["content"] = json!([
        {"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
    ]);
    let refused = read(begin(&server, &no_picture));
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (400, &json!("image-format"))
    );
    drop(first);
    let text = until(&mut waiting, "[DONE]");
    let chunks = events(&text);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let last = &chunks.last().unwrap()["choices"][0];
    assert_eq!(last["finish_reason"], "length", "{text}");

    let mut text = String::new();
    failing.read_to_string(&mut text).unwrap();
    let found = events(&text);
    let [event] = &found[..] else {
        panic!("{text}")
    };
    let error = &event["error"];
    assert_eq!(error["code"], "context_length_exceeded", "{text}");
    assert_eq!(error["inf_llava_code"], "context-exceeded", "{text}");
    assert_eq!(error["type"], "invalid_request_error", "{text}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("maximum context length is 4096"),
        "{text}"
    );
    assert!(!text.contains("[DONE]"), "{text}");
}

#[test]
fn a_waiting_stream_whose_reader_goes_away_leaves_its_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("index.html"), "").unwrap();
    let page = dir.path().display().to_string();
    let server = tiny(&["--page", &page]);
    assert!(server.talk().contains("serving"));
    let mut first = begin(&server, &ask(100_000, true));
    until(&mut first, "data: ");
    let mut waiting = begin(&server, &ask(3, true));
    until(&mut waiting, ": waiting");
    drop(waiting);
    let line = server.talk();
    assert!(line.contains("went away before its turn"), "{line}");
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    drop(first);
    assert_eq!(read(begin(&server, &ask(1, false))).status, 200);
}
