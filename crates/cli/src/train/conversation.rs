//! Stages 1 and 2, and stage 0 of the decoder: next-token prediction on conversations about
//! pictures.

use std::sync::{Mutex, PoisonError};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::data::{Data, Lesson};
use super::features::FeatureCache;
use super::labels::Labels;
use super::loss::{cross_entropy, is_right, select_rows};
use super::parameters::to_vec;
use super::spelling::{COUNTED, PLACES, spelling};
use super::words::{COUNTED_SIZE, SPELT_SIZE, Words};
use crate::train::task::{Loss, Measures, Task};
use inf_llava::config::{Config, Vision};
use inf_llava::dataset::{Example, IGNORE, Template};
use inf_llava::error::{Error, Result};
use inf_llava::gpu::rope::Rope;
use inf_llava::language::decoder::Decoder;
use inf_llava::language::kv_cache::KvCache;
use inf_llava::language::splice::{Run, inputs_embeds};
use inf_llava::sequence::{Chunk, Media};
use inf_llava::spec::Weight;
use inf_llava::text::Tokenizer;
use inf_llava::vision::dem::{DemConnector, Prepared};

/// The modules that may be trained here; those that are not trained are `None`.
#[derive(Module, Debug)]
pub struct Learner {
    /// The dual-perspective enhancement and the projector.
    pub connector: Option<DemConnector>,
    /// The decoder.
    pub decoder: Option<Decoder>,
}

/// The source of the visual tokens.
pub enum Sight {
    /// No visual tokens: the pictures are left out.
    Blind,
    /// Word embeddings stand in for the pictures, with this much noise.
    Words(Box<Words>, f32),
    /// Features of the frozen tower, and what is computed from them.
    Features(Box<(FeatureCache, Prepared)>),
}

/// The training task on conversations.
pub struct ConversationTask {
    /// The model's configuration.
    pub config: Config,
    /// Its vision side.
    pub vision: Vision,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// The conversations and their pictures.
    pub data: Data,
    /// The template of the conversations.
    pub template: Template,
    /// Share of the conversations that use the facts template instead.
    pub facts_share: f64,
    /// The source of the visual tokens.
    pub sight: Sight,
    /// If present, the visual tokens are trained to equal these word embeddings, and no text is
    /// predicted.
    pub named: Option<Words>,
    /// The modules that are not trained.
    pub frozen: Learner,
    /// Whether every token is a target, or only those of the answers.
    pub every_token: bool,
    /// Which modules are trained: connector, decoder.
    pub learns: (bool, bool),
    /// Conversations per step.
    pub units: usize,
    /// Seed of the order.
    pub seed: u64,
    /// Rotary tables.
    pub rope: Rope,
    /// The device that computes.
    pub device: Device,
    /// An epoch, and the order of its pictures.
    pub order: Mutex<(u64, Vec<u64>)>,
}

impl ConversationTask {
    /// The picture of conversation `number`, and how often it was used before. Every epoch has its
    /// own order.
    fn picture(&self, number: u64) -> (u64, u64) {
        let pictures = self.data.pictures();
        let (epoch, at) = (number / pictures, (number % pictures) as usize);
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if order.1.is_empty() || order.0 != epoch {
            let mut indices: Vec<u64> = (0..pictures).collect();
            indices.shuffle(&mut ChaCha8Rng::seed_from_u64(
                self.seed.wrapping_add(epoch),
            ));
            *order = (epoch, indices);
        }
        (order.1[at], epoch)
    }

    /// The template of conversation `number`; those with the facts template are evenly spaced.
    fn template(&self, number: u64) -> Template {
        let before = |number: u64| (number as f64 * self.facts_share).floor();
        match before(number + 1) > before(number) {
            true => Template::Facts,
            false => self.template,
        }
    }

