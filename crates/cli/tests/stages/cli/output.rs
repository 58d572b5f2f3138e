//! What the program writes when it cannot write, and what strangers' text becomes on its way to a terminal.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use inf_llava::printable::is_harmless;
use serde_json::{Value, json};

use super::files::copy_of_tiny;
use super::{PROGRAM, image, run, stdout, text, tiny};

/// Commands that write data, with a converted model at `small` and `scratch` to write in.
fn writers(small: &str, scratch: &Path) -> Vec<Vec<String>> {
    let (model, picture) = (tiny(), image(1));
    let at = |name: &str| scratch.join(name).display().to_string();
    let lines = [
        vec!["--help"],
        vec!["--version"],
        vec!["chat", "--help"],
        vec!["completions", "bash"],
        vec!["man"],
        vec!["licenses"],
        vec!["info", "--model", &model],
        vec!["info", "--json", "--model", &model],
        vec!["parity", "--device", "cpu", "--model", &model],
        vec!["parity", "--json", "--device", "cpu", "--model", &model],
        vec![
            "chat", "--device", "cpu", "--model", &model, "--image", &picture, "--prompt", "Hi",
        ],
        vec![
            "chat", "--device", "cpu", "--model", &model, "--json", "--prompt", "Hi",
        ],
        vec!["verify", small],
        vec!["verify", "--json", small],
        vec!["eval", "--model", &model, "--device", "cpu", "--count", "2"],
        vec![
            "eval", "--model", &model, "--device", "cpu", "--count", "2", "--json",
        ],
    ];
    let mut all: Vec<Vec<String>> = lines
        .map(|line| line.into_iter().map(String::from).collect())
        .into();
    for (name, line) in [
        ("scenes", vec!["scenes", "--count", "1"]),
        ("words.json", vec!["vocabulary", "--scenes", "1"]),
    ] {
        let line = line.into_iter().map(String::from);
        all.push(line.chain(["--out".into(), at(name)]).collect());
    }
    all.push(vec!["convert".into(), model, at("converted")]);
    all
}

fn converted(folder: &Path) -> String {
    let to = folder.join("small").display().to_string();
    stdout(&["convert", &tiny(), &to, "--quant", "q8"]);
    to
}

/// A full disk (`> /dev/full`) is code 7 and a message, whatever is written.
#[cfg(target_os = "linux")]
#[test]
fn a_stdout_that_cannot_be_written_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let small = converted(dir.path());
    for args in writers(&small, dir.path()) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(PROGRAM)
            .args(&args)
            .stdin(Stdio::null())
            .stdout(full)
            .output()
            .unwrap();
        let says = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{args:?}: {says}");
        assert!(
            says.contains("error: stdout cannot be written"),
            "{args:?}: {says}"
        );
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (model, questions) = (tiny(), dir.path().join("questions"));
    fs::write(&questions, "Hi\nHi\n").unwrap();
    let output = Command::new(PROGRAM)
        .args(["chat", "--device", "cpu", "--model", &model])
        .stdin(File::open(questions).unwrap())
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
}

/// As `inf-llava ... | head -1`: who has gone had what they wanted.
#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_is_code_141_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let small = converted(dir.path());
    for args in writers(&small, dir.path()) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(PROGRAM);
        command.args(&args).stdin(Stdio::null()).stdout(writer);
        let output = command.output().unwrap();
        let says = text(&output.stderr);
        assert_eq!(output.status.code(), Some(141), "{args:?}: {says}");
        assert!(!says.contains("error"), "{args:?}: {says}");
    }
}

