//! A conversation about a picture: the picture's features and the key/value cache are kept, so a
//! further question runs no vision pass and prefills only its own tokens.

mod attention;
mod picture;
mod remark;
mod report;
mod request;
mod shared;
mod transcript;

use std::rc::Rc;

use burn::tensor::Tensor;

use crate::config::Remark;
use crate::error::{Error, Result};
use crate::generate::Sampler;
use crate::gpu::ops::argmax;
use crate::gpu::read::{read, read_int, settle};
use crate::language::decoder::PREFILL_CHUNK;
use crate::language::kv_cache::KvCache;
use crate::language::splice::token_count;
use crate::model::Model;
use crate::platform::Timer;
use crate::progress::{Phase, Watch};
use crate::recorder::Recorder;
use crate::text::chat_template::{self, IMAGE_TOKEN_INDEX, Place};
use crate::text::{TextStream, Tokenizer};
use crate::vision::encoder::Encoded;
use crate::vision::plan::Coverage;

pub use attention::EnhancementAttention;
pub use report::{Answer, PictureInfo, StopReason, Timings};
pub use request::{AskOptions, Exchange, Request};
pub use shared::Shared;

/// Where the last answer began, so that it can be given again.
struct LastTurn {
    /// Length of `ids` with the question, without the answer.
    prompt_len: usize,
    /// Tokens of the context before the question.
    new_from: usize,
    /// What must be said beside the answer.
    remark: Option<Remark>,
}

/// A conversation.
pub struct Session {
    model: Rc<Model>,
    coverage: Coverage,
    picture: Option<Encoded>,
    cache: KvCache,
    /// The whole sequence: prompts and answers. The cache holds a beginning of it.
    ids: Vec<i32>,
    /// How many of `ids` the cache holds.
    cached_ids: usize,
    last: Option<LastTurn>,
    /// What was said in the place of the last answer.
    withheld: Option<Remark>,
    /// Passes and times of the picture, until a turn has reported them.
    unreported_passes: usize,
    unreported: Timings,
}

impl Session {
    /// An empty conversation.
    pub fn new(model: Rc<Model>, coverage: Coverage) -> Self {
        let cache = KvCache::new(
            &model.config.language,
            model.context_tokens,
            &model.device.device,
        );
        Session {
            model,
            coverage,
            picture: None,
            cache,
            ids: Vec::new(),
            cached_ids: 0,
            last: None,
            withheld: None,
            unreported_passes: 0,
            unreported: Timings::default(),
        }
    }

    /// The model it runs on.
    pub fn model(&self) -> &Rc<Model> {
        &self.model
    }

    /// The sequence so far: prompts and answers, -200 for the picture.
    pub fn ids(&self) -> &[i32] {
        &self.ids
    }

    /// Starts a new conversation about a picture that has been encoded before, or about none.
    pub fn set_encoded(&mut self, picture: Option<Encoded>) {
        self.clear_image();
        self.picture = picture;
    }

    /// Forgets the picture and the conversation.
    pub fn clear_image(&mut self) {
        self.new_chat();
        self.picture = None;
        self.unreported_passes = 0;
        self.unreported = Timings::default();
    }

    /// Forgets the conversation; the picture and its features stay.
    pub fn new_chat(&mut self) {
        self.cache.truncate(0);
        self.ids.clear();
        self.cached_ids = 0;
        self.last = None;
        self.withheld = None;
    }

