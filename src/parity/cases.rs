//! Conversations: the prompt, the logits along PyTorch's answer, and the program's own answer.

use std::collections::BTreeMap;

use super::expected::{ExpectedCase, Line};
use super::{FEATURE_LIMIT, LOGIT_LIMIT, PROMPT_POSITIONS, Parity, Row};
use crate::error::{Error, Result};
use crate::generate::Sampling;
use crate::progress::Watch;
use crate::recorder::Recorder;
use crate::sequence::{Chunk, MediaId, Sequence};
use crate::session::{AskOptions, Session};
use crate::spec::plan::Coverage;
use crate::text::prompt::Prompt;
use crate::text::prompt::conv_llama3::prompt_text;
use crate::vision::encoder::Encoded;

impl Parity<'_> {
    /// A conversation up to the case's last question, and that question.
    async fn asked(&self, case: &ExpectedCase, encoded: &[Encoded]) -> Result<(Session, String)> {
        let mut session = Session::new(self.model.clone(), Coverage::Live);
        let conversation = case.conversation();
        session.set_system(&conversation.system);
        let is_only = case.all_images().len() == 1;
        let show = |session: &mut Session, line: &Line| {
            for &(image, at) in &line.pictures {
                let picture = encoded.get(image).ok_or_else(|| Error::Option {
                    option: case.name.clone(),
                    reason: format!("it shows image {image} of {}", encoded.len()),
                })?;
                session.show_encoded(picture.clone(), at, is_only);
            }
            Ok::<_, Error>(())
        };
        for (line, answer) in &conversation.before {
            show(&mut session, line)?;
            session.restore_turn(&line.text, answer).await?;
        }
        show(&mut session, &conversation.question)?;
        Ok((session, conversation.question.text))
    }

    /// The prompt's ids as the case writes them: a picture as -200, or as the model's id for each of its tokens.
    fn numbers(&self, prompt: &Sequence, case: &ExpectedCase) -> Vec<i32> {
        let id = self.model.config.image_token_id.map(|id| id as i32);
        match id {
            Some(id) if !case.input_ids.contains(&-200) => {
                let numbers = prompt.chunks().iter().flat_map(|chunk| match chunk {
                    Chunk::Text(ids) => ids.iter().map(|&id| id as i32).collect(),
                    Chunk::Media(run) => vec![id; run.tokens],
                });
                numbers.collect()
            }
            _ => prompt.to_numbers(),
        }
    }

    /// How many visual tokens each picture has.
    fn token_counts(&mut self, case: &ExpectedCase, prompt: &Sequence) {
        if case.image_token_counts.is_empty() {
            return;
        }
        let mut found: Vec<(MediaId, usize)> = Vec::new();
        for (run, _) in prompt.media() {
            match found.last_mut() {
                // A picture that is shown twice begins again.
                Some((id, tokens)) if *id == run.id && run.first != 0 => *tokens += run.tokens,
                _ => found.push((run.id, run.tokens)),
            }
        }
        let found: BTreeMap<usize, usize> = found
            .into_iter()
            .map(|(_, tokens)| tokens)
            .enumerate()
            .collect();
        let wanted = case.image_token_counts.iter().copied().enumerate();
        let wanted: BTreeMap<usize, usize> = wanted.collect();
        let name = format!("{}.image_token_counts", case.name);
        let differing = usize::from(found != wanted);
        self.push(Row::of_count("text", name, differing, wanted.len()));
    }

    /// The prompt, the logits along the expected continuation, and the program's own greedy answer.
    pub(super) async fn case(&mut self, case: &ExpectedCase, encoded: &[Encoded]) -> Result<()> {
        let name = |what: &str| format!("{}.{what}", case.name);
        let model = self.model.clone();
        // A template's prompt is never a text.
        if let Prompt::ConvLlama3 { .. } = model.prompt {
            let text = prompt_text(&case.exchanges(), !case.all_images().is_empty());
            self.push(Row::of_count(
                "text",
                name("prompt"),
                usize::from(text != case.prompt),
                1,
            ));
        }

        let (mut forced, question) = self.asked(case, encoded).await?;
        let mut recorder = Recorder::on();
        let (prompt_logits, step_logits) = forced
            .forced_logits(&question, &case.greedy_ids, PROMPT_POSITIONS, &mut recorder)
            .await?;
        let read = forced.sequence();
        let prompt_len = read.len() - (case.greedy_ids.len() - 1);
        let prompt = read.part(0..prompt_len);
        let differing = usize::from(self.numbers(&prompt, case) != case.input_ids);
        self.push(Row::of_count("text", name("input_ids"), differing, 1));
        self.token_counts(case, &prompt);
        if let Some(found) = recorder.into_stages().await?.remove("inputs_embeds") {
            let differing = found.shape[0].abs_diff(case.sequence_length);
            self.push(Row::of_count(
                "live",
                name("sequence_length"),
                differing,
                case.sequence_length,
            ));
            self.compare("live", name("inputs_embeds"), &found.values, FEATURE_LIMIT);
        }
        self.compare(
            "live",
            name("prompt_logits_last8"),
            &prompt_logits,
            LOGIT_LIMIT,
        );
        self.compare("live", name("step_logits"), &step_logits, LOGIT_LIMIT);
        let vocabulary = model.config.decoder.vocab_size;
        let wrong = step_logits
            .chunks(vocabulary)
            .zip(&case.greedy_ids)
            .filter(|(logits, expected)| !chooses(logits, **expected))
            .count();
        self.push(Row::of_count(
            "live",
            name("forced_ids"),
            wrong,
            case.greedy_ids.len(),
        ));

        // The program's own answer: the same ids up to the first stop id, unless a tie within the
        // tolerance led elsewhere, which the forced ids above would show as an error of the logits.
        let (mut free, question) = self.asked(case, encoded).await?;
        let options = AskOptions {
            sampling: Sampling::greedy(),
            max_new_tokens: case.greedy_ids.len(),
            anyway: true,
            ..AskOptions::default()
        };
        let answer = free.ask(&question, &options, &mut Watch::nobody()).await?;
        let until = case
            .greedy_ids
            .iter()
            .position(|id| model.config.eos_token_ids.contains(id));
        let expected = &case.greedy_ids[..until.map_or(case.greedy_ids.len(), |at| at + 1)];
        let differing = answer
            .token_ids
            .iter()
            .zip(expected)
            .position(|(a, b)| a != b);
        let near_tie = differing.is_some_and(|at| {
            chooses(
                &step_logits[at * vocabulary..(at + 1) * vocabulary],
                answer.token_ids[at],
            )
        });
        let wrong = (differing.is_some() || answer.token_ids.len() != expected.len()) && !near_tie;
        self.push(Row::of_count(
            "live",
            name("greedy_ids"),
            usize::from(wrong),
            expected.len(),
        ));
        Ok(())
    }
}

/// Whether `id` is the best choice, or as good as the best within the tolerance.
fn chooses(logits: &[f32], id: u32) -> bool {
    let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits
        .get(id as usize)
        .is_some_and(|&logit| best - logit <= 2.0 * LOGIT_LIMIT)
}