    fn visual_tokens(
        &self,
        trained: &Learner,
        decoder: &Decoder,
        number: u64,
    ) -> Result<Option<Tensor<2>>> {
        let (index, _) = self.picture(number);
        // A conversation without a picture has no placeholder for visual tokens either.
        if !self.data.has_picture(index) {
            return Ok(None);
        }
        let connector = trained
            .connector
            .as_ref()
            .or(self.frozen.connector.as_ref());
        Ok(match (&self.sight, connector) {
            (Sight::Words(words, noise), _) => {
                let embeddings = decoder.embed_tokens.trainable()?;
                self.data.scene(index).map(|scene| {
                    let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ number.rotate_left(32));
                    let seen = Words::seen(&scene, &self.vision);
                    let words = words.embed(&scene, &seen, &self.vision, &embeddings);
                    Words::blur(words, &seen, *noise, &mut rng)
                })
            }
            (Sight::Features(seen), Some(connector)) => {
                let (cache, prepared) = seen.as_ref();
                let features = cache.features(index, || self.data.picture(index))?;
                Some(connector.forward(prepared, &features))
            }
            _ => None,
        })
    }
}

/// Weight of the cross-entropy of spelled texts and counts, relative to the squared error.
const READING_WEIGHT: f32 = 32.0;

/// The distance between the `visual` tokens and the target embeddings `words`, both `[h * h,
/// hidden]`: the sum of squared errors, divided by the sum of the squares of `words`. The log also
/// shows it by topic; each token has one topic. The cross-entropy of reading texts and counts is
/// added, weighted by [`READING_WEIGHT`].
fn naming_loss(visual: Tensor<2>, words: Tensor<2>, seen: &Labels) -> Loss {
    let [texts, counts] = Words::told(seen);
    let spellings = [(PLACES, texts, SPELT_SIZE), (COUNTED, counts, COUNTED_SIZE)]
        .map(|(names, texts, size)| (names, spelling(&visual, &texts, size)));
    let missing = (visual - words.clone()).powi_scalar(2).sum_dim(1);
    let [tokens, _] = missing.dims();
    let by_token = |squares: Tensor<2>| to_vec(&squares.reshape([tokens]));
    let missed = by_token(missing.clone().inner());
    let own = by_token(words.powi_scalar(2).sum_dim(1));
    let mut measures = Measures::new();
    for ((topic, missed), own) in Words::topics(seen).into_iter().zip(missed).zip(own) {
        for name in ["missing", topic] {
            let (sum, weight) = measures.entry(name).or_insert((0.0, 0.0));
            *sum += f64::from(missed);
            *weight += f64::from(own);
        }
    }
    let mut sum = missing.sum();
    for (names, spelling) in spellings {
        if let Some(spelling) = spelling {
            measures.extend(spelling.read_by(names));
            sum = sum + spelling.entropy.mul_scalar(READING_WEIGHT);
        }
    }
    Loss {
        samples: 1,
        weight: measures.get("missing").map_or(0.0, |(_, own)| *own),
        sum,
        measures,
    }
}

impl Task for ConversationTask {
    type Trained = Learner;

    fn weights(&self) -> Vec<Weight> {
        let mut weights = Vec::new();
        if self.learns.0 {
            weights.extend(self.vision.connector.weights());
        }
        if self.learns.1 {
            weights.extend(self.config.decoder.weights());
        }
        weights
    }

    fn units(&self) -> usize {
        self.units
    }

