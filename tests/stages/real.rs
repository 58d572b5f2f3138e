//! A decoder with real weights, SmolLM2-135M-Instruct, beside transformers (tests/real/smollm2.json): equal ids in f32, and how
//! many are equal in 8 and in 4 bits. The weights are not part of the repository: `cargo xtask test native --all` writes
//! them (`cargo xtask checkpoint --real smollm2-135m`, a download of 92 MB) and runs this.

use std::path::PathBuf;
use std::rc::Rc;

use inf_llava::generate::Sampling;
use inf_llava::model::{Model, read_config};
use inf_llava::progress::Watch;
use inf_llava::session::{AskOptions, Session};
use inf_llava::spec::plan::Coverage;
use inf_llava::weights::about::About;
use inf_llava::weights::arrange::Precision;
use inf_llava::weights::checkpoint::Checkpoint;
use inf_llava::weights::convert::Conversion;
use inf_llava::weights::folder::Folder;
use inf_llava::weights::manifest::SHARD_BYTES;
use serde::Deserialize;
use serde_json::json;

use crate::{block_on, load_folder, root};

/// Ids of an answer of which the share is told in fewer bits.
const FIRST: usize = 16;

#[derive(Deserialize)]
struct Expected {
    near_tie: f32,
    stop_ids: Vec<u32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    messages: Vec<Said>,
    input_ids: Vec<i32>,
    greedy_ids: Vec<u32>,
    top2_margins: Vec<f32>,
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

impl Case {
    /// The conversation up to its last question, and that question.
    fn asked(&self, model: &Rc<Model>) -> (Session, String) {
        let mut session = Session::new(model.clone(), Coverage::Live);
        let mut question = String::new();
        for Said { role, content } in &self.messages {
            match role.as_str() {
                "system" => session.set_system(content),
                "user" => question.clone_from(content),
                _ => block_on(session.restore_turn(&question, content)).expect("a turn"),
            }
        }
        (session, question)
    }

    /// The greedy answer, of at most `most` ids.
    fn answered(&self, model: &Rc<Model>, most: usize) -> (Vec<i32>, Vec<u32>) {
        let (mut session, question) = self.asked(model);
        let options = AskOptions {
            sampling: Sampling::greedy(),
            max_new_tokens: most,
            ..AskOptions::default()
        };
        let answer = block_on(session.ask(&question, &options, &mut Watch::nobody()));
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        (answer.input_ids, answer.token_ids)
    }
}

/// The folder of the weights.
fn weights() -> PathBuf {
    let folder = std::env::var_os("SMOLLM2").expect("SMOLLM2 names the folder of the weights");
    root().join(folder)
}

fn expected() -> Expected {
    let json = std::fs::read(root().join("tests/real/smollm2.json")).expect("expectations");
    serde_json::from_slice(&json).expect("JSON")
}

#[test]
#[ignore = "needs the weights: cargo xtask test native --all"]
fn smollm2_answers_as_in_transformers() {
    let (model, expected) = (load_folder(&weights(), "cpu"), expected());
    assert_eq!(expected.cases.len(), 20);
    assert_eq!(model.config.eos_token_ids, expected.stop_ids);
    let mut compared = 0;
    for case in &expected.cases {
        let (input_ids, found) = case.answered(&model, case.greedy_ids.len());
        assert_eq!(input_ids, case.input_ids, "{}", case.name);
        // Behind a near tie either may go its own way; behind a stop id only transformers went on.
        let is_near = |margin: &f32| *margin < expected.near_tie;
        let margins = case.top2_margins.iter();
        let until = margins.clone().position(is_near).unwrap_or(margins.len());
        let is_stop = |id: &u32| expected.stop_ids.contains(id);
        let stops = case.greedy_ids.iter().position(is_stop);
        let until = until.min(stops.map_or(usize::MAX, |at| at + 1));
        assert_eq!(
            found[..until.min(found.len())],
            case.greedy_ids[..until],
            "{}",
            case.name
        );
        compared += until;
    }
    eprintln!("{compared} ids compared, all equal");
    assert!(compared > 300, "{compared}");
}

#[test]
#[ignore = "needs the weights: cargo xtask test native --all"]
fn smollm2_in_fewer_bits() {
    let (folder, expected) = (Folder::new(weights()), expected());
    let checkpoint = block_on(Checkpoint::open(Folder::new(weights()))).expect("a checkpoint");
    let (config, _) = block_on(read_config(&folder)).expect("a configuration");
    let json = std::fs::read(weights().join("config.json")).expect("config.json");
    let mut shares = Vec::new();
    for bits in ["q8", "q4"] {
        let destination = tempfile::tempdir().expect("a folder");
        let destination = destination.path().join(bits);
        let files = [
            "tokenizer.json",
            "tokenizer_config.json",
            "chat_template.jinja",
        ];
        let about = About {
            name: bits.into(),
            revision: "local".into(),
            license: "Apache-2.0".into(),
            config: serde_json::from_slice(&json).expect("JSON"),
            generation: json!({"eos_token_id": expected.stop_ids}),
            files: files[..2].iter().map(|file| file.to_string()).collect(),
            chat_template: std::fs::read_to_string(weights().join(files[2])).ok(),
        };
        let precision = Precision::from_name(bits).expect("a precision");
        let weights = config.weights();
        Conversion::new(
            &checkpoint,
            &weights,
            precision,
            SHARD_BYTES,
            about,
            &destination,
        )
        .and_then(|conversion| conversion.run(&mut Watch::nobody()))
        .expect("a conversion");
        let model = load_folder(&destination, "cpu");
        let (mut equal, mut all) = (0, 0);
        for case in &expected.cases {
            let (_, found) = case.answered(&model, FIRST);
            let wanted = &case.greedy_ids[..FIRST];
            let end = wanted.iter().position(|id| expected.stop_ids.contains(id));
            let wanted = &wanted[..end.map_or(FIRST, |at| at + 1)];
            equal += found.iter().zip(wanted).take_while(|(a, b)| a == b).count();
            all += wanted.len();
        }
        eprintln!("{bits}: {equal} of the first {all} ids before the first that differs");
        shares.push(equal as f64 / all as f64);
    }
    // 8 bits are nearly the floats; 4 bits still say much the same.
    assert!(shares[0] > 0.8 && shares[1] > 0.2, "{shares:?}");
}
