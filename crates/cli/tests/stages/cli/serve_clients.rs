//! `/v1` as other people's programs ask it: by addresses, headers and encodings of their own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use super::server::{Answer, PATIENCE, Server, read};

const COMPLETIONS: &str = "/v1/chat/completions";

/// In a folder without a page: where the tests run there may be one in `dist`.
fn tiny(more: &[&str]) -> Server {
    let model = crate::fixture("tiny");
    Server::start_in(&model, &model, &[&["--device", "cpu"], more].concat())
}

fn ask() -> Value {
    json!({"model": "tiny", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]})
}

fn error(answer: &Answer) -> Value {
    answer.json()["error"].clone()
}

/// What `request` says word for word is answered with.
fn raw(server: &Server, request: &str) -> Answer {
    let mut stream = server.connect();
    stream.write_all(request.as_bytes()).unwrap();
    read(stream)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn requests_are_refused_by_name_as_the_table_of_cases_says() {
    let server = tiny(&[]);
    let table = include_str!("../../../../../tests/cases/completions.json");
    let table = super::json(table);
    let mut refused = 0;
    for case in table.as_array().unwrap().iter().skip(1) {
        let Some(wanted) = case.get("refused") else {
            continue;
        };
        let mut request = ask();
        request.as_object_mut().unwrap().remove("max_tokens");
        let more = case["request"].as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(more);
        // Where one picture is in the place of another it makes no difference to what is refused.
        let url = table[0]["pictures"]["one"].as_str().unwrap();
        let request = request
            .to_string()
            .replace("picture:one", url)
            .replace("picture:two", url);
        let answer = server.post(COMPLETIONS, "", request.as_bytes());
        let error = error(&answer);
        assert_eq!(answer.status, 400, "{}: {error}", case["name"]);
        assert_eq!(
            error["inf_llava_code"], wanted["code"],
            "{}: {error}",
            case["name"]
        );
        assert_eq!(error["param"], wanted["param"], "{}: {error}", case["name"]);
        refused += 1;
    }
    assert!(refused > 150, "{refused}");
}

#[test]
fn packed_bodies_are_unpacked_and_what_is_not_is_named() {
    let server = tiny(&[]);
    let body = ask().to_string().into_bytes();
    let large = {
        let mut ask = ask();
        ask["user"] = "u".repeat(3_000_000).into();
        ask.to_string().into_bytes()
    };
    let post = |encoding: &str, body: &[u8]| {
        server.post(
            COMPLETIONS,
            &format!("Content-Encoding: {encoding}\r\n"),
            body,
        )
    };
    for (encoding, packed) in [
        ("gzip", gzip(&body)),
        ("x-gzip", gzip(&body)),
        ("GZIP", gzip(&large)),
        ("deflate", zlib(&body)),
        ("deflate", deflate(&body)),
        ("deflate, gzip", gzip(&zlib(&body))),
        ("identity", body.clone()),
        ("gzip, identity", gzip(&body)),
    ] {
        let answer = post(encoding, &packed);
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.json());
    }
    for (encoding, packed, status, says) in [
        ("br", body.clone(), 415, "\"br\""),
        ("zstd", body.clone(), 415, "\"zstd\""),
        ("gzip, br", gzip(&body), 415, "\"br\""),
        ("gzip", body.clone(), 400, "not packed as"),
        ("deflate", gzip(&body), 400, "not packed as"),
        ("gzip", gzip(&body)[..20].to_vec(), 400, "not packed as"),
        ("gzip", gzip(b"{"), 400, "no JSON"),
        // A kilobyte for each megabyte.
        ("gzip", gzip(&vec![b' '; 181_000_000]), 413, "180 MB"),
        ("deflate", deflate(&vec![b' '; 181_000_000]), 413, "180 MB"),
        (
            "gzip, gzip",
            gzip(&gzip(&vec![b' '; 181_000_000])),
            413,
            "180 MB",
        ),
    ] {
        let answer = post(encoding, &packed);
        let error = error(&answer);
        assert_eq!(answer.status, status, "{encoding}: {error}");
        assert!(
            error["message"].as_str().unwrap().contains(says),
            "{encoding}: {error}"
        );
        let is_told = answer.headers.contains("accept-encoding: gzip, deflate");
        assert_eq!(is_told, status == 415, "{}", answer.headers);
    }
    assert_eq!(server.complete(&ask()).status, 200);
}

