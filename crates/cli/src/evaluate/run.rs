//! Asks a model questions with known answers: generated scenes, a LLaVA-format JSON, POPE's files.
//!
//! Every question starts a new conversation, since questions about one picture can reveal each other's answers.
//! Decoding is greedy.

use std::rc::Rc;

use crate::evaluate::{Descriptions, Tally};
use crate::scenes::{
    Family, REQUESTS, Scene, SceneOptions, Split, caption, judge, question_rng, questions, scene,
};
use inf_llava::dataset::Record;
use inf_llava::error::{Error, Result};
use inf_llava::generate::Sampling;
use inf_llava::image::{Picture, open};
use inf_llava::model::Model;
use inf_llava::progress::Watch;
use inf_llava::recorder::Recorder;
use inf_llava::session::{AskOptions, Session};
use inf_llava::spec::Detail;
use inf_llava::spec::plan::Coverage;

/// The most tokens of an answer.
const ANSWER_TOKENS: usize = 64;
/// The most tokens of a description: twice the longest description of a scene.
const DESCRIPTION_TOKENS: usize = 320;

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Asked {
    /// Index of the scene, or id of the entry.
    pub id: String,
    /// As asked.
    pub question: String,
    /// The expected answer.
    pub expected: String,
    /// The model's answer.
    pub answer: String,
    /// Kind of question, if known.
    pub family: Option<String>,
    /// The aspect of it that was excluded from training.
    pub held_out: Option<&'static str>,
    /// The share of such questions that guessing gets right, if known.
    pub chance: Option<f32>,
}

/// The scores of the answers.
pub fn tally(asked: &[Asked]) -> Tally {
    let mut tally = Tally::default();
    for one in asked {
        let (family, held_out) = (one.family.as_deref(), one.held_out);
        tally.add(&one.expected, &one.answer, family, held_out);
    }
    tally
}

/// The divergence of one model's next-token distributions from another's.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Divergence {
    /// Sum of the Kullback-Leibler divergences, in nats.
    #[serde(skip)]
    sum: f64,
    /// Tokens compared.
    pub tokens: u64,
    /// The mean per token.
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

/// A picture and questions about it.
pub struct TestItem {
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

/// Scores descriptions of [`TestItem::describing_scene`] under `seed`.
pub fn judge_descriptions(seed: u64, asked: &[Asked]) -> Descriptions {
    let mut descriptions = Descriptions::default();
    for one in asked {
        if let Ok(index) = one.id.parse() {
            descriptions.add(&judge(&one.answer, &test_scene(seed, index)));
        }
    }
    descriptions
}

impl TestItem {
    /// Scene `index` of the test split of `seed`, with `count` questions.
    pub fn of_scene(seed: u64, index: u64, count: usize) -> TestItem {
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
        TestItem {
            questions: asked.collect(),
            picture: Some(scene.draw()),
            answer_tokens: ANSWER_TOKENS,
        }
    }

    /// Scene `index` of the test split of `seed`, with the task of describing it.
    pub fn describing_scene(seed: u64, index: u64) -> TestItem {
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
        TestItem {
            questions: vec![asked],
            picture: Some(scene.draw()),
            answer_tokens: DESCRIPTION_TOKENS,
        }
    }

    /// An entry of a data set.
    ///
    /// # Errors
    /// As [`open`].
    pub fn of_record(record: &Record) -> Result<TestItem> {
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
        Ok(TestItem {
            questions: asked.collect(),
            picture: record.image.as_deref().map(open).transpose()?,
            answer_tokens: ANSWER_TOKENS,
        })
    }
}

/// The model under test.
pub struct TestedModel {
    session: Session,
    /// Whether the pictures are shown.
    sees: bool,
}

impl TestedModel {
    /// `model`, which sees the pictures as closely as `detail` says; without it they are not shown, which measures what
    /// can be answered from the question alone.
    pub fn new(model: Rc<Model>, detail: Option<Detail>) -> Self {
        let mut session = Session::new(model, Coverage::Live);
        session.set_detail(detail.unwrap_or_default());
        TestedModel {
            session,
            sees: detail.is_some(),
        }
    }

    /// The size of its vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.session.model().config.decoder.vocab_size
    }

    async fn look(&mut self, item: &TestItem, watch: &mut Watch<'_>) -> Result<()> {
        match item.picture.as_ref().filter(|_| self.sees) {
            Some(picture) => {
                let off = &mut Recorder::off();
                self.session.set_picture(picture, watch, off).await?;
            }
            None => self.session.clear_image(),
        }
        Ok(())
    }

    /// The logits that choose each token of the expected answers, `[tokens, vocabulary]` for each question; none for
    /// a question that cannot be asked.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub async fn logits(
        &mut self,
        item: &TestItem,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        self.look(item, watch).await?;
        let mut all = Vec::with_capacity(item.questions.len());
        for asked in &item.questions {
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

    /// Answers the questions of an item. Questions that cannot be asked are reported, and the others are asked.
    ///
    /// # Errors
    /// As [`Session::ask`], unless the question itself is the cause.
    pub async fn answer(&mut self, item: TestItem, watch: &mut Watch<'_>) -> Result<Answered> {
        self.look(&item, watch).await?;
        let options = AskOptions {
            sampling: Sampling::greedy(),
            max_new_tokens: item.answer_tokens,
            anyway: true,
            ..AskOptions::default()
        };
        let mut answered = Answered::default();
        for mut asked in item.questions {
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

/// Whether the error concerns only this question, so that others can still be answered.
fn is_of_question(error: &Error) -> bool {
    matches!(error, Error::ContextExceeded { .. } | Error::EmptyQuestion)
}

/// The answered questions, and those that could not be asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answered {
    /// Questions with their answers.
    pub asked: Vec<Asked>,
    /// Questions that are not counted.
    pub left_out: Vec<LeftOut>,
}

impl Answered {
    /// Appends later results.
    pub fn append(&mut self, later: Answered) {
        self.asked.extend(later.asked);
        self.left_out.extend(later.left_out);
    }

    /// The number of questions that could not be asked.
    pub fn questions_left_out(&self) -> usize {
        self.left_out.iter().map(|one| one.questions).sum()
    }
}

/// An entry whose picture cannot be decoded, or a question that is too long for the model.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// Index of the scene, or id of the entry.
    pub id: String,
    /// The number of its questions that are left out.
    pub questions: usize,
    /// The cause.
    pub error: Error,
}
