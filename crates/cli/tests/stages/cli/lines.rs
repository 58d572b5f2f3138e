//! Names that are made to look like messages, and files that are not what they are taken for.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::files::copy_of_tiny;
use super::{image, json, refused, run, stdout, text, tiny};

/// A file's name may hold a line break.
const FORGED: &str = "x\nerror: forged\u{2028}forged\r";

/// Runs the program, which names what is [`FORGED`]: no line begins with what comes behind the line break, and the
/// name is there. Gives what it says.
fn names_in_one_line(args: &[&str]) -> String {
    let output = run(args);
    let says = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let forged = says
        .lines()
        .any(|line| line.starts_with("error: forged") || line.starts_with("forged"));
    assert!(!forged, "{args:?}: {says}");
    assert!(says.contains("x\\nerror: forged"), "{args:?}: {says}");
    says
}

#[test]
fn no_name_looks_like_a_message() {
    let model = tiny();
    for args in [
        &["info", "--model", FORGED][..],
        &["chat", "--model", FORGED, "--prompt", "x"],
        &[
            "chat", "--device", "cpu", "--model", &model, "--prompt", "x", "--image", FORGED,
        ],
        &["verify", FORGED],
        &["convert", FORGED, "to"],
        &["serve", FORGED],
        &["eval", "--data", FORGED, "--images", FORGED],
        &["eval", "--pope", FORGED, "--images", FORGED],
        &["parity", "--model", FORGED],
        &[
            "vocabulary",
            "--scenes",
            "1",
            "--out",
            &format!("{FORGED}/y"),
        ],
        // clap's own messages.
        &["info", FORGED],
        &[FORGED],
        &["chat", "--context", FORGED],
    ] {
        names_in_one_line(args);
    }
}

#[cfg(unix)]
#[test]
fn no_name_looks_like_data() {
    let dir = copy_of_tiny();
    let forged = dir.path().join(FORGED);
    fs::create_dir(&forged).unwrap();
    let name = forged.display().to_string();
    let small = format!("{name}/small");
    names_in_one_line(&["convert", &tiny(), &small]);
    names_in_one_line(&["verify", &small]);
    names_in_one_line(&["info", "--model", &small]);
    let entry = json!({"image": "0.png", "families": [FORGED], "conversations": [
        {"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": "Two."}]});
    let data = dir.path().join("data.json");
    fs::write(&data, json!([entry]).to_string()).unwrap();
    let (images, data) = (format!("{}/images", tiny()), data.display().to_string());
    let (model, asked) = (tiny(), ["--data", &data, "--images", &images]);
    let args = ["eval", "--model", &model, "--device", "cpu"];
    let table = names_in_one_line(&[&args[..], &asked].concat());
    assert!(table.lines().count() > 3, "{table}");
}

#[cfg(unix)]
fn pipe(at: &Path) -> String {
    assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
    at.display().to_string()
}

/// A pipe whose other end nobody opens is an error, and nothing is waited for.
#[cfg(unix)]
#[test]
fn a_pipe_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = pipe(&dir.path().join("pipe"));
    let (model, picture) = (tiny(), image(1));
    let chat = ["chat", "--device", "cpu", "--model", &model];
    let asked = ["--prompt", "x", "--image", &pipe];
    refused(&[&chat[..], &asked].concat(), 4, &["it is a pipe"]);
    let typed = format!("/image {pipe}\n/quit\n");
    let output = super::run_with_input(&chat, typed.as_bytes());
    assert!(text(&output.stderr).contains("it is a pipe"));

    let nobody = ["nobody reads this pipe"];
    let stages = ["--image", &picture, "--prompt", "x", "--out", &pipe];
    let stages = [
        &["stages", "--device", "cpu", "--model", &model][..],
        &stages,
    ]
    .concat();
    refused(&stages, 7, &nobody);
    let eval = ["--count", "1", "--answers", &pipe];
    let eval = [&["eval", "--device", "cpu", "--model", &model][..], &eval].concat();
    refused(&eval, 7, &nobody);
    refused(&["vocabulary", "--scenes", "1", "--out", &pipe], 7, &nobody);
}

#[cfg(unix)]
#[test]
fn a_pipe_with_a_reader_is_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let pipe = pipe(&path);
    // Open to read and write, it waits for nobody, and is a reader for whoever comes.
    let mut options = fs::OpenOptions::new();
    let kept = options.read(true).write(true).open(&path).unwrap();
    let reading = std::thread::spawn(move || {
        use std::io::Read;
        let mut first = [0; 1];
        (&kept).read_exact(&mut first).unwrap();
        (first, kept)
    });
    let model = tiny();
    let eval = ["eval", "--device", "cpu", "--model", &model, "--count", "1"];
    stdout(&[&eval[..], &["--answers", &pipe]].concat());
    assert_eq!(reading.join().unwrap().0, *b"{");
}

#[test]
fn what_is_read_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let images = format!("{}/images", tiny());
    let line = json!({"question_id": 1, "image": "0.png", "text": "Is it?", "label": "yes"});
    let (file, model) = (dir.path().join("q"), tiny());
    let link = dir.path().join("link");
    fs::write(&file, line.to_string()).unwrap();
    fs::hard_link(&file, &link).unwrap();
    let (name, link) = (file.display().to_string(), link.display().to_string());
    let lost = ["would be lost"];
    for kind in ["--pope", "--data"] {
        for answers in [&name, &link] {
            let args = ["eval", "--device", "cpu", "--model", &model, kind, &name];
            let more = ["--images", &images, "--answers", answers];
            refused(&[&args[..], &more].concat(), 2, &lost);
        }
    }
    let args = ["stages", "--model", &model, "--device", "cpu", "--prompt"];
    let more = ["x", "--image", &name, "--out", &link];
    refused(&[&args[..], &more].concat(), 2, &lost);
    assert_eq!(fs::read_to_string(&file).unwrap(), line.to_string());
}

/// A shard with something behind it is not the manifest's.
#[test]
fn a_shard_that_is_too_long_is_code_3() {
    let dir = tempfile::tempdir().unwrap();
    let small = dir.path().join("small").display().to_string();
    stdout(&["convert", &tiny(), &small]);
    let manifest = fs::read_to_string(format!("{small}/manifest.json")).unwrap();
    let manifest = json(&manifest);
    let last = manifest["shards"].as_array().unwrap().last().unwrap();
    let bytes = last["bytes"].as_u64().unwrap();
    let shard = format!("{small}/{}", last["file"].as_str().unwrap());
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).open(&shard).unwrap();
    // All holes.
    file.set_len(bytes + (1 << 40)).unwrap();
    let told = format!("the manifest says {bytes}");
    let chat = [
        "chat", "--device", "cpu", "--prompt", "x", "--model", &small,
    ];
    refused(&chat, 3, &[&shard, &told]);
    refused(&["info", "--model", &small], 3, &[&told]);
}
