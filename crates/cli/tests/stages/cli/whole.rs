//! A model that is renewed, overwritten or cut off under the running program: one whole model answers, or nobody does.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::files::copy_of_tiny;
use super::server::Server;
use super::{spawn, stdout, text, tiny};

/// Nothing here takes as long; what hangs is ended by it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Converted models of one shape that say different things: of `tiny`, and of `tiny` with its weights negated.
fn two_models(dir: &Path) -> [PathBuf; 2] {
    let other = copy_of_tiny();
    for entry in fs::read_dir(other.path()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            let mut bytes = fs::read(&path).unwrap();
            let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            // The sign of every f32 of the file.
            for sign in bytes[8 + header..].iter_mut().skip(3).step_by(4) {
                *sign ^= 0x80;
            }
            fs::write(&path, bytes).unwrap();
        }
    }
    let other = other.path().display().to_string();
    [("a", tiny()), ("b", other)].map(|(name, from)| {
        let to = dir.join(name);
        let path = to.display().to_string();
        stdout(&["convert", &from, &path, "--quant", "q8"]);
        to
    })
}

fn question() -> Value {
    json!({
        "model": "model",
        "messages": [{"role": "user", "content": "How many red circles are there?"}],
        "max_tokens": 12,
        "temperature": 0,
    })
}

fn said(server: &Server) -> Result<String, Value> {
    let answer = server.complete(&question());
    let json = answer.json();
    match answer.status {
        200 => Ok(json["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .into()),
        _ => Err(json["error"].clone()),
    }
}

/// What each of two models says when nobody touches it.
fn expected(models: &[PathBuf; 2]) -> [String; 2] {
    let answers = models.each_ref().map(|model| {
        let path = model.display().to_string();
        let args = [
            "chat",
            "--device",
            "cpu",
            "--temperature",
            "0",
            "--model",
            &path,
            "--max-new-tokens",
            "12",
            "--prompt",
            "How many red circles are there?",
        ];
        stdout(&args).trim_end_matches('\n').to_string()
    });
    assert_ne!(answers[0], answers[1], "the models say different things");
    answers
}

/// Waits for a line on the server's stderr that has all `words`.
fn hears(server: &Server, words: &[&str]) {
    loop {
        let line = server.talk();
        if words.iter().all(|word| line.contains(word)) {
            return;
        }
    }
}

#[test]
fn a_served_model_that_was_renewed_is_the_new_one_at_the_next_question() {
    let dir = tempfile::tempdir().unwrap();
    let models = two_models(dir.path());
    let [old, new] = expected(&models);
    let served = dir.path().join("model");
    fs::rename(&models[0], &served).unwrap();
    let server = Server::start(&served, &["--device", "cpu"]);
    assert_eq!(said(&server).unwrap(), old);
    assert_eq!(said(&server).unwrap(), old);

    // Exchanged as one does it: by its name.
    fs::rename(&served, &models[0]).unwrap();
    fs::rename(&models[1], &served).unwrap();
    assert_eq!(said(&server).unwrap(), new);
    hears(
        &server,
        &["has changed since the model was opened", "manifest.json"],
    );
    assert_eq!(said(&server).unwrap(), new);

    // Overwritten in place by bytes of the same length.
    let shard = |folder: &Path| folder.join("shard-00001.bin");
    let bytes = fs::read(shard(&models[0])).unwrap();
    assert_eq!(bytes.len(), fs::read(shard(&served)).unwrap().len());
    let mut open = fs::OpenOptions::new()
        .write(true)
        .open(shard(&served))
        .unwrap();
    open.write_all(&bytes).unwrap();
    open.set_modified(SystemTime::now() + Duration::from_secs(2))
        .unwrap();
    assert_eq!(said(&server).unwrap(), old);
    hears(&server, &["has changed", "shard-00001.bin"]);

    // A manifest that was renewed is a renewed model.
    let next = dir.path().join("manifest.json");
    fs::copy(served.join("manifest.json"), &next).unwrap();
    fs::rename(next, served.join("manifest.json")).unwrap();
    assert_eq!(said(&server).unwrap(), old);
    hears(&server, &["has changed", "manifest.json"]);
}

#[test]
fn a_served_model_that_was_cut_off_is_refused_until_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let models = two_models(dir.path());
    let [old, _] = expected(&models);
    let server = Server::start(&models[0], &["--device", "cpu"]);
    let served = |server: &Server| {
        let mut question = question();
        question["model"] = "a".into();
        let answer = server.complete(&question);
        (answer.status, answer.json())
    };
    assert_eq!(served(&server).1["choices"][0]["message"]["content"], old);

    let shard = models[0].join("shard-00001.bin");
    let bytes = fs::read(&shard).unwrap();
    let open = fs::OpenOptions::new().write(true).open(&shard).unwrap();
    open.set_len(bytes.len() as u64 / 2).unwrap();
    for _ in 0..2 {
        let (status, body) = served(&server);
        assert!(status >= 500, "{body}");
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains("shard-00001.bin"), "{message}");
        assert!(message.contains("download it again"), "{message}");
    }
    hears(&server, &["has changed", "shard-00001.bin"]);
    fs::write(&shard, bytes).unwrap();
    let (status, body) = served(&server);
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["choices"][0]["message"]["content"], old);
}

