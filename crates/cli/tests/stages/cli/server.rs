//! `inf-llava serve` as a process of its own, and the bytes that go to it and come from it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::PROGRAM;

/// Longer than anything takes; a test that waits for nothing ends with it.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Server {
    child: Child,
    pub address: String,
    talk: Mutex<Receiver<String>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process takes.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Of memory.
    pub resident_mib: usize,
    pub threads: usize,
    pub descriptors: usize,
}

/// The status line, the headers in lower case, and the body.
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        super::json(&String::from_utf8_lossy(&self.body))
    }

    /// What the events of a stream hold; comments, which say that it waits, are none.
    pub fn events(&self) -> Vec<String> {
        let text = String::from_utf8(self.body.clone()).unwrap();
        let data = |event: &str| event.strip_prefix("data: ").unwrap().to_string();
        let events = text.split_terminator("\n\n");
        let events = events.filter(|event| !event.starts_with(':'));
        events.map(data).collect()
    }
}

impl Server {
    pub fn start(model: &Path, more: &[&str]) -> Self {
        Self::start_in(Path::new("."), model, more)
    }

    pub fn start_in(folder: &Path, model: &Path, more: &[&str]) -> Self {
        Self::start_by(&[], folder, model, more)
    }

    /// `by` is a program, with arguments, that becomes or starts the one that is named behind them.
    pub fn start_by(by: &[&str], folder: &Path, model: &Path, more: &[&str]) -> Self {
        allow_many_connections();
        let line = [by, &[PROGRAM]].concat();
        let mut child = Command::new(line[0])
            .args(&line[1..])
            .current_dir(folder)
            .arg("serve")
            .arg(model)
            .args(["--port", "0"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, talk) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap();
        let address = address.trim_end_matches('/').to_string();
        Server {
            child,
            address,
            talk: Mutex::new(talk),
        }
    }

    /// With so many descriptors at the most.
    #[cfg(unix)]
    pub fn start_with_descriptors(count: usize, model: &Path, more: &[&str]) -> Self {
        let limited = format!("ulimit -n {count} && exec \"$0\" \"$@\"");
        Self::start_by(&["sh", "-c", &limited], Path::new("."), model, more)
    }

    /// Of the process that was started.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let last = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < last, "the server goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A connection on which nothing was said yet.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Whether a line on stderr has `word`; waits for it.
    #[cfg(unix)]
    pub fn talk_until(&self, word: &str) -> bool {
        while !self.talk().contains(word) {}
        true
    }

    /// Whether a line on stderr has `word` before none comes for so long.
    #[cfg(target_os = "linux")]
    pub fn talks_of(&self, word: &str, patience: Duration) -> bool {
        let talk = self.talk.lock().unwrap();
        let lines = || talk.recv_timeout(patience).ok();
        std::iter::from_fn(lines).any(|line| line.contains(word))
    }

    /// What the process takes now.
    #[cfg(target_os = "linux")]
    pub fn usage(&self) -> Usage {
        let id = self.child.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            number.unwrap().parse().unwrap()
        };
        Usage {
            resident_mib: number("VmRSS:") / 1024,
            threads: number("Threads:"),
            descriptors: std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count(),
        }
    }

    /// Waits until the process takes no more than `is_little` says.
    #[cfg(target_os = "linux")]
    pub fn until(&self, is_little: impl Fn(Usage) -> bool) -> Usage {
        let last = Instant::now() + PATIENCE;
        loop {
            let usage = self.usage();
            if is_little(usage) {
                return usage;
            }
            assert!(Instant::now() < last, "{usage:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The next line on stderr.
    pub fn talk(&self) -> String {
        self.talk.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }

    /// A connection with a request on its way: `head` is the request's line without the version, `headers` lines that
    /// end with a break. A Host header is added where there is none.
    pub fn send(&self, head: &str, headers: &str, body: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        let host = match headers.contains("Host:") {
            true => String::new(),
            false => format!("Host: {}\r\n", self.address),
        };
        let request = format!("{head} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }

    pub fn get(&self, path: &str, headers: &str) -> Answer {
        read(self.send(&format!("GET {path}"), headers, b""))
    }

    pub fn post(&self, path: &str, headers: &str, body: &[u8]) -> Answer {
        read(self.send_post(path, headers, body))
    }

    pub fn send_post(&self, path: &str, headers: &str, body: &[u8]) -> TcpStream {
        let length = body.len();
        let headers =
            format!("{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n");
        self.send(&format!("POST {path}"), &headers, body)
    }

    /// What `POST /v1/chat/completions` says to a request.
    pub fn complete(&self, request: &Value) -> Answer {
        self.post("/v1/chat/completions", "", request.to_string().as_bytes())
    }
}

/// Tests that run side by side have hundreds of them, and many systems allow 1024 files to whoever does not ask for more.
fn allow_many_connections() {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(8192)), hard).unwrap();
    }
}

/// Reads to the end of the connection.
pub fn read(mut stream: TcpStream) -> Answer {
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        // A server that answers before it has read all may close roughly.
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let (headers, body) = (head.to_lowercase(), &answer[end + 4..]);
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: match headers.contains("transfer-encoding: chunked") {
            true => joined(body),
            false => body.to_vec(),
        },
        headers,
    }
}

/// The chunks of a body of unknown length: a size in hexadecimal, a line break, the bytes, a line break.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..][..size]);
        rest = &rest[end + 2 + size + 2..];
    }
}
