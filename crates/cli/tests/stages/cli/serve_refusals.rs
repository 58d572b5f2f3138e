//! `/v1`: what is refused, how it is told, and who may not ask at all. All that the server says stays in the shape that
//! OpenAI's clients read.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::server::{Answer, Server, read};

const COMPLETIONS: &str = "/v1/chat/completions";

fn tiny() -> Server {
    Server::start(&crate::fixture("tiny"), &["--device", "cpu"])
}

fn ask(content: Value) -> Value {
    json!({"model": "tiny", "max_tokens": 1, "messages": [{"role": "user", "content": content}]})
}

fn picture(url: &str) -> Value {
    ask(json!([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": url}}]))
}

/// Asserts the status, the field and the code, and that the message has `says`.
fn refused(answer: &Answer, status: u16, param: Option<&str>, code: &str, says: &str) {
    let error = &answer.json()["error"];
    assert_eq!(answer.status, status, "{error}");
    assert!(answer.headers.contains("content-type: application/json"));
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error["param"].as_str(), param, "{error}");
    assert_eq!(error["code"], code, "{error}");
    assert!(error["message"].as_str().unwrap().contains(says), "{error}");
}

#[test]
fn what_cannot_be_answered_is_refused_by_name() {
    let server = tiny();
    let url = "messages[0].content[1].image_url.url";
    for (request, param, code, says) in [
        (
            picture("https://example.com/a.png"),
            url,
            "unsupported",
            "no picture is fetched",
        ),
        (
            picture("data:image/png;base64,!!!"),
            url,
            "image-format",
            "damaged",
        ),
        (
            picture("data:image/png;base64,AAAA"),
            "messages",
            "image-format",
            "image",
        ),
        (ask(json!(" ")), "messages", "empty-question", "empty"),
        (
            ask(json!("long ".repeat(20_000))),
            "messages",
            "context_length_exceeded",
            "4096",
        ),
    ] {
        refused(&server.complete(&request), 400, Some(param), code, says);
    }
    let mut twice = ask(json!("a"));
    twice["n"] = 2.into();
    refused(
        &server.complete(&twice),
        400,
        Some("n"),
        "unsupported",
        "one answer",
    );
    let mut heat = ask(json!("a"));
    heat["temperature"] = 1000.into();
    refused(
        &server.complete(&heat),
        400,
        Some("temperature"),
        "option",
        "1000",
    );
    let mut other = ask(json!("a"));
    other["model"] = "gpt-4o".into();
    refused(
        &server.complete(&other),
        404,
        Some("model"),
        "model_not_found",
        "\"tiny\" is",
    );
    let mut role = ask(json!("a"));
    role["messages"][0]["role"] = "narrator".into();
    refused(
        &server.complete(&role),
        400,
        Some("messages[0].role"),
        "unsupported",
        "must be",
    );
    let mut stream = picture("data:image/png;base64,AAAA");
    stream["stream"] = true.into();
    refused(
        &server.complete(&stream),
        400,
        Some("messages"),
        "image-format",
        "image",
    );

    let bad = server.post(COMPLETIONS, "", b"{\"model\": ");
    refused(&bad, 400, None, "bad-json", "no JSON");
    refused(
        &server.get("/v1/models/other", ""),
        404,
        Some("model"),
        "model_not_found",
        "other",
    );
    refused(
        &server.get("/v1/embeddings", ""),
        404,
        None,
        "not-found",
        "/v1 has",
    );
    refused(&server.get("/v1", ""), 404, None, "not-found", "/v1 has");
    refused(&server.get(COMPLETIONS, ""), 405, None, "bad-method", "GET");

    // It has survived all that.
    assert_eq!(server.complete(&ask(json!("a"))).status, 200);
    let models = server.get("/v1/models", "").json();
    assert_eq!(
        (&models["object"], &models["data"][0]["id"]),
        (&json!("list"), &json!("tiny"))
    );
    assert_eq!(server.get("/v1/models/tiny", "").json(), models["data"][0]);
}

#[test]
fn pages_of_other_sites_may_not_ask() {
    let server = tiny();
    let (address, body) = (&server.address, ask(json!("a")).to_string());
    let port = address.rsplit(':').next().unwrap();
    let post = |headers: &str| server.post(COMPLETIONS, headers, body.as_bytes());
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost:1",
        "http://127.0.0.1",
    ] {
        let header = format!("Origin: {origin}\r\n");
        let answer = post(&header);
        refused(&answer, 403, None, "foreign-origin", "another site");
        assert!(
            !answer.headers.contains("access-control"),
            "{}",
            answer.headers
        );
        refused(
            &server.get("/v1/models", &header),
            403,
            None,
            "foreign-origin",
            "",
        );
        let asked_for = "Access-Control-Request-Method: POST\r\n";
        let preflight = server.send(
            &format!("OPTIONS {COMPLETIONS}"),
            &format!("{header}{asked_for}"),
            b"",
        );
        refused(&read(preflight), 403, None, "foreign-origin", "");
    }
    for host in ["evil.example", "localhost.evil.example", "192.168.0.1:8080"] {
        let header = format!("Host: {host}\r\nOrigin: http://{host}\r\n");
        refused(&post(&header), 403, None, "foreign-host", "localhost");
    }
    for own in [
        format!("Origin: http://{address}\r\n"),
        format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"),
        format!("Host: [::1]:{port}\r\n"),
    ] {
        let answer = post(&own);
        assert_eq!(answer.status, 200, "{own}");
        assert!(
            !answer.headers.contains("access-control"),
            "{}",
            answer.headers
        );
    }
}

#[test]
fn a_request_that_is_too_large_is_told_so() {
    let server = tiny();
    let body = vec![b' '; 181_000_000];
    let answer = server.post(COMPLETIONS, "", &body);
    refused(&answer, 413, None, "too-large", "180 MB");

    // One that does not say how large it is.
    let mut stream = server.send(
        &format!("POST {COMPLETIONS}"),
        "Transfer-Encoding: chunked\r\n",
        b"",
    );
    write!(stream, "{:x}\r\n", body.len()).unwrap();
    stream.write_all(&body).unwrap();
    stream.write_all(b"\r\n0\r\n\r\n").unwrap();
    refused(&read(stream), 413, None, "too-large", "180 MB");

    // One that says too much is not waited for.
    let stream = server.send(
        &format!("POST {COMPLETIONS}"),
        "Content-Length: 1000000000000\r\n",
        b"",
    );
    refused(&read(stream), 413, None, "too-large", "180 MB");
    assert_eq!(server.complete(&ask(json!("a"))).status, 200);
}

#[test]
fn what_is_typed_wrong_is_said_before_anything_is_served() {
    let model = super::tiny();
    let run = |more: [&str; 2], word: &str| {
        let args = ["serve", &model, "--port", "0", more[0], more[1]];
        super::refused(&args, 2, &[word]);
    };
    run(["--device", "abacus"], "abacus");
    run(["--context", "1000000"], "8192");
}

#[test]
fn a_model_that_cannot_be_loaded_is_told_of_and_the_server_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), "{}").unwrap();
    let server = Server::start(dir.path(), &["--device", "cpu"]);
    let models = server.get("/v1/models", "").json();
    let mut request = ask(json!("a"));
    request["model"] = models["data"][0]["id"].clone();
    for stream in [false, true, false] {
        request["stream"] = stream.into();
        let answer = server.complete(&request);
        // A stream that took long to fail has its head already, and says it in an event.
        let text = String::from_utf8(answer.body.clone()).unwrap();
        let event = text.lines().find_map(|line| line.strip_prefix("data: "));
        let says: serde_json::Value = serde_json::from_str(event.unwrap_or(&text)).unwrap();
        let status = if event.is_some() && stream { 200 } else { 500 };
        let error = &says["error"];
        assert_eq!(
            (answer.status, &error["type"]),
            (status, &json!("server_error")),
            "{error}"
        );
        assert_eq!(error["code"], "config", "{error}");
    }
}

