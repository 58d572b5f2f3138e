//! The program as its users and their scripts meet it: what it writes where, and its exit codes.
//! What it says of files is in `cli_files.rs`, how it refuses in `cli_errors.rs`.

use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

mod convert;
mod errors;
mod eval;
mod family;
mod files;
mod folders;
mod given;
mod hub;
mod lines;
mod models;
mod output;
#[cfg(target_os = "linux")]
mod privacy;
mod prompt;
mod remarks;
mod serve;
mod serve_api;
mod serve_clients;
mod serve_early;
mod serve_folder;
#[cfg(target_os = "linux")]
mod serve_limits;
#[cfg(target_os = "linux")]
mod serve_load;
mod serve_refusals;
#[cfg(unix)]
mod serve_stop;
mod server;
#[cfg(target_os = "linux")]
mod terminal;
mod train;
mod video;
mod whole;

const PROGRAM: &str = env!("CARGO_BIN_EXE_inf-llava");
const QUESTION: &str = "How many red circles are there?";
const STOP_IDS: [i64; 2] = [502, 505];

fn tiny() -> String {
    crate::fixture("tiny").display().to_string()
}

fn image(index: usize) -> String {
    format!("{}/images/{index}.png", tiny())
}

fn spawn(args: &[&str]) -> Child {
    Command::new(PROGRAM)
        .args(args)
        .env_remove("INF_LLAVA_MODEL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = spawn(args);
    // A program that refuses its arguments reads nothing; its exit code tells.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("the program ends")
}

fn run(args: &[&str]) -> Output {
    run_with_input(args, b"")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("whole characters")
}

/// stdout of a run that must succeed.
fn stdout(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{args:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout).to_string()
}

fn chat(more: &[&str]) -> String {
    let (model, image) = (tiny(), image(1));
    let mut args = vec!["chat", "--device", "cpu", "--temperature", "0"];
    args.extend(["--model", &model, "--image", &image]);
    args.extend(more);
    stdout(&args)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn ids(value: &Value) -> Vec<i64> {
    let id = |id: &Value| id.as_i64().expect("an id");
    value.as_array().expect("ids").iter().map(id).collect()
}

/// The expectations of one case of `tiny`.
fn case(name: &str) -> (Value, String) {
    let file = std::fs::read(crate::fixture("tiny").join("expected.json")).expect("fixture");
    let expected: Value = serde_json::from_slice(&file).expect("JSON");
    let cases = expected["cases"].as_array().expect("cases");
    let case = cases.iter().find(|case| case["name"] == name);
    let case = case.expect("the case").clone();
    let question = case["turns"][0][0].as_str().expect("text");
    let question = question.trim_start_matches("<image>\n").to_string();
    (case, question)
}

/// Asserts the exit code, that stderr has each of `words`, and that stdout is empty: a script that
/// reads it must not take an error for an answer.
fn refused(args: &[&str], code: i32, words: &[&str]) {
    let output = run(args);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert_eq!(text(&output.stdout), "", "{args:?}");
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    for word in words {
        assert!(
            stderr.contains(word),
            "{args:?}: {word:?} is not in {stderr}"
        );
    }
}

#[test]
fn json_has_every_documented_field() {
    let live = chat(&["--json", "--prompt", QUESTION, "--max-new-tokens", "30"]);
    assert_eq!(live.trim_end().lines().count(), 1, "one line, one object");
    let live = json(&live);
    let number = |name: &str| {
        live[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {live}"))
    };
    assert_eq!((number("vision_passes"), number("image_tokens")), (10, 16));
    let (input_ids, token_ids) = (ids(&live["input_ids"]), ids(&live["token_ids"]));
    let images = input_ids.iter().filter(|&&id| id == -200).count();
    assert_eq!(images, 1, "one picture in the prompt");
    assert_eq!(number("prompt_tokens"), input_ids.len() as u64 - 1 + 16);
    assert!((1..=30).contains(&token_ids.len()));
    assert!(!live["text"].as_str().expect("text").is_empty());
    let device = live["device"].as_str().expect("device");
    assert!(device.to_lowercase().contains("cpu"), "{device}");
    for part in ["load", "image", "vision", "prefill", "decode"] {
        let ms = live["timings_ms"][part].as_f64();
        assert!(ms.is_some_and(|ms| ms > 0.0 && ms < 6e5), "{part}: {live}");
    }

    let dense = [
        "--json",
        "--dense",
        "--prompt",
        QUESTION,
        "--max-new-tokens",
        "30",
    ];
    let dense = json(&chat(&dense));
    assert_eq!(dense["vision_passes"], 19);
    for same in ["text", "token_ids", "input_ids", "prompt_tokens"] {
        assert_eq!(dense[same], live[same], "{same}");
    }
}

#[test]
fn a_photograph_is_told_to_a_model_of_drawings_before_its_answer() {
    let photograph = crate::fixture("photographs/chelsea.jpg");
    let photograph = photograph.display().to_string();
    let ask = |model: &str| {
        let mut args = vec!["chat", "--device", "cpu", "--model", model];
        args.extend(["--image", &photograph, "--prompt", QUESTION]);
        args.extend(["--json", "--max-new-tokens", "2"]);
        let output = run(&args);
        let told = text(&output.stderr).contains("drawings");
        (json(text(&output.stdout))["outside_scope"].clone(), told)
    };
    assert_eq!(ask(&tiny()), (false.into(), false));

    let small = files::copy_of_tiny();
    let file = small.path().join("config.json");
    let mut config = json(&std::fs::read_to_string(&file).expect("config"));
    config["inf_llava"]["scope"] = "drawn_scenes".into();
    std::fs::write(&file, config.to_string()).expect("written");
    let model = small.path().display().to_string();
    assert_eq!(ask(&model), (true.into(), true));

    let info = json(&stdout(&["info", "--json", "--model", &model]));
    assert_eq!(info["scope"], "drawn_scenes");
    assert!(stdout(&["info", "--model", &model]).contains("drawings: figures, signs, bar charts"));
}

#[test]
fn without_a_picture_nothing_is_seen() {
    let model = tiny();
    let args = [
        "chat", "--device", "cpu", "--model", &model, "--json", "--prompt", "Hi",
    ];
    let answer = json(&stdout(&args));
    assert_eq!(
        (&answer["vision_passes"], &answer["image_tokens"]),
        (&0.into(), &0.into())
    );
    assert!(!ids(&answer["input_ids"]).contains(&-200));
}

#[test]
fn the_answer_is_pytorchs() {
    let (case, question) = case("wide");
    let greedy = ids(&case["greedy_ids"]);
    let stop = greedy.iter().position(|id| STOP_IDS.contains(id));
    let expected = &greedy[..stop.map_or(greedy.len(), |at| at + 1)];
    let count = greedy.len().to_string();
    let answer = json(&chat(&[
        "--json",
        "--prompt",
        &question,
        "--max-new-tokens",
        &count,
    ]));
    assert_eq!(ids(&answer["token_ids"]), expected);
    assert_eq!(answer["input_ids"], case["input_ids"]);
    assert_eq!(answer["prompt_tokens"], case["sequence_length"]);
    assert_eq!(answer["text"], case["greedy_text"]);
}

#[test]
fn text_streams_to_stdout() {
    let whole = json(&chat(&["--json", "--prompt", QUESTION]));
    let streamed = chat(&["--prompt", QUESTION]);
    assert_eq!(
        streamed,
        format!("{}\n", whole["text"].as_str().expect("text"))
    );
}

/// The first characters come while the rest is still to be computed.
#[test]
fn the_first_piece_does_not_wait_for_the_last() {
    let model = tiny();
    let mut child = spawn(&endless(&model));
    let mut first = [0; 1];
    child
        .stdout
        .as_mut()
        .expect("piped")
        .read_exact(&mut first)
        .expect("a piece");
    // A program that had kept it all back would have ended by now.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(child.try_wait().expect("a state"), None, "still answering");
    child.kill().expect("stopped");
    child.wait().expect("ended");
}

/// Arguments of an answer that takes seconds: with repetition rewarded, this one says one word 8000
/// times.
fn endless(model: &str) -> [&str; 15] {
    [
        "chat",
        "--device",
        "cpu",
        "--model",
        model,
        "--temperature",
        "0",
        "--repetition-penalty",
        "0.1",
        "--max-new-tokens",
        "8000",
        "--context",
        "8192",
        "--prompt",
        "Hi",
    ]
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_said() {
    let model = tiny();
    let mut child = spawn(&endless(&model));
    let mut first = [0; 1];
    child
        .stdout
        .as_mut()
        .expect("piped")
        .read_exact(&mut first)
        .expect("a piece");
    let kill = format!("kill -INT {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .expect("sh")
            .success()
    );
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(text(&output.stderr), "");
    let said = text(&output.stdout);
    assert!(said.ends_with('\n'), "the line is ended");
    assert!(said.len() < 8000, "{} bytes were still said", said.len());
}

/// As `inf-llava chat ... | head -1`.
#[test]
fn a_closed_pipe_is_no_crash() {
    let (model, answer) = (tiny(), image(1));
    for args in [
        vec!["info", "--model", &model],
        vec![
            "chat", "--device", "cpu", "--model", &model, "--image", &answer, "--prompt", "Hi",
        ],
        vec![
            "chat", "--json", "--device", "cpu", "--model", &model, "--prompt", "Hi",
        ],
        vec!["parity", "--device", "cpu", "--model", &model],
    ] {
        let mut child = spawn(&args);
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the program ends");
        let stderr = text(&output.stderr);
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
        assert_ne!(output.status.code(), Some(101), "{args:?}");
    }
}

fn converse(input: &[u8]) -> (String, String) {
    let (model, image) = (tiny(), image(1));
    let args = [
        "chat",
        "--device",
        "cpu",
        "--temperature",
        "0",
        "--max-new-tokens",
        "12",
        "--model",
        &model,
        "--image",
        &image,
    ];
    let output = run_with_input(&args, input);
    let stderr = text(&output.stderr).to_string();
    let errors = stderr.lines().filter(|line| line.starts_with("error"));
    assert_eq!(output.status.code() == Some(0), errors.count() == 0);
    let lines = stderr.lines().filter(|line| !line.contains(CUT));
    (
        text(&output.stdout).to_string(),
        lines.collect::<Vec<_>>().join("\n"),
    )
}

/// What is said of an answer that the model did not end.
const CUT: &str = "was cut at 12 tokens (--max-new-tokens)";

#[test]
fn a_conversation_through_stdin() {
    let (q1, q2) = ("How many?", "And what colour?");
    let alone = |question: &str| chat(&["--max-new-tokens", "12", "--prompt", question]);
    let (first, second_alone) = (alone(q1), alone(q2));
    let (both, stderr) = converse(format!("{q1}\n{q2}\n").as_bytes());
    assert_eq!(stderr, "", "no prompt and no talk without a terminal");
    let second = both
        .strip_prefix(&first)
        .expect("the first answer as if alone");
    assert_ne!(second, second_alone, "the first exchange is remembered");

    let (out, stderr) = converse(format!("{q1}\n\n  \n/again\n/new\n{q2}\n").as_bytes());
    assert_eq!(out, format!("{first}{first}{second_alone}"));
    assert_eq!(stderr, "");

    // What goes wrong ends it: what comes behind was not meant for the picture that is still there.
    let bad = crate::fixture("tiny").join("config.json");
    let missing = "/image no such file.png";
    for (line, named) in [
        (format!("/image {}", bad.display()), "config.json"),
        (missing.to_string(), "no such file.png"),
    ] {
        let (out, stderr) = converse(format!("{q1}\n{line}\n{q2}\n").as_bytes());
        assert_eq!(out, first, "{line}");
        assert!(
            stderr.lines().count() == 1 && stderr.contains(named),
            "{stderr}"
        );
    }
    let (out, _) = converse(format!("{q1}\n/again\n{q2}\n/quit\n{q1}\n").as_bytes());
    assert_eq!(
        out,
        format!("{first}{first}{second}"),
        "and nothing after /quit"
    );

    // Another picture is another conversation.
    let (out, _) = converse(format!("{q2}\n/image {}\n{q1}\n", image(1)).as_bytes());
    assert_eq!(out, format!("{second_alone}{first}"));

    // A last line may lack its end.
    let (out, _) = converse(format!("/new\n{q1}").as_bytes());
    assert_eq!(out, first);
    for before in ["", "How many?\n/new\n"] {
        let (_, stderr) = converse(format!("{before}/again\n").as_bytes());
        assert!(stderr.contains("nothing was asked yet"), "{stderr}");
    }
}

#[test]
fn an_answer_that_was_cut_is_told_but_not_in_json() {
    let (model, image) = (tiny(), image(1));
    let args = [
        "chat",
        "--device",
        "cpu",
        "--max-new-tokens",
        "12",
        "--temperature",
        "0",
        "--model",
        &model,
        "--image",
        &image,
        "--prompt",
        "How many?",
    ];
    assert!(text(&run(&args).stderr).contains(CUT));
    assert_eq!(text(&run(&[&args[..], &["--json"]].concat()).stderr), "");
}

#[test]
fn a_line_that_is_no_text_ends_nothing() {
    let (out, stderr) = converse(b"caf\xe9?\n/new\nHow many?\n");
    assert!(out.ends_with(&chat(&["--max-new-tokens", "12", "--prompt", "How many?"])));
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn licenses_names_what_is_linked() {
    let told = stdout(&["licenses"]);
    let lock = include_str!("../../../../Cargo.lock");
    // Of this tree: the model, the device, the network, and a crate that only others ask for.
    for name in ["burn", "wgpu", "tokenizers", "rustls", "memchr"] {
        let begin = format!("name = \"{name}\"\nversion = \"");
        let from = lock.find(&begin).expect(name) + begin.len();
        let version = lock[from..].split('"').next().expect("a version");
        assert!(
            told.contains(&format!("\n{name} {version}: ")),
            "{name} {version}"
        );
    }
    for words in [
        "Rust's standard library",
        "DejaVu",
        "Apache License",
        "Mozilla Public License",
    ] {
        assert!(told.contains(words), "{words}");
    }
}
