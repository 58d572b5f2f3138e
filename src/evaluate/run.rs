//! Asks a model questions whose answers are known: drawn scenes, a LLaVA-format JSON, POPE's files.
//!
//! Every question begins a conversation of its own, since questions about one picture can give each
//! other away. Decoding is greedy.

use std::rc::Rc;

use crate::dataset::Record;
use crate::error::Result;
use crate::evaluate::Tally;
use crate::generate::Sampling;
use crate::image::{Picture, open};
use crate::model::Model;
use crate::progress::Watch;
use crate::scenes::{Family, SceneOptions, Split, question_rng, questions, scene};
use crate::session::{AskOptions, Session};
use crate::stages::Recorder;
use crate::timer::Timer;
use crate::vision::plan::Coverage;

/// Tokens that an answer may have before it is cut off.
const ANSWER_TOKENS: usize = 64;

/// A question and what was answered.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Asked {
    /// Index of the scene, or id of the entry.
    pub id: String,
    /// As asked.
    pub question: String,
    /// What is right.
    pub expected: String,
    /// What the model said.
    pub answer: String,
    /// Kind of question, where it is known.
    pub family: Option<String>,
    /// What about it training never showed.
    pub held_out: Option<&'static str>,
    /// Share of such questions that guessing gets right, where it is known.
    pub chance: Option<f32>,
}

/// The scores of what was asked.
pub fn tally(asked: &[Asked]) -> Tally {
    let mut tally = Tally::default();
    for one in asked {
        let (family, held_out) = (one.family.as_deref(), one.held_out);
        tally.add(&one.expected, &one.answer, family, held_out);
    }
    tally
}

/// A picture and what is asked about it.
pub struct Sheet {
    picture: Option<Picture>,
    questions: Vec<Asked>,
}

impl Sheet {
    /// Scene `index` of the test split of `seed`, with `count` questions.
    pub fn of_scene(seed: u64, index: u64, count: usize) -> Sheet {
        let options = SceneOptions {
            split: Split::Test,
            ..SceneOptions::default()
        };
        let scene = scene(seed, index, &options);
        let mut rng = question_rng(seed, index);
        let asked = questions(&scene, &mut rng, count)
            .into_iter()
            .map(|q| Asked {
                id: index.to_string(),
                question: q.text,
                expected: q.answer,
                answer: String::new(),
                family: Some(q.family.name().to_string()),
                held_out: q.held_out.then_some(match q.family {
                    Family::Reading => "words",
                    _ => "pairs",
                }),
                chance: Some(q.chance),
            });
        Sheet {
            questions: asked.collect(),
            picture: Some(scene.draw()),
        }
    }

    /// An entry of a data set.
    ///
    /// # Errors
    /// As [`open`].
    pub fn of_record(record: &Record) -> Result<Sheet> {
        let asked = record.turns.iter().enumerate().map(|(i, turn)| Asked {
            id: record.id.clone(),
            question: turn.question.clone(),
            expected: turn.answer.clone(),
            answer: String::new(),
            family: record.families.as_ref().and_then(|f| f.get(i)).cloned(),
            held_out: match record.held_out.as_ref().and_then(|h| h.get(i)) {
                Some(true) => Some("held_out"),
                _ => None,
            },
            chance: None,
        });
        Ok(Sheet {
            questions: asked.collect(),
            picture: record.image.as_deref().map(open).transpose()?,
        })
    }
}

/// Whoever answers.
pub struct Candidate {
    session: Session,
    sees: bool,
}

impl Candidate {
    /// `model`, with the pictures, or without them: the part of the questions that needs no looking.
    pub fn new(model: Rc<Model>, sees: bool) -> Self {
        Candidate {
            session: Session::new(model, Coverage::Live),
            sees,
        }
    }

    /// Answers a sheet.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub async fn answer(&mut self, sheet: Sheet, watch: &mut Watch<'_>) -> Result<Vec<Asked>> {
        match sheet.picture.filter(|_| self.sees) {
            Some(picture) => {
                let mut off = Recorder::off();
                self.session
                    .set_picture(&picture, Timer::start(), watch, &mut off)
                    .await?;
            }
            None => self.session.clear_image(),
        }
        let options = AskOptions {
            sampling: Sampling::greedy(),
            max_new_tokens: ANSWER_TOKENS,
        };
        let mut answered = Vec::with_capacity(sheet.questions.len());
        for mut asked in sheet.questions {
            self.session.new_chat();
            let answer = self.session.ask(&asked.question, &options, watch).await?;
            asked.answer = answer.text;
            answered.push(asked);
        }
        Ok(answered)
    }
}
