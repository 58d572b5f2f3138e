//! What a command is given, in all the ways there are: pictures and questions from stdin, paths as people write them,
//! numbers, no model at all. And what it gives: completions and pages of the manual.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::server::Server;
use super::{
    PROGRAM, QUESTION, chat, image, json, refused, run, run_with_input, stdout, text, tiny,
};

fn picture() -> Vec<u8> {
    std::fs::read(image(1)).expect("fixture")
}

/// A chat with the small model, greedy.
fn asked(more: &[&str], input: &[u8]) -> Output {
    let model = tiny();
    let args = [
        "chat",
        "--device",
        "cpu",
        "--temperature",
        "0",
        "--model",
        &model,
    ];
    run_with_input(&[&args[..], more].concat(), input)
}

#[test]
fn a_picture_or_a_question_comes_from_stdin() {
    let expected = chat(&["--prompt", QUESTION]);
    let (picture, name) = (picture(), image(1));
    let given = asked(&["--image", "-", "--prompt", QUESTION], &picture);
    assert_eq!(text(&given.stdout), expected, "{}", text(&given.stderr));
    for question in [QUESTION.to_string(), format!("\u{feff}{QUESTION}\r\n\n")] {
        let given = asked(&["--image", &name, "--prompt", "-"], question.as_bytes());
        assert_eq!(text(&given.stdout), expected, "{}", text(&given.stderr));
    }

    // Written by another command's words too.
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("x.safetensors").display().to_string();
    let model = tiny();
    let stages = [
        "stages", "--device", "cpu", "--model", &model, "--out", &out,
    ];
    let args = [&stages[..], &["--image", "-", "--prompt", "Hi"]].concat();
    let given = run_with_input(&args, &picture);
    assert_eq!(given.status.code(), Some(0), "{}", text(&given.stderr));
    let args = [&stages[..], &["--image", "-", "--prompt", "-"]].concat();
    refused(&args, 2, &["--image -", "--prompt -"]);
}

#[test]
fn what_stdin_cannot_give_is_refused_by_name() {
    let says = |more: &[&str], input: &[u8], code: i32, words: &[&str]| {
        let output = asked(more, input);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{more:?}");
        for word in words {
            assert!(stderr.contains(word), "{more:?}: {word} is not in {stderr}");
        }
    };
    let image = ["--image", "-"];
    says(
        &["--image", "-", "--prompt", "-"],
        b"x",
        2,
        &["--image -", "--prompt -"],
    );
    says(&image, b"x", 2, &["--image -", "--prompt TEXT"]);
    says(
        &["--image", "-", "--prompt", "x"],
        b"",
        4,
        &["stdin", "nothing"],
    );
    says(
        &["--image", "-", "--prompt", "x"],
        b"no picture",
        4,
        &["stdin", "PNG"],
    );
    says(&["--prompt", "-"], b" \n", 2, &["empty"]);
    says(
        &["--prompt", "-"],
        &vec![b'x'; (1 << 20) + 1],
        2,
        &["--prompt -", "1 MiB"],
    );
    #[cfg(target_os = "linux")]
    for name in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        says(
            &["--image", name, "--prompt", "x"],
            &picture(),
            4,
            &[name, "--image -"],
        );
    }
    for address in ["https://example.org/a.png", "data:image/png;base64,AAAA"] {
        let words = ["none is fetched", "--image -"];
        says(&["--image", address, "--prompt", "x"], b"", 4, &words);
    }
    // In a conversation stdin is taken.
    let output = asked(&[], b"/image -\n");
    assert!(
        text(&output.stderr).contains("/image -"),
        "{}",
        text(&output.stderr)
    );
    // A folder cannot be read.
    #[cfg(unix)]
    {
        let folder = std::fs::File::open(".").expect("a folder");
        let model = tiny();
        let output = Command::new(PROGRAM)
            .args(["chat", "--device", "cpu", "--model", &model])
            .stdin(folder)
            .output()
            .expect("the program ends");
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("stdin"));
    }
}

