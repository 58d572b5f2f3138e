//! The program's help, where it finds its model, and its exit codes.

use std::path::Path;
use std::process::Command;

use super::files::copy_of_tiny;
use super::{PROGRAM, image, json, refused, run, stdout, text, tiny};

#[test]
fn help_is_good_enough_to_learn_from() {
    let help = stdout(&["--help"]);
    for word in [
        "Exit codes",
        "130",
        "Examples",
        "chat",
        "stages",
        "parity",
        "info",
        "--model",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    for (command, words) in [
        (
            "chat",
            vec![
                "--image",
                "--prompt",
                "--temperature",
                "--seed",
                "--dense",
                "--json",
            ],
        ),
        ("stages", vec!["--force-ids", "--out", "--dense"]),
        ("parity", vec!["--device", "--json"]),
        ("info", vec!["--model", "--json"]),
    ] {
        let help = stdout(&[command, "--help"]);
        for word in words {
            assert!(help.contains(word), "{command} {word}: {help}");
        }
    }
    assert!(stdout(&["--version"]).starts_with("inf-llava "));
}

#[test]
fn exit_codes_are_as_documented() {
    let (model, image) = (tiny(), image(1));
    let chat = |more: &[&str], code, words: &[&str]| {
        let mut args = vec!["chat", "--device", "cpu", "--model", &model];
        args.extend(more);
        refused(&args, code, words);
    };
    // 2: the command line
    refused(&[], 2, &["Usage"]);
    refused(&["dream"], 2, &["dream"]);
    refused(
        &[
            "chat", "--model", &model, "--device", "abacus", "--prompt", "x",
        ],
        2,
        &["abacus"],
    );
    chat(&["--prompt", ""], 2, &["empty"]);
    chat(&["--prompt", " \n "], 2, &["empty"]);
    chat(&["--json"], 2, &["--prompt"]);
    chat(&["--prompt", "x", "--temperature=-1"], 2, &["temperature"]);
    chat(
        &["--prompt", "x", "--temperature", "NaN"],
        2,
        &["temperature"],
    );
    chat(&["--prompt", "x", "--top-p", "0"], 2, &["top"]);
    chat(
        &["--prompt", "x", "--context", "8193"],
        2,
        &["8193", "8192"],
    );
    let stages = [
        "stages", "--device", "cpu", "--model", &model, "--image", &image, "--out", "x",
    ];
    refused(&[&stages[..], &["--prompt", ""]].concat(), 2, &["empty"]);
    refused(
        &[&stages[..], &["--prompt", "x", "--force-ids", "507"]].concat(),
        2,
        &["507"],
    );
    // 4: the picture
    chat(
        &["--prompt", "x", "--image", "nowhere.png"],
        4,
        &["nowhere.png"],
    );
    let json = format!("{model}/config.json");
    chat(
        &["--prompt", "x", "--image", &json],
        4,
        &["config.json", "PNG"],
    );
    let dir = tempfile::tempdir().expect("a folder");
    let cut = dir.path().join("cut.png");
    let whole = std::fs::read(&image).expect("fixture");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("written");
    chat(
        &["--prompt", "x", "--image", cut.to_str().expect("a path")],
        4,
        &["cut.png"],
    );
    // 5: it does not fit
    chat(&["--prompt", "x", "--context", "20"], 5, &["20"]);
    chat(&["--prompt", "x", "--context", "0"], 2, &["0"]);
}

#[test]
fn a_broken_model_folder_is_code_3() {
    let ask = |dir: &Path, words: &[&str]| {
        let model = dir.display().to_string();
        refused(&["info", "--model", &model], 3, words);
        refused(
            &[
                "chat", "--device", "cpu", "--model", &model, "--prompt", "x",
            ],
            3,
            words,
        );
    };
    ask(Path::new("no/such/folder"), &["no/such/folder"]);
    ask(
        tempfile::tempdir().expect("a folder").path(),
        &["config.json"],
    );
    for (file, content) in [
        ("config.json", "{\"hidden_size\": 1"),
        ("model.safetensors.index.json", "{}"),
        (
            "model-00002-of-00002.safetensors",
            "<html>Entry not found</html>",
        ),
    ] {
        let dir = copy_of_tiny();
        std::fs::write(dir.path().join(file), content).expect("written");
        ask(dir.path(), &[&format!("{}/{file}", dir.path().display())]);
    }
    let dir = copy_of_tiny();
    std::fs::write(dir.path().join("tokenizer.json"), "{}").expect("written");
    let model = dir.path().display().to_string();
    let args = [
        "chat", "--device", "cpu", "--model", &model, "--prompt", "x",
    ];
    refused(&args, 3, &["tokenizer.json"]);
}

#[test]
fn a_folder_without_expectations_has_no_parity() {
    let dir = copy_of_tiny();
    std::fs::remove_file(dir.path().join("expected.json")).expect("removed");
    let model = dir.path().display().to_string();
    let output = run(&["parity", "--device", "cpu", "--model", &model]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("expected.json"));
}

#[test]
fn the_model_may_come_from_the_environment_or_a_folder_above() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let program = |folder: &Path, model: Option<&str>| {
        let mut command = Command::new(PROGRAM);
        command
            .args(["info", "--json"])
            .current_dir(folder)
            .env_remove("INF_LLAVA_MODEL");
        if let Some(model) = model {
            command.env("INF_LLAVA_MODEL", model);
        }
        command.output().expect("the program ends")
    };
    let named = program(elsewhere.path(), Some(&tiny()));
    assert_eq!(json(text(&named.stdout))["parameters"], 510_248);
    // Else it is the one in the program.
    let none = json(text(&program(elsewhere.path(), None).stdout));
    assert_ne!(none["parameters"], 510_248);

    let below = elsewhere.path().join("a/b");
    std::fs::create_dir_all(&below).expect("folders");
    std::fs::create_dir(elsewhere.path().join("models")).expect("a folder");
    let copy = copy_of_tiny();
    let demo = elsewhere.path().join("models/demo");
    std::fs::rename(copy.path(), &demo).expect("moved");
    let found = json(text(&program(&below, None).stdout));
    assert_eq!(found["parameters"], 510_248);
}

/// `info` promises memory for a context; it must not promise what `chat` refuses.
#[test]
fn info_knows_the_longest_context() {
    let model = tiny();
    let info = |context: &str| {
        let args = ["info", "--model", &model, "--context", context];
        refused(&args, 2, &["context", context, "8192"]);
    };
    info("8193");
    info("18446744073709551615");
    let fits = stdout(&["info", "--json", "--model", &model, "--context", "8192"]);
    assert_eq!(json(&fits)["context_tokens"], 8192);
}
