//! `eval` on files of which something, or everything, cannot be asked.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{json as parsed, refused, run, text, tiny};

/// A folder of pictures, one of which is damaged.
fn pictures() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["0.png", "1.png"] {
        fs::copy(format!("{}/images/{name}", tiny()), dir.path().join(name)).unwrap();
    }
    let whole = fs::read(dir.path().join("0.png")).unwrap();
    fs::write(dir.path().join("cut.png"), &whole[..whole.len() / 2]).unwrap();
    dir
}

fn args<'a>(model: &'a str, kind: &'a str, file: &'a str, images: &'a str) -> Vec<&'a str> {
    vec![
        "eval", "--model", model, "--device", "cpu", "--json", kind, file, "--images", images,
    ]
}

fn written(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn pope(image: &str, label: &str) -> String {
    json!({"question_id": 1, "image": image, "text": "Is there a dog?", "label": label}).to_string()
}

fn llava(id: &str, image: &str, question: &str) -> Value {
    json!({"id": id, "image": image, "conversations": [
        {"from": "human", "value": format!("<image>\n{question}")}, {"from": "gpt", "value": "red"}]})
}

/// A score of nothing is none.
#[test]
fn a_file_with_nothing_to_ask_is_code_3() {
    let dir = pictures();
    let (model, images) = (tiny(), dir.path().display().to_string());
    let lines = [
        pope("0.png", "maybe"),
        pope("no.png", "yes"),
        "no JSON".into(),
    ]
    .join("\n");
    let long = "word ".repeat(20_000);
    let long_line =
        json!({"question_id": 1, "image": "0.png", "text": long, "label": "yes"}).to_string();
    let cases = [
        ("--pope", String::new()),
        ("--pope", "\n\n".into()),
        ("--pope", lines),
        ("--pope", pope("cut.png", "yes")),
        ("--pope", long_line),
        ("--data", "[]".into()),
        (
            "--data",
            json!([llava("a", "no.png", "How many?")]).to_string(),
        ),
        (
            "--data",
            json!([
                llava("a", "cut.png", "How many?"),
                llava("b", "0.png", &long)
            ])
            .to_string(),
        ),
    ];
    for (kind, content) in cases {
        let file = written(dir.path(), "data.json", &content)
            .display()
            .to_string();
        refused(&args(&model, kind, &file, &images), 3, &["data.json"]);
    }
}

/// What cannot be asked is told and counted, and the rest is asked.
#[test]
fn one_entry_does_not_end_an_evaluation() {
    let dir = pictures();
    let (model, images) = (tiny(), dir.path().display().to_string());
    let long = "word ".repeat(20_000);
    let entries = json!([
        llava("good", "0.png", "How many?"),
        llava("long", "0.png", &long),
        llava("cut", "cut.png", "How many?"),
        llava("lost", "no.png", "How many?"),
        llava("fine", "1.png", "Which colour?"),
    ]);
    let file = written(dir.path(), "data.json", &entries.to_string())
        .display()
        .to_string();
    let output = run(&args(&model, "--data", &file, &images));
    let says = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{says}");
    let scores = parsed(text(&output.stdout));
    assert_eq!(scores["count"], 2, "{scores}");
    assert_eq!(
        scores["skipped"],
        json!({"records": 1, "questions": 2}),
        "{scores}"
    );
    assert!(
        says.contains("2 questions could not be asked") && says.contains("id long"),
        "{says}"
    );

    let compared = run(&[
        &args(&model, "--data", &file, &images)[..],
        &["--reference", &model],
    ]
    .concat());
    let scores = parsed(text(&compared.stdout));
    assert_eq!(scores["divergence"]["mean"].as_f64(), Some(0.0), "{scores}");

    let strict = [&args(&model, "--data", &file, &images)[..], &["--strict"]].concat();
    refused(&strict, 3, &["lost"]);
    let without = json!([
        llava("good", "0.png", "How many?"),
        llava("long", "0.png", &long)
    ]);
    written(dir.path(), "data.json", &without.to_string());
    refused(&strict, 3, &["data.json", "long", "context"]);
}

#[test]
fn one_line_does_not_end_popes_questions() {
    let dir = pictures();
    let (model, images) = (tiny(), dir.path().display().to_string());
    let endless = pope(&"x".repeat(3 << 20), "yes");
    let lines = [
        endless,
        pope("0.png", "yes"),
        pope("cut.png", "no"),
        pope("1.png", "no"),
    ]
    .join("\n");
    let file = written(dir.path(), "pope.json", &lines)
        .display()
        .to_string();
    let output = run(&args(&model, "--pope", &file, &images));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let scores = parsed(text(&output.stdout));
    assert_eq!(scores["count"], 2, "{scores}");
    assert_eq!(
        scores["skipped"],
        json!({"records": 1, "questions": 1}),
        "{scores}"
    );
}

/// What is right of descriptions of drawn scenes, by kind, with the answers kept.
#[test]
fn descriptions_are_judged_by_what_they_tell() {
    let dir = tempfile::tempdir().unwrap();
    let answers = dir.path().join("answers.jsonl").display().to_string();
    let model = tiny();
    let args = [
        "eval",
        "--model",
        &model,
        "--device",
        "cpu",
        "--descriptions",
        "--count",
        "2",
    ];
    let output = run(&[&args[..], &["--json", "--answers", &answers]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let scores = parsed(text(&output.stdout))["descriptions"].clone();
    // Random weights describe nothing.
    assert_eq!(
        (&scores["count"], &scores["right"]),
        (&json!(2), &json!(0.0))
    );
    assert!(scores["figures"]["count"].as_u64() >= Some(4), "{scores}");
    assert_eq!(scores["figures"]["recall"], 0.0);
    let answers = fs::read_to_string(answers).unwrap();
    let first = parsed(answers.lines().next().unwrap());
    assert_eq!(first["question"], "Describe the picture.");
    assert!(
        first["expected"]
            .as_str()
            .unwrap()
            .starts_with("The picture shows")
    );
    let table = run(&args);
    assert!(text(&table.stdout).contains("right throughout: 0.0 % of 2"));
    refused(
        &[&args[..], &["--pope", "x"]].concat(),
        2,
        &["--descriptions"],
    );
}
