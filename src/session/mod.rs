//! A conversation about a picture. Follow-up questions reuse the picture's features and the key/value cache: they run
//! no vision pass and prefill only their own tokens.

mod attention;
mod forced;
mod picture;
mod pictures;
mod prompt;
mod remark;
mod shared;
mod transcript;
mod turn;
mod video;

use std::rc::Rc;

use burn::tensor::Tensor;

use crate::config::Remark;
use crate::error::{Error, Result};
use crate::generate::Sampler;
use crate::generate::generation::{Generation, Next, Predictor};
use crate::gpu::ops::argmax;
use crate::gpu::read::{read, read_int, settle};
use crate::language::decoder::PREFILL_CHUNK;
use crate::language::kv_cache::KvCache;
use crate::model::Model;
use crate::progress::{Phase, Watch};
use crate::sequence::{Media, MediaId, Sequence};
use crate::spec::Detail;
use crate::spec::plan::Coverage;
use crate::text::prompt::Room;
use crate::vision::encoder::Encoded;
use pictures::{Cost, Held, Pictures};
use turn::{Asked, Look, Turn, TurnAnswer, is_only};

pub use crate::generate::generation::StopReason;
pub use crate::reply::{Answer, EnhancementAttention, ModelInfo, PictureInfo, Timings};
pub use crate::request::{AskOptions, Exchange, Request};
pub use shared::Shared;

/// The position of the last answer, for regenerating it.
struct LastTurn {
    /// Tokens of the sequence with the question, without the answer.
    prompt_len: usize,
    /// The remark that accompanies the answer.
    remark: Option<Remark>,
}

/// A conversation.
pub struct Session {
    model: Rc<Model>,
    coverage: Coverage,
    pictures: Pictures,
    /// What the model is told before anything is asked; empty for nothing.
    system: String,
    /// How closely further pictures are looked at.
    detail: Detail,
    /// The pictures that the next question shows.
    shown: Vec<Look>,
    /// What was asked and answered, of which the next prompt is made.
    turns: Vec<Turn>,
    /// Prompts and answers.
    sequence: Sequence,
    cache: KvCache,
    /// The sequence in the cache. Its common prefix with `sequence` is not computed again.
    cached: Sequence,
    last: Option<LastTurn>,
    /// The remark that replaced the last answer.
    withheld: Option<Remark>,
}

impl Session {
    /// An empty conversation.
    pub fn new(model: Rc<Model>, coverage: Coverage) -> Self {
        let cache = KvCache::new(
            &model.config.decoder,
            model.context_tokens,
            &model.device.device,
        );
        Session {
            model,
            coverage,
            pictures: Pictures::default(),
            system: String::new(),
            detail: Detail::Auto,
            shown: Vec::new(),
            turns: Vec::new(),
            sequence: Sequence::default(),
            cache,
            cached: Sequence::default(),
            last: None,
            withheld: None,
        }
    }

    /// The model it runs on.
    pub fn model(&self) -> &Rc<Model> {
        &self.model
    }

    /// The sequence so far: prompts, their pictures, and answers.
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// Starts a new conversation about a picture that is already encoded, or about none.
    pub fn set_encoded(&mut self, picture: Option<Encoded>) {
        let held = picture.map(|encoded| {
            let treatment = self.treatment_of(encoded.kind, true, Detail::Auto);
            Held::of(encoded, treatment)
        });
        self.begin_about(held);
    }

    /// Shows a picture that is already encoded with the next question, behind `at` bytes of it, as the conversation's
    /// only one or as one of several.
    pub fn show_encoded(&mut self, encoded: Encoded, at: usize, is_only: bool) {
        let look = Look::first(encoded.id, encoded.kind);
        self.shown.push(Look { at, ..look });
        let treatment = self.treatment_of(look.kind, is_only, look.detail);
        let held = Held::of(encoded, treatment);
        self.pictures.hold(held, self.model.context_tokens);
    }

    /// What the model is told before anything is asked, from the next question on; empty for nothing.
    pub fn set_system(&mut self, system: &str) {
        self.system = system.into();
    }

