//! The shipped model answers right: the page's samples to the word, and most of what it is asked about
//! scenes that it never saw. Without the pictures it does not.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use inf_llava::config::Scope;
use inf_llava::evaluate::run::{Asked, Candidate, Sheet, tally};
use inf_llava::generate::Sampling;
use inf_llava::model::Model;
use inf_llava::progress::Watch;
use inf_llava::scenes::samples;
use inf_llava::session::{AskOptions, Session};
use inf_llava::stages::Recorder;
use inf_llava::timer::Timer;
use inf_llava::vision::plan::Coverage;

use crate::{block_on, load_folder};

/// Of the fixed scenes: no other seed was used for training or for choosing anything.
const SEED: u64 = 7_001;
const SCENES: u64 = 75;
const QUESTIONS: usize = 4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo")
}

fn demo(device: &str) -> Rc<Model> {
    load_folder(&folder(), device)
}

/// Answers to the fixed scenes' questions.
fn answers(sees: bool) -> Vec<Asked> {
    let mut candidate = Candidate::new(demo("cpu"), sees);
    (0..SCENES)
        .flat_map(|index| {
            let sheet = Sheet::of_scene(SEED, index, QUESTIONS);
            let answered = block_on(candidate.answer(sheet, &mut Watch::nobody())).unwrap();
            assert_eq!(answered.questions_left_out(), 0);
            answered.asked
        })
        .collect()
}

#[test]
fn the_samples_questions_are_answered_right() {
    for device in ["cpu", "wgpu"] {
        let mut session = Session::new(demo(device), Coverage::Live);
        let options = AskOptions {
            sampling: Sampling::greedy(),
            max_new_tokens: 24,
        };
        for sample in samples().unwrap() {
            let (mut nobody, mut off) = (Watch::nobody(), Recorder::off());
            let set = session.set_picture(&sample.picture, Timer::start(), &mut nobody, &mut off);
            block_on(set).unwrap();
            for question in sample.questions {
                session.new_chat();
                let answer = block_on(session.ask(&question.text, &options, &mut nobody)).unwrap();
                assert_eq!(answer.text, question.answer, "{device}: {}", question.text);
            }
        }
    }
}

/// The bars are the issue's, less what so few questions scatter by; the model card has the scores on
/// thousands.
#[test]
fn scenes_that_it_never_saw_are_understood() {
    let tally = tally(&answers(true));
    assert_eq!(tally.overall.count, SCENES * QUESTIONS as u64);
    assert!(tally.overall.exact_match() >= 0.85, "{tally:?}");
    assert_eq!(tally.families.len(), 6);
    for (family, score) in &tally.families {
        assert!(score.exact_match() >= 0.7, "{family}: {tally:?}");
    }
}

/// What it knows it has from looking: the questions alone give away yes or no, and few numbers.
#[test]
fn without_the_pictures_it_can_only_guess() {
    let tally = tally(&answers(false));
    assert!(tally.overall.exact_match() <= 0.4, "{tally:?}");
    assert_eq!(tally.families["reading"].correct, 0, "{tally:?}");
}

#[test]
fn it_is_small_and_says_what_it_is_for() {
    let weights = folder().join("model.safetensors");
    assert!(std::fs::metadata(&weights).unwrap().len() <= 8 << 20);
    let config = &demo("cpu").config;
    assert!(!config.random_weights);
    assert_eq!(config.scope, Some(Scope::DrawnScenes));
    assert_eq!(config.crops_per_side, 3);
}
