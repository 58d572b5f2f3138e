//! Nothing that depends on picture, question or answer leaves the process: every call that reaches a network or makes
//! a file is recorded by strace, from the start to the second answer, and held against short lists.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use super::{PROGRAM, image, json as parsed, stdout, text, tiny};

/// All calls by which something is connected, or a file comes, changes its name or goes.
const CALLS: &str = "trace=network,open,openat,openat2,creat,truncate,rename,renameat,renameat2,link,linkat,\
                     symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,mknod,mknodat";
const WHAT_TO_DO: &str = "`cargo xtask setup --test` installs strace, which needs the right to trace its own \
                          children (in a container: --cap-add=SYS_PTRACE)";

/// A traced run: where its caches are, and its trace.
struct Traced {
    home: PathBuf,
    trace: PathBuf,
}

impl Traced {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-a", "1", "-s", "4096", "-e", CALLS, "-o"])
            .arg(&self.trace);
        command.arg(PROGRAM).args(args);
        for variable in [
            "INF_LLAVA_MODEL",
            "XDG_RUNTIME_DIR",
            "MESA_SHADER_CACHE_DIR",
            "WAYLAND_DISPLAY",
            "DISPLAY",
        ] {
            command.env_remove(variable);
        }
        command
            .env("HOME", &self.home)
            .env("XDG_CACHE_HOME", self.home.join("cache"))
            .current_dir(&self.home);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A conversation of two questions.
    fn chat(&self, model: &str, device: &str, picture: &str, questions: &str) -> String {
        let args = [
            "chat",
            "--model",
            model,
            "--device",
            device,
            "--image",
            picture,
            "--max-new-tokens",
            "4",
        ];
        let child = self.command(&args).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("strace: {error}; {WHAT_TO_DO}"));
        // A program that ended early has said why.
        let _ = child.stdin.take().unwrap().write_all(questions.as_bytes());
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}; {WHAT_TO_DO}",
            text(&output.stderr)
        );
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.lines().count() >= 2, "two answers: {said}");
        said
    }

    /// What was done, a call a line; those that failed changed nothing, but what was to be connected is kept.
    fn calls(&self) -> Vec<String> {
        let trace = std::fs::read_to_string(&self.trace)
            .unwrap_or_else(|error| panic!("{error}; {WHAT_TO_DO}"));
        let calls = trace
            .lines()
            .filter_map(|line| line.split_once(char::is_whitespace));
        let calls: Vec<String> = calls.map(|(_, call)| call.trim().to_string()).collect();
        assert!(
            calls.iter().any(|call| call.starts_with("openat(")),
            "nothing was recorded; {WHAT_TO_DO}"
        );
        calls
    }

    /// Calls that reach for a network: all but those of local sockets. What is sent without an address goes to whom
    /// its socket was connected to.
    fn network(&self) -> Vec<String> {
        let names = [
            "socket(",
            "socketpair(",
            "connect(",
            "bind(",
            "accept",
            "listen(",
        ];
        let sends = ["sendto(", "sendmsg(", "sendmmsg("];
        let begins = |call: &str, names: &[&str]| names.iter().any(|name| call.starts_with(name));
        let mut calls = self.calls();
        calls.retain(|call| {
            let is_local = call.contains("AF_UNIX");
            let is_addressed = begins(call, &sends) && call.contains("AF_");
            !is_local && (is_addressed || begins(call, &names))
        });
        calls
    }

    /// What was made, changed or removed, by its path from the run's home where it lies there.
    fn changed(&self) -> Vec<String> {
        let reads = |call: &String| {
            let is_open = call.starts_with("open");
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"];
            is_open && !writes.iter().any(|flag| call.contains(flag))
        };
        let names = [
            "open",
            "creat(",
            "truncate(",
            "rename",
            "link",
            "symlink",
            "unlink",
            "mkdir",
            "rmdir(",
            "mknod",
        ];
        let mut calls = self.calls();
        calls.retain(|call| {
            names.iter().any(|name| call.starts_with(name))
                && !reads(call)
                && !call.contains(") = -1 ")
        });
        let paths = calls.iter().flat_map(|call| {
            let quoted: Vec<&str> = call.split('"').skip(1).step_by(2).collect();
            assert!(!quoted.is_empty(), "{call}");
            quoted.into_iter().map(String::from).collect::<Vec<_>>()
        });
        let home = format!("{}/", self.home.display());
        let mut paths: Vec<String> = paths
            .map(|path| path.strip_prefix(&home).unwrap_or(&path).to_string())
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

fn traced(home: &Path, name: &str) -> Traced {
    Traced {
        home: home.into(),
        trace: home.join(name),
    }
}

/// What drivers open for writing, and nobody finds again.
fn is_driver(path: &str) -> bool {
    // Devices: graphics, its memory, what threads share.
    path.starts_with("/dev/") || path.starts_with("/memfd:") || path.starts_with("/proc/self/")
}

/// The recorder sees what does reach a network and a disk, else the other tests would hold whatever is done.
#[test]
fn a_download_is_seen() {
    let home = tempfile::tempdir().unwrap();
    let hub = crate::hub_peer::Repository::honest().serve();
    let run = traced(home.path(), "trace");
    let mut command = run.command(&["convert", "owner/name", "to"]);
    command
        .env("HF_ENDPOINT", &hub.url)
        .env("HF_HOME", home.path());
    // What is downloaded is no model, which is found out when it is there.
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("strace: {error}; {WHAT_TO_DO}"));
    assert!(!output.status.success());
    let connected = run.network();
    assert!(
        connected
            .iter()
            .any(|call| call.starts_with("connect(") && call.contains("127.0.0.1")),
        "{connected:?}"
    );
    let written = run.changed();
    assert!(
        written
            .iter()
            .any(|path| path.starts_with("hub/models--owner--name/blobs/")),
        "{written:?}"
    );
}

