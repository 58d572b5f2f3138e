//! The generation loop: produces one id after another until the answer ends.
//!
//! In: logits, from any predictor. Out: ids, and their text as it is generated. It must not depend on the model, so
//! that it can be tested without one.

use serde::Serialize;

use super::constraint::Constraint;
use super::sampler::Sampler;
use super::stop_texts::StopTexts;
use crate::error::Result;
use crate::platform::Timer;
use crate::progress::Watch;
use crate::text::{TextStream, Tokenizer};

/// Why an answer ended.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StopReason {
    /// The model produced a stop id, or the text contained a stop text.
    Stop,
    /// `max_new_tokens` was reached.
    Length,
    /// The context is full.
    Context,
    /// The user stopped it.
    Stopped,
}

/// The next prediction.
pub enum Next {
    /// The id of the largest logit, found on the device.
    Largest(u32),
    /// The logits, `[vocab]`.
    Logits(Vec<f32>),
}

/// Computes the prediction after the ids so far.
#[allow(
    async_fn_in_trait,
    reason = "used by generic callers of this crate only; no Send bound is wanted on wasm"
)]
pub trait Predictor {
    /// The next prediction; [`Next::Largest`] only if `only_largest` is set.
    ///
    /// # Errors
    /// The errors of the computation.
    async fn next(&mut self, only_largest: bool, watch: &mut Watch<'_>) -> Result<Next>;

    /// The ids so far, of prompt and answer.
    fn seen(&self) -> Vec<u32>;

    /// Appends the generated `id`.
    fn push(&mut self, id: u32);

    /// Whether no further token can be computed.
    fn is_full(&self) -> bool;
}

/// How an answer is generated, and what ends it.
pub struct Generation<'a> {
    /// Converts ids to text.
    pub tokenizer: &'a Tokenizer,
    /// Chooses ids.
    pub sampler: Sampler,
    /// Restricts the answer, if there is one.
    pub constraint: Option<Box<dyn Constraint>>,
    /// Ids that end the answer.
    pub stop_ids: &'a [u32],
    /// Texts that end the answer and are not part of it; none is empty.
    pub stop_texts: Vec<String>,
    /// The most ids of the answer.
    pub max_new_tokens: usize,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// Its whole text.
    pub text: String,
    /// All of its ids, including a stop id.
    pub token_ids: Vec<u32>,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Milliseconds until the first id, including the prefill.
    pub first_ms: f64,
    /// Milliseconds for the remaining ids.
    pub others_ms: f64,
}

impl Generation<'_> {
    /// Continues an answer that starts with the ids `begun`, which `predictor` already holds after its prompt: they
    /// are part of the result but not reported to `watch`, and the sampler continues as if it had chosen them.
    ///
    /// # Errors
    /// Errors of `predictor` and of the constraint; [`crate::Error::NotFinite`].
    pub async fn run(
        mut self,
        begun: Vec<u32>,
        predictor: &mut impl Predictor,
        watch: &mut Watch<'_>,
    ) -> Result<Generated> {
        let mut stream = TextStream::new();
        let mut stop_texts = StopTexts::new(std::mem::take(&mut self.stop_texts));
        let mut text = String::new();
        for &id in &begun {
            if self.stop_ids.contains(&id) {
                break;
            }
            self.accept(id)?;
            text += &stop_texts.push(&stream.push(self.tokenizer, id));
        }
        self.sampler.skip(begun.len());
        let mut token_ids = begun;

        let timer = Timer::start();
        let mut first_ms = None;
        let stop_reason = loop {
            let is_ended = token_ids
                .last()
                .is_some_and(|id| self.stop_ids.contains(id));
            if is_ended || stop_texts.found() {
                break StopReason::Stop;
            }
            if token_ids.len() >= self.max_new_tokens {
                break StopReason::Length;
            }
            let id = self.choose(predictor, watch).await?;
            first_ms.get_or_insert_with(|| timer.elapsed_ms());
            token_ids.push(id);
            predictor.push(id);
            if self.stop_ids.contains(&id) {
                break StopReason::Stop;
            }
            self.accept(id)?;
            let piece = stop_texts.push(&stream.push(self.tokenizer, id));
            text += &piece;
            watch.piece(piece, Some(id));
            if stop_texts.found() {
                break StopReason::Stop;
            }
            if predictor.is_full() {
                break StopReason::Context;
            }
            if watch.breathe().await.is_err() {
                break StopReason::Stopped;
            }
        };
        let rest = stop_texts.push(&stream.finish()) + &stop_texts.finish();
        text += &rest;
        watch.piece(rest, None);
        let all_ms = timer.elapsed_ms();
        let first_ms = first_ms.unwrap_or(all_ms);
        Ok(Generated {
            text,
            token_ids,
            stop_reason,
            first_ms,
            others_ms: all_ms - first_ms,
        })
    }

    fn accept(&mut self, id: u32) -> Result<()> {
        match &mut self.constraint {
            Some(constraint) => constraint.accept(id),
            None => Ok(()),
        }
    }

    async fn choose(
        &mut self,
        predictor: &mut impl Predictor,
        watch: &mut Watch<'_>,
    ) -> Result<u32> {
        let only_largest = self.sampler.is_greedy() && self.constraint.is_none();
        match predictor.next(only_largest, watch).await? {
            Next::Largest(id) => Ok(id),
            Next::Logits(mut logits) => {
                if let Some(constraint) = &self.constraint {
                    constraint.restrict(&mut logits);
                }
                self.sampler.pick(&mut logits, &predictor.seen())
            }
        }
    }
}
