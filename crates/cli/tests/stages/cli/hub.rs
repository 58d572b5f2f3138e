//! `convert owner/name`, against a hub on this machine.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::{PROGRAM, stdout, text, tiny};
use crate::hub_peer::{Body, Hostile, Peer, Reply, Repository, git_hash, hostile, part};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS: &str = "model-00001-of-00002.safetensors";

/// What was asked for: path, first byte, token.
type Asked = Arc<Mutex<Vec<(String, u64, String)>>>;

/// A hub with one repository, `owner/name`: the fixture `tiny`. The first of its weights breaks off once.
fn hub() -> (String, Asked) {
    let mut files = HashMap::new();
    for entry in fs::read_dir(tiny()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files.insert(
        "README.md".into(),
        b"---\nlicense: llama3\n---\n# A model\n".to_vec(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let log = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that has gone away is its own affair.
            let _ = answer(stream, &files, &log);
        }
    });
    (format!("http://{address}"), asked)
}

fn answer(
    mut stream: TcpStream,
    files: &HashMap<String, Vec<u8>>,
    log: &Asked,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let path = request.split(' ').nth(1).unwrap_or_default().to_string();
    let (mut start, mut end, mut token) = (0, None, String::new());
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_lowercase().as_str() {
            "authorization" => token = value.to_string(),
            "range" => {
                let (from, to) = value.trim_start_matches("bytes=").split_once('-').unwrap();
                (start, end) = (from.parse().unwrap(), to.parse::<u64>().ok());
            }
            _ => {}
        }
    }
    let mut seen = log.lock().unwrap();
    let broken = path.ends_with(WEIGHTS)
        && end.is_none()
        && !seen.iter().any(|(p, _, t)| p == &path && t == "broken");
    seen.push((
        path.clone(),
        start,
        if broken { "broken".into() } else { token },
    ));
    drop(seen);
    let respond = |stream: &mut TcpStream, head: &str, length: usize| {
        write!(
            stream,
            "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    if path == "/api/models/owner/name/revision/main" {
        let siblings: Vec<_> = files
            .keys()
            .map(|name| json!({"rfilename": name}))
            .collect();
        let body = json!({"sha": COMMIT, "siblings": siblings}).to_string();
        respond(
            &mut stream,
            "200 OK\r\nContent-Type: application/json",
            body.len(),
        )?;
        return stream.write_all(body.as_bytes());
    }
    let file = path
        .strip_prefix("/owner/name/resolve/main/")
        .and_then(|name| files.get(name));
    let Some(bytes) = file else {
        return respond(&mut stream, "404 Not Found", 0);
    };
    let end = end.map_or(bytes.len(), |end| (end as usize + 1).min(bytes.len()));
    let part = &bytes[start as usize..end];
    let head = format!(
        "206 Partial Content\r\nETag: \"{}\"\r\nX-Repo-Commit: {COMMIT}\r\nContent-Range: bytes {start}-{}/{}",
        git_hash(bytes),
        end - 1,
        bytes.len()
    );
    respond(&mut stream, &head, part.len())?;
    stream.write_all(if broken {
        &part[..part.len() / 3]
    } else {
        part
    })
}

fn convert(hub: &str, home: &std::path::Path, to: &std::path::Path, name: &str) -> Output {
    Command::new(PROGRAM)
        .args(["convert", name])
        .arg(to)
        .args(["--quant", "q8"])
        .env("HF_ENDPOINT", hub)
        .env("HF_HOME", home)
        .env("HF_TOKEN", "hf_secret")
        .current_dir(home)
        .output()
        .unwrap()
}

/// Downloaded, resumed where it broke off, kept for the next time; the same as from the folder.
#[test]
fn a_repository_is_downloaded_and_converted() {
    let (hub, asked) = hub();
    let home = tempfile::tempdir().unwrap();
    let to = home.path().join("converted");
    let output = convert(&hub, home.path(), &to, "owner/name");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let log = asked.lock().unwrap().clone();
    assert!(
        log.iter()
            .all(|(_, _, token)| token == "Bearer hf_secret" || token == "broken"),
        "{log:?}"
    );
    let weights = log.iter().filter(|(path, ..)| path.ends_with(WEIGHTS));
    let starts: Vec<u64> = weights.map(|(_, start, _)| *start).collect();
    assert!(starts.iter().any(|&start| start > 0), "resumed: {starts:?}");

    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(to.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["name"], "owner/name");
    assert_eq!(manifest["revision"], COMMIT);
    assert_eq!(manifest["license"], "llama3");
    let local = home.path().join("local");
    stdout(&[
        "convert",
        &tiny(),
        &local.display().to_string(),
        "--quant",
        "q8",
    ]);
    let shard = |folder: &std::path::Path| fs::read(folder.join("shard-00001.bin")).unwrap();
    assert!(shard(&to) == shard(&local));

    asked.lock().unwrap().clear();
    let again = convert(&hub, home.path(), &home.path().join("again"), "owner/name");
    assert!(again.status.success(), "{}", text(&again.stderr));
    let asked = asked.lock().unwrap();
    assert!(
        asked.iter().all(|(path, ..)| path.starts_with("/api/")),
        "{asked:?}"
    );
}