/// Nobody can be told: the code still says what happened.
#[cfg(target_os = "linux")]
#[test]
fn a_stderr_that_cannot_be_written_changes_no_code() {
    let (model, picture) = (tiny(), image(1));
    let chat = [
        "chat", "--device", "cpu", "--model", &model, "--prompt", "Hi",
    ];
    let eval = ["eval", "--model", &model, "--device", "cpu", "--count", "2"];
    let cases: [(Vec<&str>, i32); 5] = [
        ([&chat[..], &["--image", "nowhere.png"]].concat(), 4),
        ([&chat[..], &["--image", &picture]].concat(), 0),
        (vec!["info", "--model", "nowhere"], 3),
        (vec!["dream"], 2),
        (eval.to_vec(), 0),
    ];
    for (args, code) in cases {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(PROGRAM)
            .args(&args)
            .stderr(full)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn answers_that_cannot_be_kept_are_code_7() {
    let model = tiny();
    let args = [
        "eval",
        "--model",
        &model,
        "--device",
        "cpu",
        "--count",
        "2",
        "--answers",
        "/dev/full",
    ];
    super::refused(&args, 7, &["/dev/full"]);
}

/// Colours, a cleared screen (C1's CSI), a window's title, a turned line, DEL.
const EVIL: &str = "\u{1b}[31m\u{9b}2J\u{1b}]0;title\u{7}\u{202e}\u{2066}\u{7f}\r";

/// Runs the program, and asserts that nothing it says commands a terminal. Gives what it says.
fn harmless(args: &[&str]) -> String {
    let output = run(args);
    let says = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let harm: Vec<char> = says.chars().filter(|&c| !is_harmless(c)).collect();
    assert!(harm.is_empty(), "{args:?}: {harm:?} in {says:?}");
    assert!(
        output.status.code().is_some_and(|code| code < 100),
        "{args:?}: {says}"
    );
    says
}

/// Every place in `value` where something stands, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::Array(list) => list
            .iter()
            .take(2)
            .enumerate()
            .map(|(i, value)| (i.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        found.push(place.clone());
        places(child, &place, found);
    }
}

/// `file` in `folder` with each of its values, in turn, made [`EVIL`]; then with an evil key, then as no JSON.
fn spoil(folder: &Path, file: &str, mut look: impl FnMut()) {
    let path = folder.join(file);
    let good = fs::read(&path).unwrap();
    let value: Value = serde_json::from_slice(&good).unwrap();
    let mut found = Vec::new();
    places(&value, "", &mut found);
    assert!(found.len() > 1, "{file}");
    for place in found.iter().take(60) {
        let mut spoilt = value.clone();
        *spoilt.pointer_mut(place).unwrap() = EVIL.into();
        fs::write(&path, spoilt.to_string()).unwrap();
        look();
    }
    fs::write(&path, json!({EVIL: EVIL}).to_string()).unwrap();
    look();
    fs::write(&path, format!("{{\"a\": {EVIL}")).unwrap();
    look();
    fs::write(&path, good).unwrap();
}

#[test]
fn a_hostile_checkpoint_cannot_command_the_terminal() {
    let dir = copy_of_tiny();
    let model = dir.path().display().to_string();
    let info = || drop(harmless(&["info", "--model", &model]));
    spoil(dir.path(), "config.json", info);
    spoil(dir.path(), "model.safetensors.index.json", info);
    spoil(dir.path(), "tokenizer.json", || {
        harmless(&[
            "chat", "--device", "cpu", "--model", &model, "--prompt", "Hi", "--json",
        ]);
    });
    // The header of a shard.
    let shard = dir.path().join("model-00001-of-00002.safetensors");
    let header = format!(
        "{{\"{EVIL}\": {{\"dtype\": \"{EVIL}\", \"shape\": [1], \"data_offsets\": [0, 4]}}}}"
    );
    fs::write(
        &shard,
        [
            &(header.len() as u64).to_le_bytes()[..],
            header.as_bytes(),
            &[0; 4],
        ]
        .concat(),
    )
    .unwrap();
    info();
    let to = dir.path().join("to").display().to_string();
    harmless(&["convert", &model, &to]);
}

#[test]
fn a_hostile_manifest_cannot_command_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let small = converted(dir.path());
    spoil(Path::new(&small), "manifest.json", || {
        for args in [
            ["info", "--model", &small].as_slice(),
            &["verify", &small],
            &["verify", "--json", &small],
            &[
                "chat",
                "--device",
                "cpu",
                "--model",
                &small,
                "--prompt",
                "Hi",
                "--json",
                "--max-new-tokens",
                "1",
            ],
        ] {
            harmless(args);
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn hostile_names_of_files_cannot_command_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let (model, evil) = (tiny(), dir.path().join(EVIL));
    let chat = |picture: &str| {
        harmless(&[
            "chat", "--device", "cpu", "--model", &model, "--image", picture, "--prompt", "Hi",
            "--json",
        ])
    };
    let name = evil.display().to_string();
    assert!(chat(&name).contains("cannot be opened"));
    fs::write(&evil, "no picture").unwrap();
    assert!(chat(&name).contains("PNG"));
    fs::remove_file(&evil).unwrap();
    fs::create_dir(&evil).unwrap();
    for entry in fs::read_dir(tiny())
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_file())
    {
        fs::copy(entry.path(), evil.join(entry.file_name())).unwrap();
    }
    harmless(&["info", "--model", &name]);
    assert!(harmless(&["info", &name]).contains("Usage"));
    harmless(&["info", "--json", "--model", &name]);
    harmless(&[
        "eval", "--model", &model, "--device", "cpu", "--data", &name, "--images", &name,
    ]);
    harmless(&["verify", &name]);
    harmless(&["convert", &name, &format!("{name}/to")]);
}

#[test]
fn hostile_data_cannot_command_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let (model, images) = (tiny(), format!("{}/images", tiny()));
    let entry = json!({"id": EVIL, "image": "0.png", "families": [EVIL], "held_out": [true],
        "conversations": [{"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": EVIL}]});
    let (data, pope) = (dir.path().join("data.json"), dir.path().join("pope.json"));
    let ask = |kind: &str, file: &Path, more: &[&str]| {
        let file = file.display().to_string();
        let args = [
            "eval", "--model", &model, "--device", "cpu", kind, &file, "--images", &images,
        ];
        harmless(&[&args[..], more].concat())
    };
    fs::write(&data, json!([entry]).to_string()).unwrap();
    assert!(ask("--data", &data, &[]).contains("exact match"));
    ask("--data", &data, &["--json"]);
    for (key, value) in [
        ("image", json!(EVIL)),
        ("conversations", json!(EVIL)),
        ("families", json!(EVIL)),
    ] {
        let mut spoilt = entry.clone();
        spoilt[key] = value;
        fs::write(&data, json!([spoilt, entry]).to_string()).unwrap();
        assert!(ask("--data", &data, &[]).contains("1 of 2 records skipped"));
        ask("--data", &data, &["--strict"]);
    }
    let mut spoilt = entry.clone();
    spoilt["conversations"][0]["from"] = EVIL.into();
    fs::write(&data, json!([spoilt]).to_string()).unwrap();
    ask("--data", &data, &[]);
    fs::write(&data, format!("[{EVIL}")).unwrap();
    ask("--data", &data, &[]);
    for line in [
        json!({"question_id": EVIL, "image": EVIL, "text": EVIL, "label": "yes"}).to_string(),
        json!({"question_id": EVIL, "image": "0.png", "text": EVIL, "label": EVIL}).to_string(),
        EVIL.replace('\r', ""),
    ] {
        fs::write(&pope, line).unwrap();
        ask("--pope", &pope, &[]);
        ask("--pope", &pope, &["--strict"]);
    }
    let training = dir.path().join("train.toml");
    fs::write(
        &training,
        format!("model = \"x\"\n[[stage]]\nname = \"{EVIL}\"\n"),
    )
    .unwrap();
    let (training, out) = (
        training.display().to_string(),
        dir.path().join("out").display().to_string(),
    );
    harmless(&["train", &training, "--out", &out]);
}
