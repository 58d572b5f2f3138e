//! A conversation as token ids and labels, in the two formats of the released training code.
//!
//! In: turns. Out: [`Example`]. The ids of [`Template::Llama3`] come from the functions that build
//! prompts for inference, so that training and inference use the same prompts.

use crate::sequence::{Chunk, Media, Sequence};
use crate::text::Tokenizer;
use crate::text::prompt::conv_llama3::{answer_ids, end_of_turn_id, first_turn, next_turn};
use crate::{Error, Result};

/// The label of a position that is not a training target.
pub const IGNORE: i32 = -100;

/// A question and its answer, the training target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Without the `<image>` placeholder.
    pub question: String,
    /// The text that the model should generate, without a closing token.
    pub answer: String,
}

/// How a conversation becomes a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// The release's first stage (`preprocess_plain`): bos, the picture, a caption and a newline.
    /// The question is omitted. Caption and newline are targets; there is no closing token.
    Plain,
    /// The release's second stage (`conv_llama3`): the template of [`crate::text::prompt::conv_llama3`].
    /// Each answer is learnt, and the `<|eot_id|>` after it, and nothing else.
    Llama3,
    /// Not in the release: bos, the picture, and one line for each turn: the question, a space, the
    /// answer. The targets are the answers, each with its space and a newline.
    Facts,
}

/// A training sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// The input.
    pub sequence: Sequence,
    /// For each of its tokens: its own id if it is a target (which the logits of the position
    /// *before* it predict; nothing is shifted here), otherwise [`IGNORE`].
    pub labels: Vec<i32>,
}

impl Example {
    fn append(&mut self, ids: Vec<u32>, learnt: bool) {
        let label = |&id: &u32| match learnt {
            // Vocabularies are far smaller than 2^31.
            true => i32::try_from(id).unwrap_or(i32::MAX),
            false => IGNORE,
        };
        self.labels.extend(ids.iter().map(label));
        self.sequence.extend(ids);
    }

    /// Appends tokens that are not targets.
    fn append_read(&mut self, sequence: Sequence) {
        self.sequence.append(sequence);
        self.labels.resize(self.sequence.len(), IGNORE);
    }

    /// Number of targets.
    pub fn learnt(&self) -> usize {
        self.labels.iter().filter(|&&label| label != IGNORE).count()
    }

    /// Ids and labels in the release's format, with -200 for all tokens of a picture.
    pub fn to_numbers(&self) -> (Vec<i32>, Vec<i32>) {
        let mut place = 0;
        let labels = self.sequence.chunks().iter().flat_map(|chunk| {
            let labels = match chunk {
                Chunk::Text(ids) => self.labels[place..place + ids.len()].to_vec(),
                Chunk::Media(_) => vec![IGNORE],
            };
            place += chunk.tokens();
            labels
        });
        (self.sequence.to_numbers(), labels.collect())
    }
}

/// The ids and labels of a conversation; `bos` is `bos_token_id` of `config.json`.
///
/// `Llama3` matches the release's `preprocess_llama3`, except for answers that begin with a
/// newline: the release tokenizes an answer together with the header's two newlines, but at
/// inference those newlines are already part of the prompt.
///
/// # Errors
/// [`Error::Example`] if there are no turns or, for [`Template::Plain`], if there is not exactly
/// one turn with a picture. The errors of [`first_turn`] and [`Tokenizer::encode_user`].
pub fn example(
    tokenizer: &Tokenizer,
    bos: u32,
    template: Template,
    turns: &[Turn],
    picture: Option<Media>,
) -> Result<Example> {
    match template {
        Template::Plain => plain(tokenizer, bos, turns, picture),
        Template::Llama3 => llama3(tokenizer, bos, turns, picture),
        Template::Facts => facts(tokenizer, bos, turns, picture),
    }
}

fn plain(
    tokenizer: &Tokenizer,
    bos: u32,
    turns: &[Turn],
    picture: Option<Media>,
) -> Result<Example> {
    let ([turn], Some(picture)) = (turns, picture) else {
        let reason = "the plain template takes one caption of one picture";
        return Err(Error::Example {
            reason: reason.into(),
        });
    };
    let mut example = bare(bos, Some(picture));
    // The release tokenizes the caption and its newline as one text.
    let caption = answer_ids(tokenizer, &format!("{}\n", turn.answer))?;
    example.append(caption, true);
    Ok(example)
}

fn facts(
    tokenizer: &Tokenizer,
    bos: u32,
    turns: &[Turn],
    picture: Option<Media>,
) -> Result<Example> {
    let mut example = bare(bos, picture);
    for turn in turns {
        example.append(answer_ids(tokenizer, &turn.question)?, false);
        example.append(answer_ids(tokenizer, &format!(" {}\n", turn.answer))?, true);
    }
    match turns.is_empty() {
        true => Err(no_turns()),
        false => Ok(example),
    }
}

/// The bos token and, if there is one, the picture.
fn bare(bos: u32, picture: Option<Media>) -> Example {
    let mut example = Example::default();
    example.append(vec![bos], false);
    if let Some(picture) = picture {
        example.append_read(Sequence::of_media(picture));
    }
    example
}

fn no_turns() -> Error {
    Error::Example {
        reason: "it has no turns".into(),
    }
}

fn llama3(
    tokenizer: &Tokenizer,
    bos: u32,
    turns: &[Turn],
    picture: Option<Media>,
) -> Result<Example> {
    let mut example = Example::default();
    for turn in turns {
        let prompt = match example.sequence.last_id() {
            None => first_turn(tokenizer, bos, &turn.question, picture)?,
            Some(last) => next_turn(tokenizer, last, &turn.question)?,
        };
        example.append_read(prompt);
        example.append(answer_ids(tokenizer, &turn.answer)?, true);
        example.append(vec![end_of_turn_id(tokenizer)?], true);
    }
    match example.sequence.is_empty() {
        true => Err(no_turns()),
        false => Ok(example),
    }
}