#[test]
fn json_is_read_whatever_it_is_called() {
    let server = tiny(&[]);
    let mut letters = ask();
    letters["messages"][0]["content"] = "Wie viele K\u{e4}fer?".into();
    let body = letters.to_string();
    let post = |kind: &str, body: &[u8]| {
        let head = match kind {
            "" => String::new(),
            kind => format!("Content-Type: {kind}\r\n"),
        };
        let length = format!("Content-Length: {}\r\n", body.len());
        read(server.send(&format!("POST {COMPLETIONS}"), &(head + &length), body))
    };
    for kind in [
        "",
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "text/plain;charset=UTF-8",
        "text/json",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "nonsense",
    ] {
        let answer = post(kind, body.as_bytes());
        assert_eq!(answer.status, 200, "{kind}: {}", answer.json());
    }
    let marked = [b"\xef\xbb\xbf", body.as_bytes()].concat();
    assert_eq!(post("application/json", &marked).status, 200);
    let latin = body.replace('\u{e4}', "?").into_bytes();
    let latin: Vec<u8> = latin
        .iter()
        .map(|byte| if *byte == b'?' { 0xe4 } else { *byte })
        .collect();
    let wide: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (kind, body, status, says) in [
        (
            "application/json; charset=iso-8859-1",
            body.as_bytes(),
            415,
            "iso-8859-1",
        ),
        ("application/json", &latin, 400, "UTF-8"),
        ("application/json; charset=utf-16", &wide, 415, "utf-16"),
        ("application/json", &wide, 400, "no JSON"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\n",
            400,
            "multipart/form-data",
        ),
        (
            "application/x-www-form-urlencoded",
            b"model=tiny",
            400,
            "x-www-form-urlencoded",
        ),
    ] {
        let answer = post(kind, body);
        let error = error(&answer);
        assert_eq!(answer.status, status, "{kind}: {error}");
        assert!(
            error["message"].as_str().unwrap().contains(says),
            "{kind}: {error}"
        );
    }
}

#[test]
fn both_addresses_of_localhost_are_listened_on() {
    let server = tiny(&[]);
    let port = server.address.rsplit(':').next().unwrap();
    let six = format!("[::1]:{port}");
    // Where the system has no such address, nobody can have it.
    if let Err(error) = TcpListener::bind("[::1]:0") {
        assert!(TcpStream::connect(&six).is_err(), "{error}");
        return;
    }
    for host in [
        six.as_str(),
        "[::1]",
        &format!("[0:0:0:0:0:0:0:1]:{port}"),
        "localhost",
    ] {
        let mut stream = TcpStream::connect(&six).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        write!(stream, "{head}Origin: http://{host}\r\n\r\n").unwrap();
        assert_eq!(read(stream).status, 200, "{host}");
    }
}

