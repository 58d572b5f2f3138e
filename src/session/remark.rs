//! Questions to a model of narrow scope, and the remarks that may replace its answers.

use std::borrow::Cow;

use super::{Answer, AskOptions, Session, Timings};
use crate::config::Remark;
use crate::generate::generation::StopReason;
use crate::progress::Watch;

impl Session {
    /// The remark on a question, unless `options.anyway` is set. Empty questions are refused elsewhere.
    pub(super) fn remark_on(
        &self,
        question: &str,
        has_picture: bool,
        options: &AskOptions,
    ) -> Option<Remark> {
        let scope = self.model.config.scope.filter(|_| !options.anyway)?;
        match question.trim().is_empty() {
            true => None,
            false => scope.remark(question, has_picture),
        }
    }

    /// Whether a question, asked with default options, is not given to the model.
    pub(super) fn is_withheld(&self, question: &str, has_picture: bool) -> bool {
        let remark = self.remark_on(question, has_picture, &AskOptions::default());
        remark.is_some_and(|remark| !remark.answered)
    }

    /// A question in the form that the model was trained on.
    pub(super) fn as_learnt<'a>(&self, question: &'a str) -> Cow<'a, str> {
        match self.model.config.scope {
            Some(scope) => Cow::Owned(scope.as_learnt(question)),
            None => Cow::Borrowed(question),
        }
    }

    /// A remark as an answer. The conversation is unchanged.
    pub(super) fn said_instead(&self, remark: Remark, watch: &mut Watch<'_>) -> Answer {
        watch.piece(remark.text.clone(), None);
        Answer {
            text: remark.text.clone(),
            token_ids: Vec::new(),
            input_ids: Vec::new(),
            stop_reason: StopReason::Stop,
            prompt_tokens: 0,
            new_prompt_tokens: 0,
            image_tokens: 0,
            answer_tokens: 0,
            vision_passes: 0,
            timings_ms: Timings::default(),
            tokens_per_second: 0.0,
            device: self.model.device.name.clone(),
            remark: Some(remark),
        }
    }
}