/// A cache whose repository, or whose blobs, are a link to a larger disk.
#[cfg(unix)]
#[test]
fn a_cache_on_another_disk_is_converted_from() {
    let (hub, _) = hub();
    for linked in ["models--owner--name", "models--owner--name/blobs"] {
        let home = tempfile::tempdir().unwrap();
        let (disk, link) = (
            home.path().join("disk"),
            home.path().join("hub").join(linked),
        );
        fs::create_dir(&disk).unwrap();
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&disk, &link).unwrap();
        let to = home.path().join("converted");
        let output = convert(&hub, home.path(), &to, "owner/name");
        assert!(
            output.status.success(),
            "{linked}: {}",
            text(&output.stderr)
        );
        assert!(to.join("manifest.json").is_file() && to.join("README.md").is_file());
    }
}

#[test]
fn a_repository_that_is_not_there_is_said() {
    let (hub, _) = hub();
    let home = tempfile::tempdir().unwrap();
    let output = convert(&hub, home.path(), &home.path().join("to"), "owner/other");
    assert!(!output.status.success());
    let says = text(&output.stderr);
    assert!(
        says.contains("owner/other") && says.contains("HF_TOKEN"),
        "{says}"
    );
}

/// Whatever a hub says, the program writes in its cache only, ends with code 3, and shows nothing of it that commands
/// a terminal. What lies where the names would have led is as it was.
#[test]
fn a_hostile_hub_writes_nothing_outside_the_cache() {
    for Hostile {
        name,
        repository,
        words,
    } in hostile()
    {
        let hub = repository.serve();
        let home = tempfile::tempdir().unwrap();
        let own = home.path().join("hub/models--owner--name");
        fs::create_dir_all(&own).unwrap();
        let victims = [
            home.path().join("x"),
            home.path().join("hub/x"),
            own.join("x"),
        ];
        for victim in &victims {
            fs::write(victim, "mine").unwrap();
        }
        let output = convert(&hub.url, home.path(), &home.path().join("to"), "owner/name");
        let says = text(&output.stderr);
        let case = format!("{name} {words:?}: {says}");
        assert_eq!(output.status.code(), Some(3), "{case}");
        assert!(words.iter().all(|word| says.contains(word)), "{case}");
        let harmless = inf_llava::printable::is_harmless;
        assert!(
            says.chars().all(harmless) && !says.contains("panicked"),
            "{case}"
        );
        for victim in &victims {
            assert_eq!(fs::read(victim).unwrap(), b"mine", "{case}");
        }
        let beside: Vec<_> = fs::read_dir(home.path())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        assert!(
            beside.iter().all(|name| name == "x" || name == "hub"),
            "{case}: {beside:?}"
        );
        let beside = fs::read_dir(home.path().join("hub")).unwrap().flatten();
        let strange = beside.filter(|entry| {
            let name = entry.file_name();
            name != "x" && name != ".locks" && name != "models--owner--name"
        });
        assert_eq!(strange.count(), 0, "{case}");
    }
}

#[test]
fn the_token_does_not_follow_a_redirect() {
    let mut repository = Repository::honest();
    let weights = repository.weights().clone();
    let storage = Peer::start(move |asked, _| {
        let (head, body) = part(&weights, asked);
        Reply {
            head,
            body: Body::Whole(body),
        }
    });
    repository.headers = format!(
        "\r\nX-Linked-Size: {}\r\nX-Linked-Etag: \"{}\"",
        repository.weights().len(),
        repository.hash()
    );
    repository.location = Some(format!("{}/storage", storage.url));
    let hub = repository.serve();
    let home = tempfile::tempdir().unwrap();
    // What is downloaded is no model, which is found out after it was asked for.
    convert(&hub.url, home.path(), &home.path().join("to"), "owner/name");
    assert!(
        hub.asked()
            .iter()
            .all(|asked| asked.token.as_deref() == Some("Bearer hf_secret"))
    );
    let seen = storage.asked();
    assert!(
        !seen.is_empty() && seen.iter().all(|asked| asked.token.is_none()),
        "{seen:?}"
    );
}

/// A hub that goes silent in the middle of a file: Ctrl-C ends the program with code 130, and what came is kept.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_download() {
    let mut repository = Repository::honest();
    let (came, silent) = std::sync::mpsc::channel();
    repository.body = Some(Body::Stalled(vec![1; 1000]));
    let came = Mutex::new(came);
    let hub = Peer::start(move |asked, before| {
        let reply = repository.answer(asked, before);
        if matches!(reply.body, Body::Stalled(_)) {
            let _ = came.lock().unwrap().send(());
        }
        reply
    });
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["convert", "owner/name"])
        .arg(home.path().join("to"))
        .env("HF_ENDPOINT", &hub.url)
        .env("HF_HOME", home.path())
        .spawn()
        .unwrap();
    silent
        .recv_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
