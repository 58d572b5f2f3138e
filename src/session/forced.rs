//! The logits along an answer that is given, for parity runs.

use super::Session;
use super::turn::TurnAnswer;
use crate::error::Result;
use crate::progress::Watch;
use crate::recorder::Recorder;

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
        let watch = &mut Watch::nobody();
        let prompt = self.prompt_of(question, watch).await?;
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
        let said = forced[..forced.len().saturating_sub(1)].to_vec();
        self.push_turn(question, TurnAnswer::Ids(said));
        Ok((prompt_logits, steps))
    }
}