#[test]
fn an_unknown_command_is_no_question() {
    for (line, words) in [
        ("/imge a.png", ["/imge", "/image"]),
        ("/foo", ["/foo", "no such command"]),
        ("/foo bar", ["/foo", "no such command"]),
        ("/sav", ["/sav", "/save"]),
    ] {
        // Neither it nor what comes behind it is answered.
        let script = format!("{line}\nHow many?\n");
        let output = asked(&["--max-new-tokens", "2"], script.as_bytes());
        let err = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
        assert!(words.iter().all(|word| err.contains(word)), "{err}");
    }
    let output = asked(&["--max-new-tokens", "2"], b"//foo\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!output.stdout.is_empty(), "a question with a slash is one");
}

#[test]
fn a_conversation_is_saved_where_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let [as_json, as_text] = ["a b.json", "a.txt"].map(|name| at(name).display().to_string());
    let script = format!(
        "How many?\n/again\nAnd now?\n/save '{as_json}'\n/save {as_text}\n/save {as_text}\n"
    );
    let nothing = asked(&[], format!("/save {as_text}\n").as_bytes());
    assert_eq!(nothing.status.code(), Some(7));
    assert!(text(&nothing.stderr).contains("nothing has been said"));
    let output = asked(
        &["--image", &image(1), "--max-new-tokens", "3"],
        script.as_bytes(),
    );
    let says = text(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{says}");
    assert!(says.contains("there already"), "{says}");
    let answers: Vec<&str> = text(&output.stdout).lines().collect();
    let saved = json(&std::fs::read_to_string(&as_json).unwrap());
    let turns = saved["topics"][0]["turns"].as_array().unwrap();
    assert_eq!(
        turns.len(),
        2,
        "an answer that was given again is there once"
    );
    assert_eq!(turns[1]["question"], "And now?");
    assert_eq!(saved["topics"][0]["picture"], image(1));
    let plain = std::fs::read_to_string(&as_text).unwrap();
    assert!(
        plain.contains("> How many?\n") && plain.contains("> And now?\n"),
        "{plain}"
    );
    assert!(answers.len() >= 3);
}

#[cfg(unix)]
#[test]
fn a_tilde_that_the_shell_left_is_the_home() {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(image(1), home.path().join("a b.png")).unwrap();
    let link = home.path().join("model");
    std::os::unix::fs::symlink(tiny(), &link).unwrap();
    let program = |args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command
            .args(args)
            .env("HOME", home.path())
            .stdin(Stdio::null());
        command.env("INF_LLAVA_MODEL", "~/model");
        let output = command.output().expect("the program ends");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout).to_string()
    };
    let chat = [
        "chat",
        "--device",
        "cpu",
        "--temperature",
        "0",
        "--prompt",
        QUESTION,
    ];
    let expected = super::chat(&["--prompt", QUESTION]);
    let address = format!("--image=file://{}/a%20b.png", home.path().display());
    for more in [
        ["--image=~/a b.png", "--model=~/model"],
        [&address, "--model=~/model"],
    ] {
        assert_eq!(program(&[&chat[..], &more].concat()), expected);
    }
    program(&["info"]);
    program(&["scenes", "--count", "1", "--out=~/scenes"]);
    assert!(home.path().join("scenes/scenes.json").is_file());
    program(&["vocabulary", "--scenes", "3", "--out=~/tokenizer.json"]);
    assert!(home.path().join("tokenizer.json").is_file());
    program(&["convert", "~/model", "~/small"]);
    program(&["verify", "~/small"]);
    program(&["man", "--out=~/man"]);
    assert!(home.path().join("man/inf-llava.1").is_file());
    assert!(!Path::new("~").exists());
}

/// A number that makes no sense is refused before anything is loaded, and named.
#[test]
fn a_number_that_makes_no_sense_is_refused() {
    let (model, train) = (tiny(), "train/demo/train.toml");
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out").display().to_string();
    let chat = [
        "chat", "--device", "cpu", "--model", &model, "--prompt", "x",
    ];
    let eval = ["eval", "--device", "cpu", "--model", &model];
    let scenes = ["scenes", "--out", &out];
    let mut cases: Vec<(Vec<&str>, &str, &str)> = Vec::new();
    for (option, wrong) in [
        (
            "--max-new-tokens",
            vec!["0", "-1", "1.5", "x", "99999999999999999999"],
        ),
        (
            "--temperature",
            vec!["-1", "NaN", "inf", "-inf", "101", "x"],
        ),
        ("--top-p", vec!["0", "-0.5", "1.5", "2", "NaN", "inf"]),
        ("--top-k", vec!["-1", "1.5"]),
        ("--repetition-penalty", vec!["0", "-1", "NaN", "inf", "11"]),
        ("--seed", vec!["-1", "1.5", "99999999999999999999"]),
        ("--context", vec!["0", "-1", "8193", "18446744073709551615"]),
    ] {
        cases.extend(
            wrong
                .into_iter()
                .map(|value| (chat.to_vec(), option, value)),
        );
    }
    for (command, option) in [
        (&eval[..], "--count"),
        (&eval, "--questions"),
        (&scenes, "--count"),
        (&[&scenes[..], &["--count", "1"]].concat(), "--questions"),
        (&["vocabulary", "--out", &out], "--scenes"),
        (&["vocabulary", "--out", &out], "--size"),
        (&["bench", "--device", "cpu"], "--runs"),
        (&["bench", "--device", "cpu"], "--layers"),
        (&["bench", "--device", "cpu"], "--context"),
        (&["bench", "--device", "cpu"], "--crops"),
        (&["serve", &model], "--timeout"),
        (&["serve", &model], "--memory"),
        (&["serve", &model], "--connections"),
    ] {
        for value in ["0", "-1", "x"] {
            cases.push((command.to_vec(), option, value));
        }
    }
    cases.push((vec!["train", train, "--out", &out], "--workers", "0"));
    for (command, option, value) in cases {
        let given = format!("{option}={value}");
        // The library's messages name an option as its field.
        let named = option
            .trim_start_matches('-')
            .split('-')
            .next()
            .expect("a word");
        refused(&[&command[..], &[given.as_str()]].concat(), 2, &[named]);
    }
    assert!(!dir.path().join("out").exists(), "nothing was begun");
}

