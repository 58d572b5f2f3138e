//! Training data: drawn scenes, or a LLaVA-format JSON file and its pictures.

use rand::RngExt;
use rand::seq::SliceRandom;

use super::features::Fnv;
use crate::scenes::{
    Chart, Family, Question, REQUESTS, Scene, SceneOptions, caption, question_rng, questions, scene,
};
use crate::train::file::Stage;
use inf_llava::dataset::conversation::example;
use inf_llava::dataset::llava;
use inf_llava::dataset::{Example, Limits, OnBadRecord, Record, Skipped, Template, Turn};
use inf_llava::error::{Error, Result};
use inf_llava::image::{Picture, open};
use inf_llava::sequence::Media;
use inf_llava::text::Tokenizer;

/// Share of the conversations that have a description, unless the stage sets it.
const DESCRIPTIONS: f64 = 0.125;
/// One description in this many comes first in its conversation; the others come last.
const DESCRIBED_FIRST: u32 = 3;
/// Number of scenes that are hashed to identify how the pictures are drawn.
const SAMPLE: u64 = 8;

/// The options with which a stage's data is read.
pub struct Source {
    /// Seed of the scenes.
    pub seed: u64,
    /// The template of the conversations.
    pub template: Template,
    /// Id of the token that begins a sequence.
    pub bos: u32,
    /// The limits on the length of an example.
    pub limits: Limits,
    /// How unusable entries are handled.
    pub on_bad: OnBadRecord,
}

/// A training conversation.
pub struct Lesson {
    /// Its tokens and labels.
    pub example: Example,
    /// The topic of each turn, for the log.
    pub topics: Vec<&'static str>,
}

/// Pictures and the conversations about them.
pub enum Data {
    /// Drawn scenes, with new questions in every epoch.
    Scenes {
        /// Seed of the scenes.
        seed: u64,
        /// How the scenes are drawn.
        options: SceneOptions,
        /// Number of pictures.
        pictures: u64,
        /// Questions in each conversation.
        questions: usize,
        /// Only questions of these families; all families if empty.
        families: Vec<String>,
        /// Half of the questions are of these families.
        often: Vec<String>,
        /// No questions whose brief form contains one of these.
        leave_out: Vec<String>,
        /// Share of the conversations that include a description of the picture.
        descriptions: f64,
    },
    /// The records of a file.
    Records(Vec<(Record, Example)>),
}

impl Data {
    /// The data of a stage; the second part reports the unusable entries of a file.
    ///
    /// # Errors
    /// The errors of [`llava::read`]; [`Error::Dataset`] if no usable entry is left.
    pub fn open(
        stage: &Stage,
        tokenizer: &Tokenizer,
        source: Source,
    ) -> Result<(Self, Option<Skipped>)> {
        let (Some(json), Some(images)) = (&stage.data, &stage.images) else {
            let options = SceneOptions::default();
            let data = Data::Scenes {
                seed: source.seed,
                options,
                pictures: stage.pictures,
                questions: stage.questions,
                families: stage.families.clone(),
                often: stage.often.clone(),
                leave_out: stage.leave_out.clone(),
                descriptions: stage.descriptions.unwrap_or(DESCRIPTIONS),
            };
            return Ok((data, None));
        };
        let Source {
            template,
            bos,
            limits,
            on_bad,
            ..
        } = source;
        let mut records = llava::read(json, images, on_bad)?;
        let examples = records.examples(tokenizer, bos, template, &limits, on_bad)?;
        if examples.is_empty() {
            return Err(Error::Dataset {
                file: json.display().to_string(),
                reason: format!("nothing in it can be learnt from: {}", records.skipped),
            });
        }
        Ok((Data::Records(examples), Some(records.skipped)))
    }

    /// The number of pictures.
    pub fn pictures(&self) -> u64 {
        match self {
            Data::Scenes { pictures, .. } => *pictures,
            Data::Records(records) => records.len() as u64,
        }
    }

    /// A name that identifies the pictures, for the file of their features.
    pub fn identity(&self) -> String {
        match self {
            Data::Scenes { seed, options, .. } => {
                // A change in how scenes are drawn changes the pictures, so the name contains a
                // hash of some.
                let mut hash = Fnv::new();
                for index in 0..SAMPLE {
                    hash.add(&scene(*seed, index, options).draw().rgb);
                }
                format!("scenes {seed} {options:?} {:x}", hash.0)
            }
            Data::Records(records) => {
                let images = records.iter().map(|(record, _)| {
                    let image = record.image.as_ref();
                    let file = image.and_then(|path| std::fs::metadata(path).ok());
                    let file = file.map(|file| (file.len(), file.modified().ok()));
                    format!("{image:?} {file:?}")
                });
                images.collect::<Vec<_>>().join("\n")
            }
        }
    }

