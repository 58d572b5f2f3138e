//! Asks a model questions whose answers are known: drawn scenes, a LLaVA-format JSON, POPE's files.
//!
//! Every question begins a conversation of its own, since questions about one picture can give each
//! other away. Decoding is greedy.

use std::rc::Rc;

use crate::dataset::Record;
use crate::error::{Error, Result};
use crate::evaluate::{Descriptions, Tally};
use crate::generate::Sampling;
use crate::image::{Picture, open};
use crate::model::Model;
use crate::progress::Watch;
use crate::recorder::Recorder;
use crate::scenes::{
    Family, REQUESTS, Scene, SceneOptions, Split, caption, judge, question_rng, questions, scene,
};
use crate::session::{AskOptions, Session};
use crate::spec::plan::Coverage;

/// Tokens that an answer may have before it is cut off.
const ANSWER_TOKENS: usize = 64;
/// Tokens that a description may have: twice what the longest one of a scene has.
const DESCRIPTION_TOKENS: usize = 320;

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

/// How far one model's next-token distributions are from another's.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Divergence {
    /// Sum of the Kullback-Leibler divergences, in nats.
    #[serde(skip)]
    sum: f64,
    /// Tokens compared.
    pub tokens: u64,
    /// A token's, on average.
    pub mean: f64,
}

impl Divergence {
    /// Adds rows of logits over `vocabulary`, `[tokens, vocabulary]`: the divergence of `found` from
    /// `reference`.
    pub fn add(&mut self, reference: &[f32], found: &[f32], vocabulary: usize) {
        let rows = reference.chunks(vocabulary).zip(found.chunks(vocabulary));
        for (reference, found) in rows {
            let (p, q) = (log_softmax(reference), log_softmax(found));
            self.sum += p
                .iter()
                .zip(&q)
                .map(|(p, q)| p.exp() * (p - q))
                .sum::<f64>();
            self.tokens += 1;
        }
        self.mean = self.sum / self.tokens.max(1) as f64;
    }
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let all: f64 = logits.iter().map(|&v| f64::from(v - most).exp()).sum();
    let shift = f64::from(most) + all.ln();
    logits.iter().map(|&v| f64::from(v) - shift).collect()
}

/// A picture and what is asked about it.
pub struct Sheet {
    picture: Option<Picture>,
    questions: Vec<Asked>,
    answer_tokens: usize,
}

/// Scene `index` of the test split of `seed`.
fn test_scene(seed: u64, index: u64) -> Scene {
    let options = SceneOptions {
        split: Split::Test,
        ..SceneOptions::default()
    };
    scene(seed, index, &options)
}

/// What is right of descriptions that were `asked` for by [`Sheet::describing_scene`] under `seed`.
pub fn judge_descriptions(seed: u64, asked: &[Asked]) -> Descriptions {
    let mut descriptions = Descriptions::default();
    for one in asked {
        if let Ok(index) = one.id.parse() {
            descriptions.add(&judge(&one.answer, &test_scene(seed, index)));
        }
    }
    descriptions
}

impl Sheet {
    /// Scene `index` of the test split of `seed`, with `count` questions.
    pub fn of_scene(seed: u64, index: u64, count: usize) -> Sheet {
        let scene = test_scene(seed, index);
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
            answer_tokens: ANSWER_TOKENS,
        }
    }

    /// Scene `index` of the test split of `seed`, of which a description is asked.
    pub fn describing_scene(seed: u64, index: u64) -> Sheet {
        let scene = test_scene(seed, index);
        let asked = Asked {
            id: index.to_string(),
            question: REQUESTS[0].to_string(),
            expected: caption(&scene),
            answer: String::new(),
            family: Some("description".to_string()),
            held_out: None,
            chance: None,
        };
        Sheet {
            questions: vec![asked],
            picture: Some(scene.draw()),
            answer_tokens: DESCRIPTION_TOKENS,
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
            answer_tokens: ANSWER_TOKENS,
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

    /// Entries of its vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.session.model().config.decoder.vocab_size
    }

    async fn look(&mut self, sheet: &Sheet, watch: &mut Watch<'_>) -> Result<()> {
        match sheet.picture.as_ref().filter(|_| self.sees) {
            Some(picture) => {
                let off = &mut Recorder::off();
                self.session.set_picture(picture, watch, off).await?;
            }
            None => self.session.clear_image(),
        }
        Ok(())
    }

    /// The logits that choose each token of the right answers, `[tokens, vocabulary]` for each question; none for one
    /// that cannot be asked.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub async fn logits(
        &mut self,
        sheet: &Sheet,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        self.look(sheet, watch).await?;
        let mut all = Vec::with_capacity(sheet.questions.len());
        for asked in &sheet.questions {
            watch.stop.check()?;
            self.session.new_chat();
            let model = self.session.model();
            let (prompt, tokenizer) = (&model.prompt, &model.tokenizer);
            let mut answer = prompt.answer(tokenizer, &asked.expected)?;
            answer.push(prompt.end(tokenizer, &model.config.eos_token_ids)?);
            let mut off = Recorder::off();
            let forced = self
                .session
                .forced_logits(&asked.question, &answer, 1, &mut off);
            all.push(match forced.await {
                Ok((_, logits)) => Some(logits),
                Err(error) if is_of_question(&error) => None,
                Err(error) => return Err(error),
            });
        }
        Ok(all)
    }

    /// Answers a sheet. What cannot be asked is told, and the rest is asked.
    ///
    /// # Errors
    /// As [`Session::ask`], where it is not the question's fault.
    pub async fn answer(&mut self, sheet: Sheet, watch: &mut Watch<'_>) -> Result<Answered> {
        self.look(&sheet, watch).await?;
        let options = AskOptions {
            sampling: Sampling::greedy(),
            max_new_tokens: sheet.answer_tokens,
            anyway: true,
            ..AskOptions::default()
        };
        let mut answered = Answered::default();
        for mut asked in sheet.questions {
            self.session.new_chat();
            match self.session.ask(&asked.question, &options, watch).await {
                Ok(answer) => {
                    asked.answer = answer.text;
                    answered.asked.push(asked);
                }
                Err(error) if is_of_question(&error) => answered.left_out.push(LeftOut {
                    id: asked.id,
                    questions: 1,
                    error,
                }),
                Err(error) => return Err(error),
            }
        }
        Ok(answered)
    }
}

/// Whether another question may well be answered.
fn is_of_question(error: &Error) -> bool {
    matches!(error, Error::ContextExceeded { .. } | Error::EmptyQuestion)
}

/// What was asked, and what could not be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answered {
    /// With their answers.
    pub asked: Vec<Asked>,
    /// Counted nowhere.
    pub left_out: Vec<LeftOut>,
}

impl Answered {
    /// Adds what was asked later.
    pub fn append(&mut self, later: Answered) {
        self.asked.extend(later.asked);
        self.left_out.extend(later.left_out);
    }

    /// Questions that could not be asked.
    pub fn questions_left_out(&self) -> usize {
        self.left_out.iter().map(|one| one.questions).sum()
    }
}

/// An entry whose picture cannot be read, or a question that is too long for the model.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// Index of the scene, or id of the entry.
    pub id: String,
    /// So many of its questions.
    pub questions: usize,
    /// Why.
    pub error: Error,
}
