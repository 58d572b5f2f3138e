//! The program as those meet it who train: `scenes`, `vocabulary`, `train`, `eval`, `ablate`.

use std::path::Path;

use tempfile::TempDir;

use super::{json, refused, run, stdout, text, tiny};

/// A folder with a training file of one stage, `more` lines of it, from `tiny`.
fn training(more: &str) -> (TempDir, String, String) {
    let dir = TempDir::new().expect("a folder");
    let file = dir.path().join("train.toml");
    let model = tiny();
    let lines = format!(
        "seed = 3\nmodel = {model:?}\n[[stage]]\nname = \"short\"\nkind = \"instruction\"\nunits = 2\n\
         learning_rate = 1e-3\npictures = 3\nquestions = 2\n{more}\n"
    );
    std::fs::write(&file, lines).expect("written");
    let out = dir.path().join("out").display().to_string();
    let file = file.display().to_string();
    (dir, file, out)
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).expect("a folder");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), std::fs::read(&path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_seed_writes_the_same_folder_of_scenes_twice() {
    let dir = TempDir::new().expect("a folder");
    let write = |name: &str, seed: &str| {
        let out = dir.path().join(name);
        let folder = out.display().to_string();
        stdout(&["scenes", "--seed", seed, "--count", "2", "--out", &folder]);
        let json_file = std::fs::read_to_string(out.join("scenes.json")).expect("JSON");
        assert_eq!(json(&json_file).as_array().expect("entries").len(), 2);
        (json_file, files(&out.join("images")))
    };
    let first = write("a", "4");
    assert_eq!(first, write("b", "4"));
    assert_ne!(first.1, write("c", "5").1);
    let folder = dir.path().join("a").display().to_string();
    refused(
        &["scenes", "--count", "1", "--out", &folder],
        7,
        &["scenes.json"],
    );
}

#[test]
fn a_vocabulary_speaks_of_scenes_in_few_tokens() {
    let dir = TempDir::new().expect("a folder");
    let file = dir.path().join("tokenizer.json").display().to_string();
    stdout(&[
        "vocabulary",
        "--scenes",
        "200",
        "--size",
        "600",
        "--out",
        &file,
    ]);
    let bytes = std::fs::read(&file).expect("the tokenizer");
    let tokenizer = inf_llava::text::Tokenizer::from_bytes(&file, &bytes).expect("a tokenizer");
    let ids = tokenizer
        .encode_user("How many red circles are there?")
        .expect("ids");
    assert!(ids.len() <= 9, "{ids:?}");
    assert!(tokenizer.vocab_size() <= 606);
}

#[test]
fn training_writes_a_model_that_can_be_scored() {
    let (dir, file, out) = training("steps = 3");
    let reports = stdout(&["train", &file, "--out", &out, "--json", "--workers", "1"]);
    let reports: Vec<_> = reports.lines().map(json).collect();
    let steps = reports.iter().filter_map(|report| report["step"].as_u64());
    assert_eq!(steps.collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(reports[3]["model"], format!("{out}/model"));

    // Without --resume what is there is not touched.
    let before = files(&dir.path().join("out/short"));
    refused(&["train", &file, "--out", &out], 2, &["--resume"]);
    stdout(&["train", &file, "--out", &out, "--resume", "--workers", "1"]);
    assert_eq!(before, files(&dir.path().join("out/short")));

    let model = format!("{out}/model");
    let eval = |more: &[&str]| {
        let mut args = vec!["eval", "--model", &model, "--device", "cpu", "--json"];
        args.extend(["--seed", "9", "--count", "8"]);
        args.extend(more);
        json(&stdout(&args))
    };
    let scores = eval(&[]);
    assert_eq!(scores["count"], 8);
    let overall = scores["overall"].as_f64().expect("a share");
    assert!((0.0..=1.0).contains(&overall));
    let interval = scores["interval"].as_array().expect("two ends");
    assert!(interval[0].as_f64() <= Some(overall) && Some(overall) <= interval[1].as_f64());
    assert!(scores["families"].is_object() && scores["held_out"].is_object());
    assert_eq!(eval(&["--blind"])["count"], 8);

    // Its own scenes as LLaVA's format: the same program, another reader.
    let scenes = dir.path().join("scenes").display().to_string();
    stdout(&[
        "scenes",
        "--count",
        "2",
        "--questions",
        "2",
        "--out",
        &scenes,
    ]);
    let data = format!("{scenes}/scenes.json");
    let output = run(&[
        "eval", "--model", &model, "--device", "cpu", "--json", "--data", &data, "--images",
        &scenes,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(json(text(&output.stdout))["count"], 4);
}

#[test]
fn a_training_file_that_cannot_be_read_is_refused() {
    let (_dir, file, out) = training("steps = 0");
    refused(
        &["train", &file, "--out", &out],
        3,
        &["train.toml", "short", "steps"],
    );
    refused(
        &["train", "nowhere.toml", "--out", &out],
        3,
        &["nowhere.toml"],
    );
}

#[test]
fn ablations_are_trained_scored_and_written_as_tables() {
    let dir = TempDir::new().expect("a folder");
    let file = dir.path().join("ablation.toml");
    let model = tiny();
    let lines = format!(
        "model = {model:?}\nseeds = [1, 2]\nexam_seed = 5\nexam_count = 6\n\
         [[stage]]\nname = \"short\"\nkind = \"instruction\"\nsteps = 1\nunits = 2\n\
         learning_rate = 1e-3\npictures = 2\nquestions = 1\n\
         [[table]]\ntitle = \"Directions\"\npaper_columns = [\"POPE\"]\n\
         [[table.row]]\nname = \"both\"\nid = \"both\"\npaper = [86.94]\n\
         [[table.row]]\nname = \"global only\"\nid = \"global\"\n\
         inf_llava = {{ enhancement = \"global\" }}\npaper = [86.15]\n"
    );
    std::fs::write(&file, lines).expect("written");
    let (file, out) = (
        file.display().to_string(),
        dir.path().join("out").display().to_string(),
    );
    let table_file = dir.path().join("table.md").display().to_string();
    let args = ["ablate", &file, "--out", &out, "--table", &table_file];
    let tables = stdout(&args);
    for word in ["Directions", "both", "global only", "86.94", "86.15"] {
        assert!(tables.contains(word), "{word} is not in {tables}");
    }
    assert_eq!(
        std::fs::read_to_string(&table_file)
            .expect("the tables")
            .trim(),
        tables.trim()
    );
    // Each configuration once with each seed; the second time nothing is trained again.
    let outcomes = || {
        ["both-1", "both-2", "global-1", "global-2"].map(|run| {
            let file = dir.path().join("out").join(run).join("outcome.json");
            std::fs::metadata(file)
                .expect("an outcome")
                .modified()
                .expect("a time")
        })
    };
    let before = outcomes();
    assert_eq!(stdout(&args), tables);
    assert_eq!(before, outcomes());
}
