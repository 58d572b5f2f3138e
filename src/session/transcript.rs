//! Answers a question that comes with its conversation.

use super::prompt::checked_ids;
use super::turn::{Asked, Look, Turn, TurnAnswer, TurnRef, is_only};
use super::{Answer, LastTurn, Request, Session};
use crate::error::Result;
use crate::generate::Sampler;
use crate::progress::Watch;
use crate::request::Shown;
use crate::sequence::{MediaId, Sequence};
use crate::text::prompt::MediaKind;

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
        let has_picture = self.looks_of(request).next().is_some();
        let remark = self.remark_on(&request.question, has_picture, &request.options);
        self.withheld = remark.clone().filter(|remark| !remark.answered);
        if let Some(withheld) = self.withheld.clone() {
            return Ok(self.said_instead(withheld, watch));
        }
        let (sequence, prompt_len, turns) = self.requested(request, watch).await?;
        self.check_fits(sequence.len())?;
        let last = LastTurn { prompt_len, remark };
        let before = std::mem::replace(&mut self.sequence, sequence);
        // The pictures of the request are the conversation's.
        let turns = std::mem::replace(&mut self.turns, turns);
        self.shown.clear();
        let result = self.answer(&last, sampler, &request.options, watch).await;
        match &result {
            Ok(answer) => {
                self.last = Some(last);
                self.take_up(answer.token_ids.clone());
            }
            Err(_) => (self.sequence, self.turns) = (before, turns),
        }
        result
    }

    /// Makes the request's sequence, including the first ids of the answer, the session's. Returns the position of
    /// its last token.
    pub(super) async fn turn_to(&mut self, request: &Request) -> Result<usize> {
        self.model.unchanged()?;
        let (sequence, _, turns) = self.requested(request, &mut Watch::nobody()).await?;
        self.check_fits(sequence.len())?;
        self.sequence = sequence;
        self.last = None;
        self.turns = turns;
        self.shown.clear();
        self.take_up(request.begun.clone());
        Ok(self.sequence.len().saturating_sub(1))
    }

    /// The whole sequence of a request, the length of its prompt, and its turns, the last with an empty answer. Stops
    /// as soon as the sequence is too long, since a request may contain a million exchanges.
    async fn requested(
        &mut self,
        request: &Request,
        watch: &mut Watch<'_>,
    ) -> Result<(Sequence, usize, Vec<Turn>)> {
        let looks: Vec<Look> = self.looks_of(request).collect();
        self.encode_among(&looks, watch).await?;
        self.system.clone_from(&request.system);
        let (before, asked) = self.heard(request);
        let turns: Vec<Turn> = before.iter().map(TurnRef::to_turn).collect();
        let last = Turn {
            pictures: asked.pictures.clone(),
            question: asked.question.into(),
            answer: TurnAnswer::Ids(Vec::new()),
        };
        let is_only = is_only(&looks);
        let sequence = self.prompt(before.into_iter(), asked, is_only, self.room(), watch);
        let mut sequence = sequence
            .await
            .map_err(|error| self.told_of(error, &looks))?;
        let prompt_len = sequence.len();
        let vocabulary = self.model.config.decoder.vocab_size;
        sequence.extend(checked_ids("begun", &request.begun, vocabulary)?.to_vec());
        let turns = turns.into_iter().chain([last]).collect();
        Ok((sequence, prompt_len, turns))
    }

    /// Every picture of a request's conversation, in order; the session's, if the request has none.
    fn looks_of(&self, request: &Request) -> impl Iterator<Item = Look> {
        let of_request = request.all_pictures().map(|shown| self.look(shown));
        let has_own = request.all_pictures().next().is_some();
        let of_session = self.looks().filter(move |_| !has_own);
        let of_session = of_session.map(|look| Look { at: 0, ..*look });
        of_request.chain(of_session)
    }

    /// What was said before, and what is asked. Of some questions the model heard nothing; the pictures that they
    /// showed are the next one's.
    fn heard<'a>(&self, request: &'a Request) -> (Vec<TurnRef<'a>>, Asked<'a>) {
        let has_picture = self.looks_of(request).next().is_some();
        let mut before = Vec::new();
        let mut unseen: Vec<Look> = match request.all_pictures().next() {
            Some(_) => Vec::new(),
            None => self.looks_of(request).collect(),
        };
        for exchange in &request.before {
            let looks = exchange.pictures.iter().map(|shown| self.look(shown));
            let is_heard =
                request.options.anyway || !self.is_withheld(&exchange.question, has_picture);
            match is_heard {
                true => {
                    let pictures = unseen.drain(..).chain(looks).collect();
                    before.push(TurnRef::new(exchange, pictures));
                }
                false => unseen.extend(looks.map(|look| Look { at: 0, ..look })),
            }
        }
        unseen.extend(request.pictures.iter().map(|shown| self.look(shown)));
        let asked = Asked {
            pictures: unseen,
            question: &request.question,
        };
        (before, asked)
    }

    /// Whether it is a picture or a video is known of what is held.
    fn look(&self, shown: &Shown) -> Look {
        let picture = id_of(&shown.key);
        let held = self.pictures.get(picture);
        Look {
            picture,
            kind: held.map_or(MediaKind::Image, |held| held.encoded.kind),
            at: shown.at,
            detail: shown.detail,
        }
    }

    /// Completes the last turn by its answer.
    fn take_up(&mut self, answer: Vec<u32>) {
        if let Some(turn) = self.turns.last_mut() {
            turn.answer = TurnAnswer::Ids(answer);
        }
    }
}

/// Equal keys mean equal pictures.
pub(super) fn id_of(key: &str) -> MediaId {
    MediaId::of(&[key.as_bytes()])
}