/// Runs the program in `folder`, with nothing of this machine's user.
fn elsewhere(folder: &Path, model: Option<&str>, args: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command
        .args(args)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env_remove("INF_LLAVA_MODEL")
        .stdin(Stdio::null());
    if let Some(model) = model {
        command.env("INF_LLAVA_MODEL", model);
    }
    command.output().expect("the program ends")
}

#[test]
fn the_program_answers_from_any_folder() {
    let dir = tempfile::tempdir().unwrap();
    let root = crate::root().join("models/demo");
    let sample = root.join("samples/1.png").display().to_string();
    let ask = [
        "chat",
        "--device",
        "cpu",
        "--temperature",
        "0",
        "--image",
        &sample,
    ];
    let ask = [&ask[..], &["--prompt", "Read the white sign."]].concat();
    let carried = elsewhere(dir.path(), None, &ask);
    assert_eq!(carried.status.code(), Some(0), "{}", text(&carried.stderr));
    let model = root.display().to_string();
    assert_eq!(
        text(&carried.stdout),
        stdout(&[&ask[..], &["--model", &model]].concat())
    );

    let info = |more: &[&str]| {
        let output = elsewhere(dir.path(), None, &[&["info", "--json"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        json(text(&output.stdout))
    };
    let (carried, named) = (info(&[]), info(&["--model", &model]));
    assert_eq!(carried["parameters"], named["parameters"]);
    assert_eq!(carried["identity"].as_str().map(str::len), Some(64));
    let eval = [
        "eval", "--device", "cpu", "--count", "6", "--seed", "9", "--json",
    ];
    let score = |more: &[&str]| {
        let output = elsewhere(dir.path(), None, &[&eval[..], more].concat());
        json(text(&output.stdout))
    };
    assert_eq!(score(&[]), score(&["--model", &model]));
    // To answer, nothing is written.
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
}

#[test]
fn the_model_in_the_program_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache").display().to_string();
    let mut answers = Vec::new();
    for again in [false, true] {
        if again {
            // What was damaged meanwhile is written again.
            let folder = std::fs::read_dir(format!("{cache}/inf-llava")).unwrap();
            let folder = folder.flatten().next().unwrap().path().join("demo");
            std::fs::write(folder.join("config.json"), "{}").unwrap();
        }
        // Without the folder that every other test names.
        let script = "exec env -u INF_LLAVA_MODEL XDG_CACHE_HOME=\"$PWD/cache\" \"$0\" serve --port 0 --device cpu";
        let server = Server::start_by(&["sh", "-c", script], dir.path(), Path::new("unheard"), &[]);
        let answer = server.complete(&serde_json::json!({
            "model": "demo", "temperature": 0, "max_tokens": 4,
            "messages": [{"role": "user", "content": "How many red shapes are there?"}],
        }));
        assert_eq!(answer.status, 200, "{}", answer.json());
        answers.push(answer.json()["choices"][0]["message"]["content"].clone());
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn a_model_that_is_not_there_is_told_with_who_named_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notes.txt");
    std::fs::write(&file, "{}").unwrap();
    let file = file.display().to_string();
    for args in [
        &["info"][..],
        &["chat", "--prompt", "x"],
        &["eval"],
        &["parity"],
    ] {
        for (path, words) in [("nowhere", "is missing"), (&file, "a model is a folder")] {
            let told = |output: Output| {
                let says = text(&output.stderr).to_string();
                assert_eq!(output.status.code(), Some(3), "{args:?}: {says}");
                assert!(
                    says.contains(path) && says.contains(words),
                    "{args:?}: {says}"
                );
                says
            };
            let named = elsewhere(dir.path(), None, &[args, &["--model", path]].concat());
            assert!(told(named).contains("--model"));
            let named = elsewhere(dir.path(), Some(path), args);
            assert!(told(named).contains("$INF_LLAVA_MODEL"));
        }
    }
    // The server heeds the variable as well.
    let served = elsewhere(dir.path(), Some("nowhere"), &["serve", "--port", "0"]);
    assert_eq!(served.status.code(), Some(3));
    assert!(
        text(&served.stderr).contains("$INF_LLAVA_MODEL"),
        "{}",
        text(&served.stderr)
    );
}

/// The tests' set-up has a software adapter and may have nothing better.
#[test]
fn auto_takes_no_software_adapter() {
    let model = tiny();
    let device = |name: &str| {
        let args = ["chat", "--json", "--model", &model, "--max-new-tokens", "2"];
        let args = [&args[..], &["--prompt", "Hi", "--device", name]].concat();
        json(&stdout(&args))["device"]
            .as_str()
            .expect("device")
            .to_string()
    };
    let auto = device("auto");
    assert!(!auto.contains("software"), "{auto}");
    assert_ne!(
        device("wgpu"),
        device("cpu"),
        "which --device wgpu still takes"
    );
}

#[test]
fn what_an_answer_took_is_told_in_seconds() {
    let args = [
        "chat",
        "--device",
        "cpu",
        "--temperature",
        "0",
        "--max-new-tokens",
        "4",
    ];
    let (model, image) = (tiny(), image(1));
    let more = [
        "--model",
        &model,
        "--image",
        &image,
        "--prompt",
        "Hi",
        "--verbose",
    ];
    let output = run(&[&args[..], &more].concat());
    let told = text(&output.stderr);
    assert!(told.contains(" s: ") && told.contains("tokens"), "{told}");
    assert!(
        !told.contains("a second"),
        "four tokens have no speed: {told}"
    );
}

#[test]
fn shells_and_man_are_told_of_every_command() {
    let help = stdout(&["--help"]);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(
        commands.len() > 10 && commands.contains(&"completions"),
        "{commands:?}"
    );
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(&["completions", shell]);
        for word in commands.iter().chain(&["max-new-tokens"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    refused(&["completions"], 2, &["SHELL"]);
    refused(&["completions", "tcsh"], 2, &["bash"]);

    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("man1").display().to_string();
    stdout(&["man", "--out", &out]);
    let mut written: Vec<String> = std::fs::read_dir(&out)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    written.sort();
    let mut expected: Vec<String> = commands
        .iter()
        .map(|name| format!("inf-llava-{name}.1"))
        .collect();
    expected.push("inf-llava.1".into());
    expected.sort();
    assert_eq!(written, expected);
    for (args, page, words) in [
        (
            &["man"][..],
            "inf-llava.1",
            vec!["Exit codes", "141", "chat"],
        ),
        (
            &["man", "chat"],
            "inf-llava-chat.1",
            vec!["top\\-p", "image", "inf\\-llava chat"],
        ),
    ] {
        let printed = stdout(args);
        let kept = std::fs::read_to_string(format!("{out}/{page}")).unwrap();
        assert_eq!(printed.trim_end(), kept.trim_end());
        assert!(printed.contains(".TH"), "{printed}");
        for word in words {
            assert!(printed.contains(word), "{page}: {word}: {printed}");
        }
    }
    refused(&["man", "dream"], 2, &["dream"]);
}

#[cfg(target_os = "linux")]
#[test]
fn bash_takes_the_completions() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("completions");
    std::fs::write(&script, stdout(&["completions", "bash"])).unwrap();
    // The words up to the one that is completed, as bash hands them over.
    let ask = "source \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
               function=$(complete -p inf-llava | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
               $function inf-llava \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[@]}\"";
    for (words, completed) in [
        (&["ch"][..], "chat"),
        (&["chat", "--temp"], "--temperature"),
        (&["chat", "--device", "cp"], "cpu"),
        (&["serve", "--allow-o"], "--allow-origin"),
        (&["completions", "fi"], "fish"),
    ] {
        let output = Command::new("bash")
            .args(["--norc", "-c", ask])
            .arg(&script)
            .arg("inf-llava")
            .args(words)
            .output()
            .expect("bash");
        let found = text(&output.stdout);
        assert_eq!(
            found.trim(),
            completed,
            "{words:?}: {}",
            text(&output.stderr)
        );
    }
}
