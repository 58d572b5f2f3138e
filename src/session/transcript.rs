//! Answering a question with the conversation that is handed over with it.

use super::{Answer, Exchange, LastTurn, Request, Session};
use crate::error::{Error, Result};
use crate::generate::Sampler;
use crate::progress::Watch;
use crate::text::chat_template;

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
        let mut sampler = Sampler::new(&request.options.sampling)?;
        sampler.skip(request.begun.len());
        let remark = self.remark_on(&request.question, &request.options);
        self.withheld = remark.clone().filter(|remark| !remark.answered);
        if let Some(withheld) = self.withheld.clone() {
            return Ok(self.said_instead(withheld, watch));
        }
        let (ids, prompt_len) = self.sequence(request, watch).await?;
        self.check_fits(0, &ids)?;
        let new_from = self.follow(ids).min(prompt_len);
        let turn = LastTurn {
            prompt_len,
            new_from,
            remark,
        };
        let result = self.answer(&turn, sampler, &request.options, watch).await;
        match result.is_ok() {
            true => self.last = Some(turn),
            false => self.rewind(self.cached_ids),
        }
        result
    }

    /// Makes the request's sequence, with the answer as far as it was begun, the session's. Gives the place of its last id.
    pub(super) async fn turn_to(&mut self, request: &Request) -> Result<usize> {
        self.model.unchanged()?;
        let (ids, _) = self.sequence(request, &mut Watch::nobody()).await?;
        self.check_fits(0, &ids)?;
        let last = ids.len().saturating_sub(1);
        self.follow(ids);
        Ok(last)
    }

    /// The whole sequence of a request, and how much of it is its prompt. As soon as it cannot fit any more the rest is
    /// not looked at: there may be a million exchanges.
    async fn sequence(
        &self,
        request: &Request,
        watch: &mut Watch<'_>,
    ) -> Result<(Vec<i32>, usize)> {
        let (model, vocabulary) = (&self.model, self.model.config.language.vocab_size);
        let mut ids = Vec::new();
        for Exchange {
            question,
            token_ids,
            text,
        } in &request.before
        {
            if !request.options.anyway && self.is_withheld(question) {
                continue; // the model heard nothing of it
            }
            ids.extend(self.prompt_after(&ids, question, watch).await?);
            let tokenizer = &model.tokenizer;
            ids.extend(match token_ids {
                Some(token_ids) => checked_ids("token_ids", token_ids, vocabulary)?,
                None => {
                    self.check_length(text)?;
                    chat_template::watched_answer_ids(tokenizer, text, watch).await?
                }
            });
            self.check_fits(0, &ids)?;
        }
        ids.extend(self.prompt_after(&ids, &request.question, watch).await?);
        let prompt_len = ids.len();
        ids.extend(checked_ids("begun", &request.begun, vocabulary)?);
        Ok((ids, prompt_len))
    }

    /// Makes `ids` the sequence. The cache keeps the beginning that it has in common with it, but for the last id, whose
    /// logits are wanted. Gives the length of that.
    fn follow(&mut self, ids: Vec<i32>) -> usize {
        let same = self.ids[..self.cached_ids]
            .iter()
            .zip(&ids)
            .take_while(|(held, wanted)| held == wanted)
            .count();
        self.rewind_cache(same.min(ids.len().saturating_sub(1)));
        self.ids = ids;
        self.last = None;
        self.cached_ids
    }
}

/// Ids that come from outside as the sequence has them.
///
/// # Errors
/// [`Error::Option`] for one that is not in the vocabulary.
fn checked_ids(option: &str, ids: &[u32], vocabulary: usize) -> Result<Vec<i32>> {
    let known = |&id: &u32| match i32::try_from(id) {
        Ok(id) if (id as usize) < vocabulary => Ok(id),
        _ => Err(Error::Option {
            option: option.into(),
            reason: format!("{id} is not in the vocabulary of {vocabulary}"),
        }),
    };
    ids.iter().map(known).collect()
}
