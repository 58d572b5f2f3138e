//! Models by name: `models` lists them, and a hub on this machine has one.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{PROGRAM, json as parsed, stdout, text, tiny};
use crate::hub_peer::{Peer, Repository, WEIGHTS};
use inf_llava::known;

#[test]
fn the_table_is_told_in_100_columns_and_as_json() {
    let told = stdout(&["models"]);
    for line in told.lines() {
        let columns = line.chars().count();
        assert!(columns <= 100, "{columns} columns: {line}");
    }
    for known in known::all() {
        let id = known.id.as_deref().unwrap_or("in this program");
        for part in [&known.short, id, &known.license, &known.good_for] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }
    let listed: Vec<known::Known> = serde_json::from_str(&stdout(&["models", "--json"])).unwrap();
    assert_eq!(listed, known::all());
}

#[test]
fn the_model_in_the_program_has_a_name() {
    let info = parsed(&stdout(&["info", "--json", "--model", "demo"]));
    assert_eq!(info["model"], "the demo model in the program");
    let known = known::Known::find("demo").unwrap();
    assert_eq!(info["parameters"], known.parameters);
    assert_eq!(info["memory_bytes"]["total"], known.memory_bytes);
}

/// The repository `owner/name` with the files of the fixture `tiny`.
fn of_tiny() -> Repository {
    let mut repository = Repository::honest();
    repository.files.clear();
    for entry in std::fs::read_dir(tiny()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            repository.files.insert(name, std::fs::read(&path).unwrap());
        }
    }
    repository
}

fn program(hub: &str, home: &Path, args: &[&str], more: &[(&str, &str)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(args).current_dir(home);
    command.env("HF_ENDPOINT", hub).env("HF_HOME", home);
    command.env_remove("INF_LLAVA_MODEL").env_remove("HF_TOKEN");
    command.envs(more.iter().copied());
    command.stdin(std::process::Stdio::null());
    command.output().unwrap()
}

fn info(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    parsed(text(&output.stdout))
}

/// Every way to name a repository leads to the same model, which is downloaded once.
#[test]
fn a_repository_is_loaded_by_its_name() {
    let hub = of_tiny().serve();
    let home = tempfile::tempdir().unwrap();
    let local = parsed(&stdout(&["info", "--json", "--model", &tiny()]));
    let check = |found: Value, name: &str| {
        assert_eq!(found["model"], "owner/name", "{name}");
        for key in ["parameters", "stored_bytes", "files", "prompt"] {
            assert_eq!(found[key], local[key], "{name}: {key}");
        }
    };
    let args = |name| ["info", "--json", "--model", name];
    let address = format!("{}/owner/name/tree/main", hub.url);
    for (at, name) in ["owner/name", "owner/name@main", "hf:owner/name", &address]
        .into_iter()
        .enumerate()
    {
        let before = hub.asked().len();
        check(
            info(&program(&hub.url, home.path(), &args(name), &[])),
            name,
        );
        let asked = &hub.asked()[before..];
        let only_listed = asked.iter().all(|asked| asked.path.starts_with("/api/"));
        assert_eq!(only_listed, at > 0, "{name}: {asked:?}");
    }
    let variable = [("INF_LLAVA_MODEL", "owner/name")];
    check(
        info(&program(
            &hub.url,
            home.path(),
            &["info", "--json"],
            &variable,
        )),
        "the variable",
    );
    let before = hub.asked().len();
    let offline = [("HF_HUB_OFFLINE", "1")];
    check(
        info(&program(
            &hub.url,
            home.path(),
            &args("owner/name"),
            &offline,
        )),
        "offline",
    );
    assert_eq!(hub.asked().len(), before);
}

/// A folder of the same name is what is meant, and nobody is asked.
#[test]
fn a_folder_comes_before_a_repository() {
    let hub = of_tiny().serve();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("owner/name")).unwrap();
    let args = ["info", "--model", "owner/name"];
    let output = program(&hub.url, home.path(), &args, &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("config.json"));
    assert_eq!(hub.asked().len(), 0);
}

/// What the hub does not give, or what cannot be loaded, is refused with code 3 and with what to do.
#[test]
fn what_is_not_had_from_the_hub_says_what_to_do() {
    let mut pickled = of_tiny();
    let weights: Vec<String> = pickled
        .files
        .keys()
        .filter(|name| name.ends_with(".safetensors"))
        .cloned()
        .collect();
    for name in weights {
        pickled.files.remove(&name);
    }
    pickled
        .files
        .insert("pytorch_model.bin".into(), vec![1; 1000]);
    let gated = of_tiny();
    let gated = Peer::start(move |asked, before| {
        let mut reply = gated.answer(asked, before);
        if asked.path.ends_with(".safetensors") {
            reply.head =
                "HTTP/1.1 401 Unauthorized\r\nX-Error-Code: GatedRepo\r\nContent-Length: 0".into();
            reply.body = crate::hub_peer::Body::Whole(Vec::new());
        }
        reply
    });
    let hub = of_tiny().serve();
    let (pickled, home) = (pickled.serve(), tempfile::tempdir().unwrap());
    for (hub, name, words) in [
        (
            &hub,
            "owner/other",
            ["no folder is called owner/other", "HF_TOKEN"],
        ),
        (&hub, "owner/name@v9", ["owner/name", "v9"]),
        (
            &gated,
            "hf:owner/name",
            ["owner/name is gated", "accept its licence"],
        ),
        (
            &pickled,
            "owner/name",
            ["torch.save", "inf-llava convert owner/name FOLDER"],
        ),
    ] {
        let output = program(&hub.url, home.path(), &["info", "--model", name], &[]);
        let says = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{name}: {says}");
        for word in words {
            assert!(says.contains(word), "{name}: {word} is not in {says}");
        }
    }
}

/// A large download is told of, with its licence; nobody is asked where nobody can answer.
#[test]
fn a_large_download_is_told_with_its_licence() {
    let hub = large().serve();
    let home = tempfile::tempdir().unwrap();
    let output = program(
        &hub.url,
        home.path(),
        &["info", "--model", "owner/name"],
        &[],
    );
    let says = text(&output.stderr);
    // What is downloaded is no model.
    assert_eq!(output.status.code(), Some(3), "{says}");
    for word in [
        "owner/name: 21 MB to download",
        "licence of the weights: llama3",
    ] {
        assert!(says.contains(word), "{word} is not in {says}");
    }
    assert!(!says.contains("[y/N]"), "{says}");
    let snapshots = home.path().join("hub/models--owner--name/snapshots");
    assert_eq!(std::fs::read_dir(snapshots).unwrap().count(), 1);
}

/// A repository whose download is asked about.
pub fn large() -> Repository {
    let mut repository = Repository::honest();
    repository.files.insert(WEIGHTS.into(), vec![0; 21_000_000]);
    repository.card = json!({"license": "llama3"});
    repository
}