    fn loss(&self, trained: &Learner, step: u64, unit: usize) -> Result<Loss> {
        let number = step * self.units as u64 + unit as u64;
        let (index, epoch) = self.picture(number);
        let decoder = trained.decoder.as_ref().or(self.frozen.decoder.as_ref());
        let decoder = decoder.ok_or_else(|| Error::Option {
            option: "decoder".into(),
            reason: "the task has none".into(),
        })?;
        let visual = self.visual_tokens(trained, decoder, number)?;
        if let (Some(words), Some(visual), Some(scene)) =
            (&self.named, &visual, self.data.scene(index))
        {
            let embeddings = decoder.embed_tokens.trainable()?;
            let seen = Words::seen(&scene, &self.vision);
            let words = words.embed(&scene, &seen, &self.vision, &embeddings);
            return Ok(naming_loss(visual.clone(), words, &seen));
        }
        let Lesson { example, topics } = self.data.lesson(
            index,
            epoch,
            self.template(number),
            &self.tokenizer,
            self.config.bos_token_id,
            visual.as_ref().map(|visual| Media::only(visual.dims()[0])),
        )?;
        let Targets {
            rows,
            targets,
            turns,
        } = Targets::new(&example, visual.is_some(), self.every_token);
        let runs = example
            .sequence
            .chunks()
            .iter()
            .filter_map(|chunk| match chunk {
                Chunk::Text(ids) => Some(Run::Rows(ids.clone())),
                Chunk::Media(_) => visual.clone().map(Run::Visual),
            });
        let embeds = inputs_embeds(&decoder.embed_tokens.trainable()?, runs.collect());
        let mut cache = KvCache::new(&self.config.decoder, embeds.dims()[0], &self.device);
        let hidden = decoder.forward(embeds, &self.rope, &mut cache);
        let learnt = decoder.norm.forward(select_rows(hidden, &rows));
        let logits = decoder.lm_head.forward(learnt);
        let is_right = is_right(logits.clone(), &targets);
        let measures = measures(&is_right, &turns, &topics);
        Ok(Loss {
            sum: cross_entropy(logits, &targets),
            weight: targets.len() as f64,
            samples: 1,
            measures,
        })
    }
}

/// For the log: the share of the answers' tokens that are predicted correctly, and for each topic
/// the share of the answers whose tokens are all correct, each predicted from the correct tokens
/// before it.
fn measures(is_right: &[bool], turns: &[Option<usize>], topics: &[&'static str]) -> Measures {
    let mut measures = Measures::new();
    let mut add = |name, right: bool| {
        let (sum, count) = measures.entry(name).or_insert((0.0, 0.0));
        *sum += f64::from(right);
        *count += 1.0;
    };
    let mut whole = vec![true; topics.len()];
    for (&right, turn) in is_right.iter().zip(turns) {
        if let Some(turn) = *turn {
            add("tokens right", right);
            if let Some(whole) = whole.get_mut(turn) {
                *whole &= right;
            }
        }
    }
    for (&topic, right) in topics.iter().zip(whole) {
        add(topic, right);
    }
    measures
}

/// The training targets of an example.
#[derive(Default)]
struct Targets {
    /// Rows of the decoder's output that predict a target.
    rows: Vec<usize>,
    /// The target tokens.
    targets: Vec<usize>,
    /// The turn whose answer each target belongs to, if it belongs to one.
    turns: Vec<Option<usize>>,
}

impl Targets {
    /// Visual tokens take rows too but are never targets; a picture that is not shown takes no
    /// rows.
    fn new(example: &Example, shows_picture: bool, every_token: bool) -> Self {
        let mut found = Targets::default();
        let (mut place, mut row, mut turn, mut was_learnt) = (0, 0, 0, false);
        for chunk in example.sequence.chunks() {
            let ids = match chunk {
                Chunk::Text(ids) => ids.as_slice(),
                Chunk::Media(media) => {
                    row += if shows_picture { media.tokens } else { 0 };
                    turn += usize::from(std::mem::take(&mut was_learnt));
                    &[]
                }
            };
            for (&id, &label) in ids.iter().zip(&example.labels[place..]) {
                let is_learnt = label != IGNORE;
                turn += usize::from(was_learnt && !is_learnt);
                was_learnt = is_learnt;
                if (is_learnt || every_token) && row > 0 {
                    found.rows.push(row - 1);
                    found.targets.push(id as usize);
                    found.turns.push(is_learnt.then_some(turn));
                }
                row += 1;
            }
            place += chunk.tokens();
        }
        found
    }
}