    /// Whether entry `index` has a picture.
    pub fn has_picture(&self, index: u64) -> bool {
        match self {
            Data::Scenes { .. } => true,
            Data::Records(records) => records[index as usize].0.image.is_some(),
        }
    }

    /// The scene of picture `index`, or `None` for a picture from a file.
    pub fn scene(&self, index: u64) -> Option<Scene> {
        match self {
            Data::Scenes { seed, options, .. } => Some(scene(*seed, index, options)),
            Data::Records(_) => None,
        }
    }

    /// The picture of entry `index`, which must have one.
    ///
    /// # Errors
    /// The errors of [`open`].
    pub fn picture(&self, index: u64) -> Result<Picture> {
        match self {
            Data::Scenes { seed, options, .. } => Ok(scene(*seed, index, options).draw()),
            Data::Records(records) => {
                let path = records[index as usize].0.image.clone();
                open(&path.unwrap_or_default())
            }
        }
    }

    /// The conversation about picture `index` in epoch number `epoch`.
    ///
    /// # Errors
    /// The tokenizer's errors.
    pub fn lesson(
        &self,
        index: u64,
        epoch: u64,
        template: Template,
        tokenizer: &Tokenizer,
        bos: u32,
        picture: Option<Media>,
    ) -> Result<Lesson> {
        let (seed, options, count, families, often, leave_out, descriptions) = match self {
            Data::Records(records) => {
                let (record, example) = &records[index as usize];
                return Ok(Lesson {
                    example: example.clone(),
                    topics: vec!["answers"; record.turns.len()],
                });
            }
            Data::Scenes {
                seed,
                options,
                questions,
                families,
                often,
                leave_out,
                descriptions,
                ..
            } => (
                *seed,
                options,
                *questions,
                families,
                often,
                leave_out,
                *descriptions,
            ),
        };
        let count = match template {
            Template::Facts => count.saturating_mul(2),
            _ => count,
        };
        let scene = scene(seed, index, options);
        let mut rng = question_rng(seed ^ epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15), index);
        let mut turns = Vec::new();
        if template != Template::Plain {
            let is_of = |q: &Question, families: &[String]| {
                families.iter().any(|name| name == q.family.name())
            };
            let is_wanted = |q: &Question| {
                let has = |words: &String| q.brief.contains(words.as_str());
                (families.is_empty() || is_of(q, families)) && !leave_out.iter().any(has)
            };
            let is_as_it_comes = families.is_empty() && often.is_empty() && leave_out.is_empty();
            let drawn = match is_as_it_comes {
                true => count,
                false => count.saturating_mul(Family::ALL.len()),
            };
            let mut asked = questions(&scene, &mut rng, drawn);
            asked.retain(is_wanted);
            if !often.is_empty() {
                let (mut of_those, others): (Vec<_>, Vec<_>) =
                    asked.into_iter().partition(|q| is_of(q, often));
                of_those.truncate(count / 2);
                of_those.extend(others);
                asked = of_those;
                asked.truncate(count);
                asked.shuffle(&mut rng);
            }
            asked.truncate(count);
            // The scene may have no question that fits the filters.
            if asked.is_empty() {
                asked = questions(&scene, &mut rng, count);
            }
            for question in asked {
                let text = match template {
                    Template::Facts => question.brief,
                    _ => question.text,
                };
                turns.push((question.kind, text, question.answer));
            }
            if template == Template::Facts {
                turns.extend(scene.chart.iter().flat_map(heights));
            }
        }
        let is_described = match template {
            Template::Plain => true,
            Template::Llama3 => rng.random::<f64>() < descriptions,
            Template::Facts => false,
        };
        if is_described {
            let request = REQUESTS[rng.random_range(0..REQUESTS.len())];
            // A description contains many of the answers. Where it comes first, as users may ask
            // for it, later answers can be copied from it instead of read from the picture; so it
            // mostly comes last.
            let at = match rng.random_range(0..DESCRIBED_FIRST) == 0 {
                true => 0,
                false => turns.len(),
            };
            turns.insert(at, ("description", request.into(), caption(&scene)));
        }
        let topics = turns.iter().map(|(topic, ..)| *topic).collect();
        let turns: Vec<Turn> = turns
            .into_iter()
            .map(|(_, question, answer)| Turn { question, answer })
            .collect();
        let example = example(tokenizer, bos, template, &turns, picture)?;
        Ok(Lesson { example, topics })
    }
}

/// Questions and answers about the bars' heights. Exams do not ask for them, but comparing two bars
/// requires both heights.
fn heights(chart: &Chart) -> impl Iterator<Item = (&'static str, String, String)> {
    chart.bars.iter().map(|bar| {
        let brief = format!("height of the {} bar", bar.colour.name());
        ("height_of_bar", brief, bar.height_steps().to_string())
    })
}