#[test]
fn an_address_that_is_put_together_otherwise_is_answered_or_told_how_it_is_put() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("index.html"), "page").unwrap();
    let page = dir.path().display().to_string();
    for more in [&[][..], &["--page", &page]] {
        let server = tiny(more);
        let body = ask().to_string();
        for path in [
            "/v1/chat/completions",
            "/v1//chat/completions",
            "//v1/chat/completions",
            "/v1/chat/completions/",
            "/v1/chat/completions?api-version=1",
            "/v1/chat/completions/?a=//",
        ] {
            assert_eq!(server.post(path, "", body.as_bytes()).status, 200, "{path}");
        }
        for path in [
            "/v1/models/",
            "/v1//models",
            "/v1/models/tiny/",
            "/v1/models/%74iny",
        ] {
            assert_eq!(server.get(path, "").status, 200, "{path}");
        }
        let base = format!("http://{}/v1", server.address);
        for path in [
            "/chat/completions",
            "/completions",
            "/models",
            "/models/tiny",
            "/embeddings",
            "/responses",
            "/V1/chat/completions",
            "/v1/v1/chat/completions",
            "/api/generate",
            "/api/chat",
            "/api/tags",
            "/api/v1/chat/completions",
            "/openai/deployments/tiny/chat/completions",
            "/openai/v1/chat/completions",
            "/proxy/chat/completions",
            "/completion",
            "/v2/chat/completions",
            "//chat//completions/",
        ] {
            for answer in [server.get(path, ""), server.post(path, "", body.as_bytes())] {
                assert_eq!(answer.status, 404, "{path}");
                let error = error(&answer);
                assert_eq!(error["code"], "not-found", "{path}");
                let message = error["message"].as_str().unwrap();
                assert!(message.contains(&base), "{path}: {message}");
            }
        }
        for path in [
            "/v1",
            "/v1/",
            "/v1/completions",
            "/v1/embeddings",
            "/v1/responses",
            "/v1/messages",
        ] {
            let answer = server.post(path, "", body.as_bytes());
            let message = error(&answer)["message"].to_string();
            assert!(
                answer.status == 404 && message.contains("/v1 has"),
                "{path}: {message}"
            );
        }
        // Any other path is the page's, or nobody's.
        let nothing = server.get("/nothing", "");
        assert_eq!(nothing.status, 404);
        let says = String::from_utf8(nothing.body).unwrap();
        assert_eq!(says.contains(&base), more.is_empty(), "{says}");
    }
}

#[test]
fn an_apps_page_is_told_how_to_be_let_in_and_then_it_is() {
    let apps = [
        "app://obsidian.md",
        "tauri://localhost",
        "vscode-webview://0a1b2c3d",
        "capacitor://localhost",
        "chrome-extension://abcdefghijklmnop",
        "file://",
        "http://localhost:5173",
        "https://tauri.localhost",
    ];
    let stranger = tiny(&[]);
    let mut allowed = Vec::new();
    for origin in apps {
        let answer = stranger.post(COMPLETIONS, &format!("Origin: {origin}\r\n"), b"{}");
        let error = error(&answer);
        assert_eq!(answer.status, 403, "{origin}");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("--allow-origin '{origin}'")),
            "{message}"
        );
        allowed.extend(["--allow-origin", origin]);
    }
    let site = stranger.get("/model/config.json", "Origin: https://example.com\r\n");
    let message = error(&site)["message"].to_string();
    assert!(
        message.contains("--allow-origin 'https://example.com'"),
        "{message}"
    );

    // A site of the web and who hides where he comes from get no answers, named or not.
    let others = ["https://example.com", "null"];
    for other in others {
        allowed.extend(["--allow-origin", other]);
    }
    let server = tiny(&allowed);
    let body = ask().to_string();
    for origin in apps {
        let header = format!("Origin: {origin}\r\n");
        let asks = format!(
            "{header}Access-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: authorization,content-type,x-stainless-lang\r\n\
             Access-Control-Request-Private-Network: true\r\n"
        );
        let preflight = read(server.send(&format!("OPTIONS {COMPLETIONS}"), &asks, b""));
        assert_eq!(preflight.status, 200, "{origin}");
        for header in [
            &format!("access-control-allow-origin: {origin}"),
            "access-control-allow-headers: authorization,content-type,x-stainless-lang",
            "access-control-allow-private-network: true",
        ] {
            assert!(
                preflight.headers.contains(header),
                "{header}: {}",
                preflight.headers
            );
        }
        assert!(
            preflight
                .headers
                .contains("access-control-allow-methods: get,post")
        );
        // What is refused can be read, too.
        for (body, status) in [(body.as_str(), 200), ("{", 400)] {
            let answer = server.post(COMPLETIONS, &header, body.as_bytes());
            assert_eq!(answer.status, status, "{origin}");
            let header = format!("access-control-allow-origin: {origin}");
            assert!(answer.headers.contains(&header), "{}", answer.headers);
        }
    }
    for origin in others
        .into_iter()
        .chain(["app://other.app", "http://localhost:5174"])
    {
        let answer = server.post(
            COMPLETIONS,
            &format!("Origin: {origin}\r\n"),
            body.as_bytes(),
        );
        assert_eq!(error(&answer)["code"], "foreign-origin", "{origin}");
        assert!(
            !answer.headers.contains("access-control-allow-origin"),
            "{origin}"
        );
    }
    let any = tiny(&["--allow-origin", "*"]);
    let answer = any.post(
        COMPLETIONS,
        "Origin: app://obsidian.md\r\n",
        body.as_bytes(),
    );
    assert_eq!(answer.status, 403);
}

