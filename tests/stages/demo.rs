//! The model that ships answers right.

use std::path::Path;
use std::rc::Rc;

use inf_llava::evaluate::Tally;
use inf_llava::evaluate::run::{Candidate, Sheet};
use inf_llava::model::Model;
use inf_llava::progress::Watch;
use inf_llava::scenes::SIDE_PX;
use inf_llava::weights::source::Folder;

use crate::block_on;

/// No scene of this seed was looked at while the model was made.
const SEED: u64 = 3_000_017;
const SCENES: u64 = 40;

fn demo(device: &str) -> Rc<Model> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
    let device = crate::device(device);
    let model = Model::load(Folder::new(folder), &device, None, &mut Watch::nobody());
    Rc::new(block_on(model).unwrap())
}

fn score(candidate: &mut Candidate, scenes: u64) -> Tally {
    let mut tally = Tally::default();
    for index in 0..scenes {
        let sheet = Sheet::of_scene(SEED, index, SIDE_PX as usize, 6);
        for one in block_on(candidate.answer(sheet, &mut Watch::nobody())).unwrap() {
            tally.add(
                &one.expected,
                &one.answer,
                one.family.as_deref(),
                one.held_out,
            );
        }
    }
    tally
}

#[test]
fn the_shipped_model_answers_right() {
    let tally = score(&mut Candidate::new(demo("cpu"), true), SCENES);
    let overall = tally.overall.exact_match();
    assert!(overall >= 0.85, "{:?}", tally.families);
    assert!(tally.families["reading"].exact_match() >= 0.75, "{:?}", tally.families);

    // The same questions without the pictures: what it knows, it has seen.
    let blind = score(&mut Candidate::new(demo("cpu"), false), SCENES);
    assert!(blind.overall.exact_match() <= 0.5, "{:?}", blind.families);
    assert_eq!(blind.families["reading"].correct, 0);
}

#[test]
fn it_answers_the_same_on_a_gpu() {
    let ask = |device: &str| {
        let mut candidate = Candidate::new(demo(device), true);
        let sheet = Sheet::of_scene(SEED, 0, SIDE_PX as usize, 6);
        let asked = block_on(candidate.answer(sheet, &mut Watch::nobody())).unwrap();
        asked.into_iter().map(|one| one.answer).collect::<Vec<_>>()
    };
    assert_eq!(ask("wgpu"), ask("cpu"));
}