    /// How closely further pictures are looked at, where the model has a choice.
    pub fn set_detail(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// Removes the pictures and the conversation.
    pub fn clear_image(&mut self) {
        self.begin_about(None);
    }

    /// Starts a new conversation about a picture, and removes the previous ones.
    fn begin_about(&mut self, picture: Option<Held>) {
        self.new_chat();
        self.shown.clear();
        self.pictures.clear();
        if let Some(held) = picture {
            self.show(&held);
            self.pictures.hold(held, self.model.context_tokens);
        }
    }

    /// Removes the conversation; its pictures and their features are kept, and shown with the next question.
    pub fn new_chat(&mut self) {
        let mut shown: Vec<Look> = Vec::new();
        for look in self.looks() {
            shown.push(Look { at: 0, ..*look });
        }
        self.shown = shown;
        self.turns.clear();
        self.sequence = Sequence::default();
        self.last = None;
        self.withheld = None;
    }

    /// Has nothing shown with what was said, and nothing with the next question.
    fn forget_pictures(&mut self) {
        self.shown.clear();
        self.turns.iter_mut().for_each(|turn| turn.pictures.clear());
    }

    fn has_picture(&self) -> bool {
        self.looks().next().is_some()
    }

    /// Every picture of the conversation, in order: those that were shown, and those that the next question shows.
    fn looks(&self) -> impl Iterator<Item = &Look> {
        let before = self.turns.iter().flat_map(|turn| &turn.pictures);
        before.chain(&self.shown)
    }

    /// Appends a finished exchange, as when a conversation is restored.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub async fn restore_turn(&mut self, question: &str, answer: &str) -> Result<()> {
        if self.is_withheld(question, self.has_picture()) {
            return Ok(()); // the question was never given to the model
        }
        let vision = self.model.config.vision.as_ref();
        if vision.is_some_and(|vision| vision.depends_on_others()) {
            // Which sequence it has depends on the pictures that are still to come.
            self.push_turn(question, TurnAnswer::Text(answer.into()));
            self.last = None;
            return Ok(());
        }
        let watch = &mut Watch::nobody();
        let mut sequence = self.prompt_of(question, watch).await?;
        let model = &self.model;
        sequence.extend(model.prompt.answer(&model.tokenizer, answer)?);
        self.check_fits(sequence.len())?;
        self.sequence = sequence;
        self.push_turn(question, TurnAnswer::Text(answer.into()));
        self.last = None;
        Ok(())
    }

    /// Answers a question. Pieces of the answer go to `watch` as they are generated.
    ///
    /// A model of narrow scope ([`crate::config::Scope`]) receives a question in the form it was trained on. If it
    /// was not trained on the question, or there is no picture, [`Answer::remark`] says so. The remark's text then
    /// replaces the answer and is not part of the conversation, unless all words of the question are known to the
    /// model, or `options.anyway` is set.
    ///
    /// A stop during the answer keeps the text so far as the answer. A stop or failure before that leaves the
    /// conversation unchanged.
    ///
    /// # Errors
    /// [`Error::EmptyQuestion`], [`Error::ContextExceeded`], [`Error::Option`], [`Error::Stopped`],
    /// [`Error::NotFinite`], [`Error::Device`], [`Error::ModelChanged`].
    pub async fn ask(
        &mut self,
        question: &str,
        options: &AskOptions,
        watch: &mut Watch<'_>,
    ) -> Result<Answer> {
        self.model.unchanged()?;
        options.validate()?;
        let sampler = Sampler::new(&options.sampling)?;
        let remark = self.remark_on(question, self.has_picture(), options);
        self.withheld = remark.clone().filter(|remark| !remark.answered);
        if let Some(withheld) = self.withheld.clone() {
            return Ok(self.said_instead(withheld, watch));
        }
        let prompt = self.prompt_of(question, watch).await?;
        self.check_fits(prompt.len())?;
        let before = std::mem::replace(&mut self.sequence, prompt);
        let turn = LastTurn {
            prompt_len: self.sequence.len(),
            remark,
        };
        match self.answer(&turn, sampler, options, watch).await {
            Ok(answer) => {
                self.push_turn(question, TurnAnswer::Ids(answer.token_ids.clone()));
                self.last = Some(turn);
                Ok(answer)
            }
            Err(error) => {
                self.sequence = before;
                Err(error)
            }
        }
    }

