//! The sample pictures that the page offers with the demo model, and questions about them.
//!
//! In: [`PICKS`], the only place where they are chosen. Out: `samples.json` and `samples/1.png`,
//! ... in a model's folder. Answers are computed from the scenes. The page does not show them; they
//! are for its test against the trained model.

use std::path::Path;

use serde_json::json;

use super::caption::alt;
use super::layout::{SceneOptions, scene};
use super::write::{SMALL, failed, png};
use super::{Picture, Question};
use crate::scenes::ask::{question_rng, questions};
use crate::scenes::split::Split;
use inf_llava::{Error, Result, durable};

/// A scene, and the questions about it to offer.
struct Pick {
    split: Split,
    seed: u64,
    index: u64,
    /// The texts of three of the scene's own questions; for any other text the error lists those it
    /// has.
    questions: [&'static str; 3],
}

const PICKS: [Pick; 4] = [
    Pick {
        split: Split::Test,
        seed: 5,
        index: 12,
        questions: [
            "Read the white sign.",
            "How many red shapes are there?",
            "Where is the red square: in the top left, top right, bottom left or bottom right?",
        ],
    },
    Pick {
        split: Split::Test,
        seed: 5,
        index: 20,
        questions: [
            "Read the red sign.",
            "What colour is the tallest bar?",
            "What is the number of squares?",
        ],
    },
    Pick {
        split: Split::Test,
        seed: 5,
        index: 18,
        questions: [
            "Which text is on the blue sign?",
            "Is the purple cross above the blue ring?",
            "Which colour does the tallest bar have?",
        ],
    },
    Pick {
        split: Split::Test,
        seed: 5,
        index: 21,
        questions: [
            "What is written on the sign?",
            "In which quarter of the picture is the yellow cross?",
            "How many rings are there?",
        ],
    },
];
/// Number of questions drawn to search for the chosen ones: more than any scene has.
const MANY: usize = 200;

/// A sample picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The picture.
    pub picture: Picture,
    /// A description for people who cannot see it.
    pub alt: String,
    /// The questions that the page offers.
    pub questions: Vec<Question>,
}

impl Sample {
    fn of(pick: &Pick) -> Result<Self> {
        let Pick { seed, index, .. } = *pick;
        let options = SceneOptions {
            split: pick.split,
            ..SceneOptions::default()
        };
        let scene = scene(seed, index, &options);
        let known = questions(&scene, &mut question_rng(seed, index), MANY);
        let find = |text: &str| {
            let found = known.iter().find(|question| question.text == text);
            found.cloned().ok_or_else(|| {
                let texts: Vec<&str> = known.iter().map(|q| q.text.as_str()).collect();
                Error::Option {
                    option: format!("question {text:?} of scene {index}"),
                    reason: format!("it is none of {texts:#?}"),
                }
            })
        };
        Ok(Sample {
            picture: scene.draw(),
            alt: alt(&scene),
            questions: pick
                .questions
                .into_iter()
                .map(find)
                .collect::<Result<_>>()?,
        })
    }
}

/// The sample pictures, in the order of the page.
///
/// # Errors
/// [`Error::Option`] for a question that a scene does not have.
pub fn samples() -> Result<Vec<Sample>> {
    PICKS.iter().map(Sample::of).collect()
}

/// Writes the samples to a model's folder: `samples/1.png`, ... and `samples.json`, a list of
/// `{image, alt, questions: [{text, answer}]}`. Existing files are overwritten.
///
/// # Errors
/// The errors of [`samples`]; [`Error::Output`].
pub fn write_samples(model: &Path) -> Result<()> {
    let folder = model.join("samples");
    durable::create_folder(&folder)?;
    let mut list = Vec::new();
    for (at, sample) in samples()?.iter().enumerate() {
        let image = format!("samples/{}.png", at + 1);
        let file = model.join(&image);
        durable::write_file(&file, &png(&file, &sample.picture, SMALL)?)?;
        let questions: Vec<_> = sample
            .questions
            .iter()
            .map(|question| json!({ "text": question.text, "answer": question.answer }))
            .collect();
        list.push(json!({ "image": image, "alt": sample.alt, "questions": questions }));
    }
    let file = model.join("samples.json");
    let text = serde_json::to_string_pretty(&list).map_err(|e| failed(&file)(&e.to_string()))?;
    durable::write_file(&file, (text + "\n").as_bytes())
}
