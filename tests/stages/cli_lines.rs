//! Names that are made to look like messages, and files that are not what they are taken for.

use std::fs;

use serde_json::json;

use super::files::copy_of_tiny;
use super::{run, text, tiny};

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