    /// Answers the last question again.
    ///
    /// # Errors
    /// As [`Session::ask`]; [`Error::EmptyQuestion`] if nothing was asked. The earlier answer is kept unless a new
    /// one has begun.
    pub async fn regenerate(
        &mut self,
        options: &AskOptions,
        watch: &mut Watch<'_>,
    ) -> Result<Answer> {
        self.model.unchanged()?;
        options.validate()?;
        let sampler = Sampler::new(&options.sampling)?;
        if let Some(withheld) = self.withheld.clone() {
            return Ok(self.said_instead(withheld, watch));
        }
        let Some(turn) = self.last.take() else {
            return Err(Error::EmptyQuestion);
        };
        let answered = self.sequence.part(turn.prompt_len..self.sequence.len());
        self.sequence.truncate(turn.prompt_len);
        let result = self.answer(&turn, sampler, options, watch).await;
        match &result {
            Ok(answer) => {
                if let Some(turn) = self.turns.last_mut() {
                    turn.answer = TurnAnswer::Ids(answer.token_ids.clone());
                }
            }
            Err(_) => {
                self.sequence.truncate(turn.prompt_len);
                self.sequence.append(answered);
            }
        }
        self.last = Some(turn);
        result
    }

    /// The sequence of a question after all that was said before.
    async fn prompt_of(&mut self, question: &str, watch: &mut Watch<'_>) -> Result<Sequence> {
        let looks: Vec<Look> = self.looks().copied().collect();
        self.encode_among(&looks, watch).await?;
        let before = self.turns.iter().map(turn::TurnRef::from);
        let asked = Asked {
            pictures: self.shown.clone(),
            question,
        };
        // What was said here had its place; whether all of it fits is for whoever asks.
        let context_tokens = usize::MAX;
        let is_only = is_only(&looks);
        self.prompt(before, asked, is_only, Room { context_tokens }, watch)
            .await
    }

    fn push_turn(&mut self, question: &str, answer: TurnAnswer) {
        self.turns.push(Turn {
            pictures: std::mem::take(&mut self.shown),
            question: question.into(),
            answer,
        });
    }

    /// Checks that `tokens` tokens fit, with one more for the answer.
    fn check_fits(&self, tokens: usize) -> Result<()> {
        let needed_tokens = tokens + 1;
        let context_tokens = self.cache.capacity();
        match needed_tokens > context_tokens {
            true => Err(self.told_of_pictures(Error::ContextExceeded {
                needed_tokens,
                context_tokens,
                hint: String::new(),
            })),
            false => Ok(()),
        }
    }

    /// Truncates the cache to its common prefix with the sequence, excluding the last `wanted` tokens, whose logits
    /// are needed. Returns the prefix's length in tokens.
    fn keep_common(&mut self, wanted: usize) -> usize {
        let most = self.sequence.len().saturating_sub(wanted);
        let common = self.cached.in_common(&self.sequence).min(most);
        self.cached.truncate(common);
        let held = self.cached.len();
        self.cache.truncate(held);
        held
    }

    /// The embeddings of the sequence's tokens in `range`, `[tokens, hidden]`.
    async fn embed(&self, range: std::ops::Range<usize>) -> Result<Tensor<2>> {
        let visual_tokens = |media: Media| {
            let held = self.pictures.visual_tokens(media);
            held.ok_or_else(|| Error::PictureNotHeld {
                key: format!("{:?}", media.id),
            })
        };
        self.model
            .embed(&self.sequence.part(range), visual_tokens)
            .await
    }

    /// The logits of the last `wanted` positions, `[wanted, vocabulary]`, read back.
    async fn logits(&mut self, wanted: usize, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
        read(self.prefill(wanted, watch).await?).await
    }