#[test]
fn a_model_that_was_put_right_is_loaded_at_the_next_question() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("tiny");
    std::fs::create_dir(&model).unwrap();
    for entry in std::fs::read_dir(crate::fixture("tiny")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
        }
    }
    let shard = model.join("model-00002-of-00002.safetensors");
    let whole = std::fs::read(&shard).unwrap();
    std::fs::write(&shard, &whole[..whole.len() / 2]).unwrap();
    let server = Server::start(&model, &["--device", "cpu"]);
    let answer = server.complete(&ask(json!("a")));
    assert_eq!(answer.status, 500, "{}", answer.json());
    std::fs::write(&shard, &whole).unwrap();
    assert_eq!(server.complete(&ask(json!("a"))).status, 200);
}

/// Whatever is sent, one answer comes, can be read, and is the last one on its connection.
#[test]
fn what_is_no_request_or_two_at_once_is_refused_and_nothing_is_smuggled() {
    let server = tiny();
    let (own, post) = (
        "Host: localhost\r\n",
        format!("POST {COMPLETIONS} HTTP/1.1\r\n"),
    );
    let get = "GET /v1/models HTTP/1.1\r\n";
    let long = "a".repeat(1_000_000);
    let hidden = format!("{get}{own}\r\n");
    let large = " ".repeat(30_000_000);
    for (request, status) in [
        (format!("{get}{own}X: {long}\r\n\r\n"), 431),
        (format!("{get}{own}{}\r\n", "X: a\r\n".repeat(5000)), 431),
        (format!("GET /{long} HTTP/1.1\r\n{own}\r\n"), 431),
        ("\u{16}\u{3}\u{1} hello\r\n\r\n".to_string(), 400),
        (
            format!("{post}{own}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{hidden}"),
            400,
        ),
        (
            format!("{post}{own}Content-Length: -1\r\n\r\n{hidden}"),
            400,
        ),
        (
            format!(
                "{post}{own}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
            400,
        ),
        (
            format!("{post}{own}Transfer-Encoding: x\r\n\r\n{hidden}"),
            400,
        ),
        (
            format!("{get}{own}Host: evil.example\r\nConnection: close\r\n\r\n"),
            403,
        ),
        (format!("{get}Connection: close\r\n\r\n"), 403),
        // A target with a name of its own counts as the header does.
        (
            format!("GET http://evil.example/v1/models HTTP/1.1\r\n{own}Connection: close\r\n\r\n"),
            403,
        ),
        (
            format!(
                "GET http://localhost@evil.example/ HTTP/1.1\r\n{own}Connection: close\r\n\r\n"
            ),
            403,
        ),
        (
            format!("GET http://localhost:80/v1/models HTTP/1.1\r\n{own}Connection: close\r\n\r\n"),
            200,
        ),
        (
            format!(
                "{post}{own}Content-Encoding: br\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
            ),
            415,
        ),
        (
            format!(
                "{post}{own}Origin: https://evil.example\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{large}",
                large.len()
            ),
            403,
        ),
        (
            format!(
                "POST /v1/nothing HTTP/1.1\r\n{own}Connection: close\r\nContent-Length: {}\r\n\r\n{large}",
                large.len()
            ),
            404,
        ),
    ] {
        let shown: String = request.chars().take(120).collect();
        let mut stream = server.connect();
        // The server may have refused it before all is sent.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).to_string();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shown}: {answer}");
    }
    assert_eq!(server.complete(&ask(json!("a"))).status, 200);
}