#[test]
fn a_conversation_ends_with_its_model() {
    let dir = tempfile::tempdir().unwrap();
    let models = two_models(dir.path());
    let [old, _] = expected(&models);
    let path = models[0].display().to_string();
    let mut child = spawn(&[
        "chat",
        "--device",
        "cpu",
        "--temperature",
        "0",
        "--model",
        &path,
        "--max-new-tokens",
        "12",
    ]);
    let mut ask = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut answer = String::new();
    writeln!(ask, "How many red circles are there?").unwrap();
    for _ in 0..old.lines().count() {
        answers.read_line(&mut answer).unwrap();
    }
    assert_eq!(answer.trim_end_matches('\n'), old);

    fs::rename(&models[0], dir.path().join("away")).unwrap();
    fs::rename(&models[1], &models[0]).unwrap();
    writeln!(ask, "How many red circles are there?").unwrap();
    drop(ask);
    let mut rest = String::new();
    answers.read_to_string(&mut rest).unwrap();
    let output = ended(child);
    let stderr = text(&output.stderr);
    assert_eq!(
        (output.status.code(), rest.as_str()),
        (Some(3), ""),
        "{stderr}"
    );
    for word in ["has changed", &path, "load the model again"] {
        assert!(stderr.contains(word), "{stderr}");
    }
}

/// What comes of a program, which must end.
pub fn ended(mut child: Child) -> Output {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it hangs: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// Nobody writes into these pipes: whoever opens one to read it waits without end.
#[cfg(unix)]
#[test]
fn a_pipe_in_a_model_folder_is_refused_by_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = |piped: &str| {
        let copy = copy_of_tiny();
        replace_by_pipe(&copy.path().join(piped));
        copy
    };
    let weights = "model-00001-of-00002.safetensors";
    let out = dir.path().join("out").display().to_string();
    let image = super::image(0);
    for piped in ["config.json", "tokenizer.json", weights] {
        let folder = checkpoint(piped);
        let model = folder.path().display().to_string();
        let mut commands = vec![
            vec!["convert", &model, &out],
            vec![
                "chat", "--device", "cpu", "--prompt", "Hi", "--model", &model,
            ],
            vec!["parity", "--device", "cpu", "--model", &model],
            vec!["eval", "--device", "cpu", "--count", "1", "--model", &model],
            vec![
                "stages", "--device", "cpu", "--image", &image, "--prompt", "Hi", "--out", &out,
                "--model", &model,
            ],
        ];
        if piped != "tokenizer.json" {
            commands.push(vec!["info", "--model", &model]);
        }
        for command in commands {
            pipe_refused(&command, piped);
        }
    }
    let [a, _] = two_models(dir.path());
    let path = a.display().to_string();
    for piped in ["shard-00001.bin", "tokenizer.json", "manifest.json"] {
        let whole = fs::read(a.join(piped)).unwrap();
        replace_by_pipe(&a.join(piped));
        let output = ended(spawn(&["verify", &path]));
        assert_eq!(output.status.code(), Some(3));
        let says = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(says.contains(piped) && says.contains("a pipe"), "{says}");
        pipe_refused(
            &[
                "chat", "--device", "cpu", "--prompt", "Hi", "--model", &path,
            ],
            piped,
        );
        fs::remove_file(a.join(piped)).unwrap();
        fs::write(a.join(piped), whole).unwrap();
    }
}

#[cfg(unix)]
fn replace_by_pipe(path: &Path) {
    fs::remove_file(path).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(unix)]
fn pipe_refused(args: &[&str], piped: &str) {
    let output = ended(spawn(args));
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{args:?}: {stderr}");
    assert!(
        stderr.contains(piped) && stderr.contains("a pipe"),
        "{args:?}: {stderr}"
    );
}