    /// Computes the tokens that are not in the cache yet, in chunks, and returns the logits of the last `wanted`
    /// positions, `[wanted, vocabulary]`.
    async fn prefill(&mut self, wanted: usize, watch: &mut Watch<'_>) -> Result<Tensor<2>> {
        let held = self.keep_common(wanted);
        let embeds = self.embed(held..self.sequence.len()).await?;
        let [total, _] = embeds.dims();
        let model = self.model.clone();
        let mut done = 0;
        loop {
            // The wanted positions must be in one chunk, so the last chunk may be longer.
            let left = total - done;
            let count = if left < PREFILL_CHUNK + wanted {
                left
            } else {
                PREFILL_CHUNK
            };
            let chunk = embeds.clone().narrow(0, done, count);
            let hidden = model.decoder.forward(chunk, &model.rope, &mut self.cache);
            done += count;
            let computed = self.sequence.part(self.cached.len()..self.cache.len());
            self.cached.append(computed);
            if done == total {
                let logits = model.decoder.logits(hidden, wanted);
                if total > 1 {
                    settle(&logits).await?;
                    watch.progress(Phase::Prefill, done as u64, total as u64);
                }
                return Ok(logits);
            }
            settle(&hidden).await?;
            watch.progress(Phase::Prefill, done as u64, total as u64);
            watch.breathe().await?;
        }
    }

    async fn answer(
        &mut self,
        turn: &LastTurn,
        sampler: Sampler,
        options: &AskOptions,
        watch: &mut Watch<'_>,
    ) -> Result<Answer> {
        let model = self.model.clone();
        let prompt = self.sequence.part(0..turn.prompt_len);
        let prompt_tokens = prompt.len();
        let new_prompt_tokens = prompt_tokens - self.keep_common(1).min(prompt_tokens);
        let begun = self.sequence.part(prompt_tokens..self.sequence.len());
        let begun: Vec<u32> = begun.text_ids().collect();
        let begun_tokens = begun.len();
        let generation = Generation {
            tokenizer: &model.tokenizer,
            sampler,
            constraint: None,
            stop_ids: &model.config.eos_token_ids,
            stop_texts: options.stop.clone(),
            max_new_tokens: options.max_new_tokens,
        };
        let answer = generation.run(begun, self, watch).await?;
        let looks: Vec<MediaId> = self.looks().map(|look| look.picture).collect();
        let costs = looks.iter().filter_map(|&look| self.pictures.tell(look));
        let cost = costs.reduce(Cost::and).unwrap_or_default();
        let answer_tokens = answer.token_ids.len();
        Ok(Answer {
            text: answer.text,
            input_ids: prompt.to_numbers(),
            stop_reason: answer.stop_reason,
            prompt_tokens,
            new_prompt_tokens,
            image_tokens: prompt.media().map(|(media, _)| media.tokens).sum(),
            answer_tokens,
            vision_passes: cost.passes,
            tokens_per_second: (answer_tokens - begun_tokens) as f64 * 1000.0
                / answer.others_ms.max(f64::MIN_POSITIVE),
            timings_ms: Timings {
                image: cost.image_ms,
                vision: cost.vision_ms,
                prefill: answer.first_ms,
                decode: answer.others_ms,
            },
            device: model.device.name.clone(),
            remark: turn.remark.clone(),
            token_ids: answer.token_ids,
        })
    }
}

impl Predictor for Session {
    /// If only the largest logit is needed, the device finds it, and one token is read back instead of all logits.
    async fn next(&mut self, only_largest: bool, watch: &mut Watch<'_>) -> Result<Next> {
        let logits = self.prefill(1, watch).await?;
        if let Some(place) = only_largest.then(|| argmax(&logits)).flatten() {
            let not_finite = |_| Error::NotFinite {
                stage: "logits".into(),
            };
            let id = u32::try_from(read_int(place).await?).map_err(not_finite)?;
            return Ok(Next::Largest(id));
        }
        read(logits).await.map(Next::Logits)
    }

    fn seen(&self) -> Vec<u32> {
        self.sequence.text_ids().collect()
    }

    fn push(&mut self, id: u32) {
        self.sequence.push(id);
    }

    /// The last id need not be in the cache, since nothing is computed after it.
    fn is_full(&self) -> bool {
        self.cache.len() >= self.cache.capacity()
    }
}