#[test]
fn older_and_other_ways_of_http_are_answered() {
    let server = tiny(&[]);
    let (address, body) = (&server.address, ask().to_string());
    let length = body.len();
    let close = "Connection: close\r\n";
    for (request, status) in [
        (
            "GET /v1/models HTTP/1.0\r\nHost: localhost\r\n\r\n".to_string(),
            200,
        ),
        (
            format!(
                "POST {COMPLETIONS} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
            200,
        ),
        (
            format!("GET http://{address}/v1/models HTTP/1.1\r\nHost: {address}\r\n{close}\r\n"),
            200,
        ),
        (
            format!("GET http://{address}//v1//models/ HTTP/1.1\r\nHost: {address}\r\n{close}\r\n"),
            200,
        ),
        (
            format!(
                "POST http://{address}{COMPLETIONS} HTTP/1.1\r\nHost: {address}\r\n{close}Content-Length: {length}\r\n\r\n{body}"
            ),
            200,
        ),
        (
            format!("OPTIONS {COMPLETIONS} HTTP/1.1\r\nHost: {address}\r\n{close}\r\n"),
            405,
        ),
        (
            format!(
                "PUT {COMPLETIONS} HTTP/1.1\r\nHost: {address}\r\n{close}Content-Length: 0\r\n\r\n"
            ),
            405,
        ),
    ] {
        let answer = raw(&server, &request);
        assert_eq!(answer.status, status, "{request}");
        if status == 405 {
            assert!(answer.headers.contains("allow: post"), "{}", answer.headers);
        }
    }
    // A stream for who knows no chunks ends with the connection.
    let mut request = ask();
    request["stream"] = true.into();
    let request = request.to_string();
    let answer = raw(
        &server,
        &format!(
            "POST {COMPLETIONS} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{request}",
            request.len()
        ),
    );
    assert!(!answer.headers.contains("chunked"), "{}", answer.headers);
    assert!(
        String::from_utf8(answer.body)
            .unwrap()
            .ends_with("data: [DONE]\n\n")
    );
    // A head has all but the body.
    let (got, head) = (
        server.get("/v1/models", ""),
        read(server.send("HEAD /v1/models", "", b"")),
    );
    assert_eq!((head.status, head.body.len()), (200, 0));
    let stated = format!("content-length: {}", got.body.len());
    assert!(
        got.headers.contains(&stated) && head.headers.contains(&stated),
        "{}",
        head.headers
    );
    // A body in chunks with words behind them, which are passed over.
    let mut stream = server.send(
        &format!("POST {COMPLETIONS}"),
        "Transfer-Encoding: chunked\r\nTrailer: x\r\n",
        b"",
    );
    let (one, two) = body.split_at(10);
    write!(
        stream,
        "{:x};a=b\r\n{one}\r\n{:X}\r\n{two}\r\n0\r\nx: y\r\n\r\n",
        one.len(),
        two.len()
    )
    .unwrap();
    assert_eq!(read(stream).status, 200);
    // One request behind the other on the same connection, sent at once.
    let mut stream = server.connect();
    let get = format!("GET /v1/models HTTP/1.1\r\nHost: {address}\r\n");
    stream
        .write_all(format!("{get}\r\n{get}{close}\r\n").as_bytes())
        .unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
}
