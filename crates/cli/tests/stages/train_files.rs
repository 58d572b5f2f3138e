//! Training files: the committed ones, those with a mistake, and which questions a stage asks for.

use inf_llava::config::Config;
use inf_llava::dataset::Template;
use inf_llava::text::Tokenizer;
use inf_llava_cli::scenes::SceneOptions;
use inf_llava_cli::train::checkpoint::{Companions, read_companions};
use inf_llava_cli::train::data::Data;
use inf_llava_cli::train::file::{Kind, TrainFile, configure};
use tempfile::TempDir;

use crate::fixture;

#[test]
fn what_is_left_out_is_not_asked() {
    let json = std::fs::read(fixture("tiny").join("tokenizer.json")).unwrap();
    let tokenizer = Tokenizer::from_bytes("tokenizer.json", &json).unwrap();
    let texts = |leave_out: &[&str], families: &[&str], often: &[&str]| -> String {
        let owned = |words: &[&str]| words.iter().map(|w| w.to_string()).collect();
        let data = Data::Scenes {
            seed: 3,
            options: SceneOptions::default(),
            pictures: 20,
            questions: 12,
            families: owned(families),
            often: owned(often),
            leave_out: owned(leave_out),
            descriptions: 0.125,
        };
        (0..20)
            .map(|index| {
                let lesson = data.lesson(index, 0, Template::Facts, &tokenizer, 501, None);
                let ids: Vec<u32> = lesson.unwrap().example.sequence.text_ids().collect();
                tokenizer.decode(&ids).unwrap()
            })
            .collect()
    };
    let all = texts(&[], &["relation"], &[]);
    let some = texts(&["right of", "below"], &["relation"], &[]);
    for (words, is_left) in [("right of", false), ("below", false), ("left of", true)] {
        assert!(all.contains(words), "{words}");
        assert_eq!(some.contains(words), is_left, "{words}");
    }
    let any = texts(&[], &[], &[]);
    assert!(!all.contains("number of") && any.contains("number of"));
    // Whoever compares bars is told their heights.
    assert!(all.contains("height of the"));
    // Half are of the families asked for often, and no family goes unasked.
    let often = texts(&[], &[], &["counting"]);
    let [counts, fewer] = [&often, &any].map(|texts| texts.matches("number of").count());
    assert!(counts * 2 > fewer * 3, "{counts} of {fewer}");
    for words in ["of the sign", "quarter of", "tallest bar"] {
        assert!(often.contains(words), "{words}");
    }
}

#[test]
fn the_committed_training_files_can_be_read() {
    let root = crate::root().join("train");
    let read = |file: &str| TrainFile::read(&root.join(file)).unwrap();
    let (base, demo) = (read("base/train.toml"), read("demo/train.toml"));
    assert!(base.fresh && base.stage.iter().any(|s| s.kind == Kind::Tower));
    assert!(!demo.fresh && demo.stage.iter().any(|s| s.kind == Kind::Instruction));
    let file = demo;
    let companions: Companions = read_companions(&file.model).unwrap();
    let generation = companions.get("generation_config.json").map(Vec::as_slice);
    let config = Config::from_json(&companions["config.json"], generation).unwrap();
    let tokenizer = Tokenizer::from_bytes("tokenizer.json", &companions["tokenizer.json"]).unwrap();
    assert_eq!(tokenizer.vocab_size(), config.decoder.vocab_size);

    for stage in base.stage.iter().chain(&file.stage) {
        let json = configure(&companions["config.json"], &stage.inf_llava).unwrap();
        Config::from_json(&json, generation).unwrap();
    }

    let ablation =
        inf_llava_cli::train::ablation::AblationFile::read(&root.join("ablation/ablation.toml"));
    for row in ablation.unwrap().rows() {
        let json = configure(&companions["config.json"], &row.inf_llava).unwrap();
        Config::from_json(&json, generation).unwrap();
    }
}

#[test]
fn a_training_file_with_a_mistake_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("train.toml");
    for (line, wanted) in [
        ("steps = 0", "steps"),
        ("learning_rate = -1", "learning_rate"),
        ("step = 5", "step"),
        ("warm_up = 2", "warm_up"),
        ("data = \"a.json\"", "images"),
        ("name = \"../out\"", "name"),
    ] {
        let mut entries = vec![
            "name = \"one\"",
            "kind = \"tower\"",
            "steps = 5",
            "units = 1",
            "learning_rate = 1e-3",
        ];
        let key = line.split(' ').next().unwrap();
        entries.retain(|entry| entry.split(' ').next() != Some(key));
        entries.push(line);
        let text = format!(
            "seed = 1\nmodel = \".\"\n[[stage]]\n{}\n",
            entries.join("\n")
        );
        std::fs::write(&file, text).unwrap();
        let error = TrainFile::read(&file).unwrap_err().to_string();
        assert!(error.contains(wanted), "{line}: {error}");
    }
}