    /// Appends a finished exchange, as when a conversation is restored.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn restore_turn(&mut self, question: &str, answer: &str) -> Result<()> {
        if self.is_withheld(question) {
            return Ok(()); // the model heard nothing of it
        }
        let tokenizer = &self.model.tokenizer;
        let place = self.place_after(&self.ids);
        let mut ids = chat_template::turn_ids(tokenizer, place, &self.as_learnt(question))?;
        ids.extend(chat_template::answer_ids(tokenizer, answer)?);
        self.check_fits(self.ids.len(), &ids)?;
        self.ids.extend(ids);
        self.last = None;
        Ok(())
    }

    /// Asks. Pieces of the answer go to `watch` as they come.
    ///
    /// A model of narrow scope ([`crate::config::Scope`]) is asked what it has learnt to answer, as it has learnt to hear
    /// it. Of another question, and of any without a picture, [`Answer::remark`] says what is wrong with it; its text then
    /// stands in the answer's place and is no part of the conversation, unless the question has only words that the model
    /// knows, or `options.anyway` is set.
    ///
    /// A stop during the answer keeps what was said so far as the answer. A stop or failure before
    /// that leaves the conversation as it was.
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
        let remark = self.remark_on(question, options);
        self.withheld = remark.clone().filter(|remark| !remark.answered);
        if let Some(withheld) = self.withheld.clone() {
            return Ok(self.said_instead(withheld, watch));
        }
        let prompt = self.prompt_after(&self.ids, question, watch).await?;
        let before = self.ids.len();
        self.check_fits(before, &prompt)?;
        self.ids.extend(prompt);
        let turn = LastTurn {
            prompt_len: self.ids.len(),
            new_from: self.cached_ids,
            remark,
        };
        match self.answer(&turn, sampler, options, watch).await {
            Ok(answer) => {
                self.last = Some(turn);
                Ok(answer)
            }
            Err(error) => {
                self.rewind(before);
                Err(error)
            }
        }
    }

    /// Answers the last question again.
    ///
    /// # Errors
    /// As [`Session::ask`]; [`Error::EmptyQuestion`] if nothing was asked. The earlier answer is
    /// kept unless a new one has begun.
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
        let answered = self.ids.split_off(turn.prompt_len);
        self.rewind(turn.prompt_len);
        // The last token of the prompt is computed again, for its logits.
        self.rewind_cache(turn.prompt_len - 1);
        let turn = LastTurn {
            new_from: self.cached_ids,
            ..turn
        };
        let result = self.answer(&turn, sampler, options, watch).await;
        if result.is_err() {
            self.rewind(turn.prompt_len);
            self.ids.extend(answered);
        }
        self.last = Some(turn);
        result
    }

    /// The logits of the last `wanted` positions of the prompt, then of each forced id:
    /// `[wanted, vocabulary]` and `[forced, vocabulary]`, row i of the latter being what chose
    /// `forced[i]`. Stop ids are not heeded. For parity runs.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub async fn forced_logits(
        &mut self,
        question: &str,
        forced: &[u32],
        wanted: usize,
        recorder: &mut Recorder,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        self.model.unchanged()?;
        let watch = &mut Watch::nobody();
        let prompt = self.prompt_after(&self.ids, question, watch).await?;
        let needed = [prompt.as_slice(), &vec![0; forced.len()]].concat();
        self.check_fits(self.ids.len(), &needed)?;
        self.ids.extend(prompt);
        if recorder.is_on() {
            recorder.keep("inputs_embeds", &self.embed(0..self.ids.len()).await?);
        }
        let prompt_logits = self.logits(wanted, watch).await?;
        let vocabulary = self.model.config.language.vocab_size;
        let mut steps = prompt_logits[prompt_logits.len() - vocabulary..].to_vec();
        for &id in forced.iter().take(forced.len().saturating_sub(1)) {
            self.ids.push(id as i32);
            steps.extend(self.logits(1, watch).await?);
        }
        if forced.is_empty() {
            steps.clear();
        }
        Ok((prompt_logits, steps))
    }

    /// The ids that a question appends to a sequence. Stop is heard while a long one is encoded.
    async fn prompt_after(
        &self,
        ids: &[i32],
        question: &str,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<i32>> {
        self.check_length(question)?;
        let (tokenizer, place) = (&self.model.tokenizer, self.place_after(ids));
        chat_template::watched_turn(tokenizer, place, &self.as_learnt(question), watch).await
    }

    /// A book pasted by mistake is refused before the tokenizer spends seconds on it.
    fn check_length(&self, text: &str) -> Result<()> {
        let needed_tokens = text.len() / Tokenizer::MAX_TOKEN_BYTES;
        let context_tokens = self.model.context_tokens;
        match needed_tokens > context_tokens {
            true => Err(Error::ContextExceeded {
                needed_tokens,
                context_tokens,
            }),
            false => Ok(()),
        }
    }

    /// Where a question behind a sequence stands.
    fn place_after(&self, ids: &[i32]) -> Place {
        match ids.last() {
            Some(&last_id) => Place::After { last_id },
            None => Place::First {
                bos: self.model.config.bos_token_id,
                with_image: self.picture.is_some(),
            },
        }
    }

    fn image_tokens(&self) -> usize {
        self.model.config.image_tokens()
    }

    /// Whether `new` fits behind the first `kept` ids, with one token for the answer.
    fn check_fits(&self, kept: usize, new: &[i32]) -> Result<()> {
        let count = |ids: &[i32]| token_count(ids, self.image_tokens());
        let needed_tokens = count(&self.ids[..kept]) + count(new) + 1;
        let context_tokens = self.cache.capacity();
        match needed_tokens > context_tokens {
            true => Err(Error::ContextExceeded {
                needed_tokens,
                context_tokens,
            }),
            false => Ok(()),
        }
    }

    /// Forgets the ids from `len` on.
    fn rewind(&mut self, len: usize) {
        self.ids.truncate(len);
        self.rewind_cache(len);
    }

    /// Lets the cache hold at most the first `len` ids.
    fn rewind_cache(&mut self, len: usize) {
        self.cached_ids = self.cached_ids.min(len);
        self.cache.truncate(token_count(
            &self.ids[..self.cached_ids],
            self.image_tokens(),
        ));
    }

    async fn embed(&self, range: std::ops::Range<usize>) -> Result<Tensor<2>> {
        let visual_tokens = self.picture.as_ref().map(|picture| &picture.visual_tokens);
        self.model.embed(&self.ids[range], visual_tokens).await
    }

    /// The logits of the last `wanted` positions, `[wanted, vocabulary]`, as numbers.
    async fn logits(&mut self, wanted: usize, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
        read(self.prefill(wanted, watch).await?).await
    }

    /// What comes next. Where the largest logit is all that is asked for, the device finds it: a token is read back,
    /// not a vocabulary.
    async fn next_id(&mut self, sampler: &mut Sampler, watch: &mut Watch<'_>) -> Result<u32> {
        let logits = self.prefill(1, watch).await?;
        if let Some(place) = sampler.is_greedy().then(|| argmax(&logits)).flatten() {
            let not_finite = |_| Error::NotFinite {
                stage: "logits".into(),
            };
            return u32::try_from(read_int(place).await?).map_err(not_finite);
        }
        let mut logits = read(logits).await?;
        let seen = self.seen();
        sampler.pick(&mut logits, &seen)
    }

    /// Computes the ids that the cache does not hold yet, in chunks, and gives the logits of the
    /// last `wanted` positions, `[wanted, vocabulary]`.
    async fn prefill(&mut self, wanted: usize, watch: &mut Watch<'_>) -> Result<Tensor<2>> {
        let embeds = self.embed(self.cached_ids..self.ids.len()).await?;
        let [total, _] = embeds.dims();
        let model = self.model.clone();
        let mut done = 0;
        loop {
            // The wanted positions come from one chunk, so the last chunk may be longer.
            let left = total - done;
            let count = if left < PREFILL_CHUNK + wanted {
                left
            } else {
                PREFILL_CHUNK
            };
            let chunk = embeds.clone().narrow(0, done, count);
            let hidden = model.decoder.forward(chunk, &model.rope, &mut self.cache);
            done += count;
            if done == total {
                self.cached_ids = self.ids.len();
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
        mut sampler: Sampler,
        options: &AskOptions,
        watch: &mut Watch<'_>,
    ) -> Result<Answer> {
        let model = self.model.clone();
        let count = |ids: &[i32]| token_count(ids, model.config.image_tokens());
        let prompt_tokens = count(&self.ids[..turn.prompt_len]);
        let new_prompt_tokens = prompt_tokens - count(&self.ids[..turn.new_from]);
        // An answer that goes on says nothing twice.
        let mut stream = TextStream::new();
        let mut token_ids: Vec<u32> = ids_of(&self.ids[turn.prompt_len..]);
        let begun = token_ids.len();
        let mut text: String = token_ids
            .iter()
            .map(|&id| stream.push(&model.tokenizer, id))
            .collect();

        let timer = Timer::start();
        let mut id = self.next_id(&mut sampler, watch).await?;
        let prefill_ms = timer.elapsed_ms();

        let timer = Timer::start();
        let stop_reason = loop {
            if token_ids
                .last()
                .is_some_and(|last| model.config.eos_token_ids.contains(last))
            {
                break StopReason::Stop; // all but the report had been said
            }
            if token_ids.len() >= options.max_new_tokens {
                break StopReason::Length;
            }
            token_ids.push(id);
            self.ids.push(id as i32);
            if model.config.eos_token_ids.contains(&id) {
                break StopReason::Stop;
            }
            let piece = stream.push(&model.tokenizer, id);
            text += &piece;
            watch.piece(piece, Some(id));
            if self.cache.len() >= self.cache.capacity() {
                break StopReason::Context;
            }
            if watch.breathe().await.is_err() {
                break StopReason::Stopped;
            }
            if token_ids.len() < options.max_new_tokens {
                id = self.next_id(&mut sampler, watch).await?;
            }
        };
        let rest = stream.finish();
        text += &rest;
        watch.piece(rest, None);
        let decode_ms = timer.elapsed_ms();

        let timings_ms = Timings {
            prefill: prefill_ms,
            decode: decode_ms,
            ..self.unreported
        };
        self.unreported = Timings::default();
        Ok(Answer {
            text,
            input_ids: self.ids[..turn.prompt_len].to_vec(),
            stop_reason,
            prompt_tokens,
            new_prompt_tokens,
            image_tokens: match self.ids.contains(&IMAGE_TOKEN_INDEX) {
                true => self.image_tokens(),
                false => 0,
            },
            answer_tokens: token_ids.len(),
            vision_passes: std::mem::take(&mut self.unreported_passes),
            tokens_per_second: (token_ids.len() - begun) as f64 * 1000.0
                / decode_ms.max(f64::MIN_POSITIVE),
            timings_ms,
            device: model.device.name.clone(),
            remark: turn.remark.clone(),
            token_ids,
        })
    }

    /// The token ids of the conversation, for the repetition penalty.
    fn seen(&self) -> Vec<u32> {
        ids_of(&self.ids)
    }
}

/// The ids that stand for themselves.
fn ids_of(ids: &[i32]) -> Vec<u32> {
    ids.iter()
        .filter_map(|&id| u32::try_from(id).ok())
        .collect()
}