/// On the CPU nothing is connected and nothing is written, from a checkpoint and from a converted model.
#[test]
fn a_conversation_on_the_cpu_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let small = home.path().join("small").display().to_string();
    stdout(&["convert", &tiny(), &small, "--quant", "q8"]);
    for (index, model) in [tiny(), small].iter().enumerate() {
        let run = traced(home.path(), &format!("trace-{index}"));
        run.chat(model, "cpu", &image(1), "How many are red?\nAnd why?\n");
        assert_eq!(run.network(), Vec::<String>::new(), "{model}");
        let written: Vec<String> = run
            .changed()
            .into_iter()
            .filter(|path| !is_driver(path))
            .collect();
        assert_eq!(written, Vec::<String>::new(), "{model}");
    }
}

/// On a GPU what was measured of the adapter is kept, and the driver keeps the kernels that it compiled. Neither
/// depends on what is asked: another picture and other words of the same length add nothing to them.
#[test]
fn a_conversation_on_the_gpu_leaves_what_is_the_adapters() {
    let home = tempfile::tempdir().unwrap();
    let first = traced(home.path(), "trace-first");
    let one = first.chat(
        &tiny(),
        "wgpu",
        &image(1),
        "Is it red or blue?\nAnd why not blue?\n",
    );
    // (path, what it holds)
    let allowed = [
        ("cache", "the user's folder of caches"),
        ("cache/inf-llava", "this program's folder in it"),
        (
            "cache/inf-llava/adapters",
            "what was measured of the adapter",
        ),
        (
            "cache/mesa_shader_cache",
            "kernels that the driver compiled, by their hashes",
        ),
    ];
    let is_allowed = |path: &String| {
        let is = |name: &str| match path.strip_prefix(name) {
            Some("") => true,
            Some(rest) => {
                rest.starts_with(['/', '_']) || name.ends_with("adapters") && rest.starts_with('.')
            }
            None => false,
        };
        // Becomes adapters.json when it is whole.
        let of_numbers = |part: &str| part.chars().all(|c| c.is_ascii_digit() || c == '-');
        let part = path.strip_prefix("cache/inf-llava/.inf-llava-");
        let is_part = part
            .and_then(|part| part.strip_suffix(".tmp"))
            .is_some_and(of_numbers);
        is_driver(path)
            || is_part
            || allowed
                .iter()
                .enumerate()
                .any(|(i, (name, _))| if i < 2 { path == name } else { is(name) })
    };
    assert_eq!(first.network(), Vec::<String>::new());
    let written: Vec<String> = first
        .changed()
        .into_iter()
        .filter(|path| !is_allowed(path))
        .collect();
    assert_eq!(written, Vec::<String>::new());
    let kept = std::fs::read_to_string(home.path().join("cache/inf-llava/adapters.json")).unwrap();
    for word in ["red", "blue", "why", "png"] {
        assert!(!kept.contains(word), "{kept}");
    }

    let second = traced(home.path(), "trace-second");
    let other = second.chat(
        &tiny(),
        "wgpu",
        &image(0),
        "Is it blue or red?\nAnd not why blue?\n",
    );
    assert_ne!(one, other, "other answers, else this proves nothing");
    assert_eq!(second.network(), Vec::<String>::new());
    let written: Vec<String> = second
        .changed()
        .into_iter()
        .filter(|path| !is_driver(path))
        .collect();
    // The driver's index of its kernels is opened at every start.
    let index = ["cache/mesa_shader_cache/index"];
    assert!(
        written.iter().all(|path| index.contains(&path.as_str())),
        "{written:?}"
    );
}

