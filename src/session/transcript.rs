//! Answering a question with the conversation that is handed over with it.

use super::{Answer, Exchange, LastTurn, Request, Session};
use crate::error::{Error, Result};
use crate::generate::Sampler;
use crate::progress::Watch;
use crate::sequence::Sequence;
use crate::text::prompt::conv_llama3;

impl Session {
    /// Answers a question after whatever the request says was said before it, which need not be what this session said.
    /// What the cache holds of the same beginning is not computed again. An answer that was begun goes on, and is given
    /// whole.
    ///
    /// # Errors
    /// As [`Session::ask`]; [`Error::Option`] for an id that is not in the vocabulary.
    pub async fn reply(&mut self, request: &Request, watch: &mut Watch<'_>) -> Result<Answer> {
        self.model.unchanged()?;
        request.options.validate()?;
        let sampler = Sampler::new(&request.options.sampling)?;
        let remark = self.remark_on(&request.question, &request.options);
        self.withheld = remark.clone().filter(|remark| !remark.answered);
        if let Some(withheld) = self.withheld.clone() {
            return Ok(self.said_instead(withheld, watch));
        }
        let (sequence, prompt_len) = self.requested(request, watch).await?;
        self.check_fits(sequence.len())?;
        let turn = LastTurn { prompt_len, remark };
        let before = std::mem::replace(&mut self.sequence, sequence);
        let result = self.answer(&turn, sampler, &request.options, watch).await;
        match result.is_ok() {
            true => self.last = Some(turn),
            false => self.sequence = before,
        }
        result
    }

    /// Makes the request's sequence, with the answer as far as it was begun, the session's. Gives the place of its last
    /// token.
    pub(super) async fn turn_to(&mut self, request: &Request) -> Result<usize> {
        self.model.unchanged()?;
        let (sequence, _) = self.requested(request, &mut Watch::nobody()).await?;
        self.check_fits(sequence.len())?;
        self.sequence = sequence;
        self.last = None;
        Ok(self.sequence.len().saturating_sub(1))
    }

    /// The whole sequence of a request, and how much of it is its prompt. As soon as it cannot fit any more the rest is
    /// not looked at: there may be a million exchanges.
    async fn requested(
        &self,
        request: &Request,
        watch: &mut Watch<'_>,
    ) -> Result<(Sequence, usize)> {
        let (model, vocabulary) = (&self.model, self.model.config.decoder.vocab_size);
        let mut sequence = Sequence::default();
        for Exchange {
            question,
            token_ids,
            text,
        } in &request.before
        {
            if !request.options.anyway && self.is_withheld(question) {
                continue; // the model heard nothing of it
            }
            sequence.append(self.prompt_after(&sequence, question, watch).await?);
            let tokenizer = &model.tokenizer;
            sequence.extend(match token_ids {
                Some(token_ids) => checked_ids("token_ids", token_ids, vocabulary)?,
                None => {
                    self.check_length(text)?;
                    conv_llama3::watched_answer_ids(tokenizer, text, watch).await?
                }
            });
            self.check_fits(sequence.len())?;
        }
        let question = &request.question;
        sequence.append(self.prompt_after(&sequence, question, watch).await?);
        let prompt_len = sequence.len();
        sequence.extend(checked_ids("begun", &request.begun, vocabulary)?);
        Ok((sequence, prompt_len))
    }
}

/// Ids that come from outside.
///
/// # Errors
/// [`Error::Option`] for one that is not in the vocabulary.
fn checked_ids(option: &str, ids: &[u32], vocabulary: usize) -> Result<Vec<u32>> {
    match ids.iter().find(|&&id| id as usize >= vocabulary) {
        None => Ok(ids.to_vec()),
        Some(id) => Err(Error::Option {
            option: option.into(),
            reason: format!("{id} is not in the vocabulary of {vocabulary}"),
        }),
    }
}
