//! Answers a question that comes with its conversation.

use super::prompt::checked_ids;
use super::turn::{Turn, TurnAnswer, TurnRef};
use super::{Answer, Exchange, LastTurn, Request, Session};
use crate::error::Result;
use crate::generate::Sampler;
use crate::progress::Watch;
use crate::sequence::Sequence;

impl Session {
    /// Answers a question after the exchanges in the request, which need not come from this session. The prefix that
    /// the cache already holds is not computed again. An interrupted answer is continued, and returned as a whole.
    ///
    /// # Errors
    /// As [`Session::ask`]; [`crate::Error::Option`] for an id that is not in the vocabulary.
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
        match &result {
            Ok(answer) => {
                self.last = Some(turn);
                self.take_up(request, answer.token_ids.clone());
            }
            Err(_) => self.sequence = before,
        }
        result
    }

    /// Makes the request's sequence, including the first ids of the answer, the session's. Returns the position of
    /// its last token.
    pub(super) async fn turn_to(&mut self, request: &Request) -> Result<usize> {
        self.model.unchanged()?;
        let (sequence, _) = self.requested(request, &mut Watch::nobody()).await?;
        self.check_fits(sequence.len())?;
        self.sequence = sequence;
        self.last = None;
        self.take_up(request, request.begun.clone());
        Ok(self.sequence.len().saturating_sub(1))
    }

    /// The whole sequence of a request, and the length of its prompt. Stops as soon as the sequence is too long,
    /// since a request may contain a million exchanges.
    async fn requested(
        &self,
        request: &Request,
        watch: &mut Watch<'_>,
    ) -> Result<(Sequence, usize)> {
        let before = self.heard(request).map(TurnRef::from);
        let question = &request.question;
        let mut sequence = self.prompt(before, question, self.room(), watch).await?;
        let prompt_len = sequence.len();
        let vocabulary = self.model.config.decoder.vocab_size;
        sequence.extend(checked_ids("begun", &request.begun, vocabulary)?.to_vec());
        Ok((sequence, prompt_len))
    }

    /// What was said before; of the other questions the model heard nothing.
    fn heard<'a>(&'a self, request: &'a Request) -> impl Iterator<Item = &'a Exchange> {
        let heard =
            |exchange: &&Exchange| request.options.anyway || !self.is_withheld(&exchange.question);
        request.before.iter().filter(heard)
    }

    /// Makes the request's conversation, with this answer, the session's.
    fn take_up(&mut self, request: &Request, answer: Vec<u32>) {
        let mut turns: Vec<Turn> = self.heard(request).map(Turn::of).collect();
        turns.push(Turn {
            question: request.question.clone(),
            answer: TurnAnswer::Ids(answer),
        });
        self.turns = turns;
    }
}