/// A server has its own listening socket, and connects nowhere.
#[test]
fn a_server_has_its_own_socket_only() {
    let home = tempfile::tempdir().unwrap();
    let run = traced(home.path(), "trace");
    let child = run
        .command(&["serve", &tiny(), "--port", "0", "--device", "cpu"])
        .spawn();
    let mut child = child.unwrap_or_else(|error| panic!("strace: {error}; {WHAT_TO_DO}"));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .trim()
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_string();
    assert!(!address.is_empty(), "it did not start; {WHAT_TO_DO}");
    let picture = std::fs::read(image(1)).unwrap();
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(picture);
    let mut messages = vec![json!({"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}")}},
        {"type": "text", "text": "How many are red?"},
    ]})];
    for question in ["And why?", ""] {
        let body = json!({"model": "tiny", "max_tokens": 4, "messages": messages}).to_string();
        let mut stream = TcpStream::connect(&address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        let length = body.len();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        let said = parsed(body)["choices"][0]["message"]["content"].clone();
        messages.push(json!({"role": "assistant", "content": said}));
        messages.push(json!({"role": "user", "content": question}));
    }
    // strace leaves such signals to whom it traces: the process that the first line of the trace is of.
    let trace = std::fs::read_to_string(&run.trace).unwrap();
    let server = trace.split_whitespace().next().unwrap();
    let stopped = Command::new("kill").args(["-TERM", server]).status();
    assert!(stopped.unwrap().success());
    child.wait().unwrap();
    let strange: Vec<String> = run
        .network()
        .into_iter()
        .filter(|call| !is_own(call))
        .collect();
    assert_eq!(strange, Vec::<String>::new());
    let written: Vec<String> = run
        .changed()
        .into_iter()
        .filter(|path| !is_driver(path))
        .collect();
    assert_eq!(written, Vec::<String>::new());
}

/// What listening sockets need: to be made, bound to this machine's own addresses, and to accept who comes from them.
fn is_own(call: &str) -> bool {
    let local = [
        "sin_addr=inet_addr(\"127.0.0.1\")",
        "inet_pton(AF_INET6, \"::1\", &sin6_addr)",
    ];
    let is_local = || local.iter().any(|local| call.contains(local));
    match call.split_once('(').unwrap().0 {
        "socket" => call.contains("AF_INET, SOCK_STREAM") || call.contains("AF_INET6, SOCK_STREAM"),
        "bind" => is_local(),
        "listen" => true,
        "accept" | "accept4" => {
            is_local() || call.contains("EAGAIN") || call.contains("unfinished")
        }
        _ => false,
    }
}
