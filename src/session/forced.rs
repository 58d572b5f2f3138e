//! The logits along an answer that is given, for parity runs.

use super::Session;
use super::prompt::checked_ids;
use super::turn::TurnAnswer;
use crate::error::{Error, Result};
use crate::progress::Watch;
use crate::recorder::Recorder;
use crate::sequence::Sequence;

impl Session {
    /// The logits of the last `wanted` positions of the prompt, and those from which each forced id is chosen:
    /// `[wanted, vocabulary]` and `[forced, vocabulary]`. Stop ids are ignored. For parity runs.
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
        let prompt = self.prompt_of(question, &mut Watch::nobody()).await?;
        let logits = self.forced(prompt, forced, wanted, recorder).await?;
        let said = forced[..forced.len().saturating_sub(1)].to_vec();
        self.push_turn(question, TurnAnswer::Ids(said));
        Ok(logits)
    }

    /// As [`Session::forced_logits`], behind a prompt of these ids, which nothing is added to.
    ///
    /// # Errors
    /// As [`Session::ask`]; [`crate::Error::Option`] for an id that is not in the vocabulary, and for none.
    pub async fn forced_logits_of_ids(
        &mut self,
        ids: &[u32],
        forced: &[u32],
        wanted: usize,
        recorder: &mut Recorder,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        self.model.unchanged()?;
        let ids = checked_ids("ids", ids, self.model.config.decoder.vocab_size)?;
        if ids.is_empty() {
            return Err(Error::Option {
                option: "ids".into(),
                reason: "there is none".into(),
            });
        }
        let prompt = Sequence::of_text(ids.to_vec());
        self.forced(prompt, forced, wanted.min(ids.len()), recorder)
            .await
    }

    async fn forced(
        &mut self,
        prompt: Sequence,
        forced: &[u32],
        wanted: usize,
        recorder: &mut Recorder,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let watch = &mut Watch::nobody();
        self.check_fits(prompt.len() + forced.len())?;
        self.sequence = prompt;
        self.last = None;
        if recorder.is_on() {
            let embeds = self.embed(0..self.sequence.len()).await?;
            recorder.keep("inputs_embeds", &embeds);
        }
        let prompt_logits = self.logits(wanted, watch).await?;
        let vocabulary = self.model.config.decoder.vocab_size;
        let mut steps = prompt_logits[prompt_logits.len() - vocabulary..].to_vec();
        for &id in forced.iter().take(forced.len().saturating_sub(1)) {
            self.sequence.push(id);
            steps.extend(self.logits(1, watch).await?);
        }
        if forced.is_empty() {
            steps.clear();
        }
        Ok((prompt_logits, steps))
    }
}
