//! A conversation as ids and labels, in the two forms that the release trains on.
//!
//! In: turns. Out: [`Example`]. The ids of [`Template::Llama3`] come from the very functions that
//! build a prompt for inference, so a model is asked what it was taught.

use crate::text::Tokenizer;
use crate::text::chat_template::{
    IMAGE_TOKEN_INDEX, answer_ids, end_of_turn_id, first_turn, next_turn,
};
use crate::{Error, Result};

/// The label of a position that is not learnt.
pub const IGNORE: i32 = -100;

/// A question and the answer to be learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Without `<image>`.
    pub question: String,
    /// What the model shall say, without a closing token.
    pub answer: String,
}

/// How a conversation becomes a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// The release's first stage (`preprocess_plain`): bos, the picture, a caption and a newline.
    /// The question is not part of it. Caption and newline are learnt; no closing token is.
    Plain,
    /// The release's second stage (`conv_llama3`): the template of [`crate::text::chat_template`].
    /// Each answer is learnt, and the `<|eot_id|>` after it, and nothing else.
    Llama3,
    /// Not of the release: bos, the picture, and a line a turn: what is asked, a space, the answer.
    /// The answers are learnt, each with its space and a newline.
    Facts,
}

/// A sequence to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// `[IMAGE_TOKEN_INDEX]` stands once for all of the picture's tokens.
    pub ids: Vec<i32>,
    /// As long as `ids`: where a position is learnt its own id (which the logits *before* it must
    /// predict; nothing is shifted here), elsewhere [`IGNORE`].
    pub labels: Vec<i32>,
}

impl Example {
    /// Length in the context, a picture counted as `image_tokens`.
    pub fn token_count(&self, image_tokens: usize) -> usize {
        let pictures = self.ids.iter().filter(|&&id| id == IMAGE_TOKEN_INDEX);
        let pictures = pictures.count();
        self.ids.len() - pictures + pictures * image_tokens
    }

    /// How many positions are learnt.
    pub fn learnt(&self) -> usize {
        self.labels.iter().filter(|&&label| label != IGNORE).count()
    }

    fn append(&mut self, ids: Vec<i32>, learnt: bool) {
        match learnt {
            true => self.labels.extend(&ids),
            false => self.labels.extend(ids.iter().map(|_| IGNORE)),
        }
        self.ids.extend(ids);
    }
}

/// The ids and labels of a conversation; `bos` is `config.json`'s `bos_token_id`.
///
/// `Llama3` agrees with the release's `preprocess_llama3` wherever an answer does not begin with a
/// newline: the release encodes an answer together with the header's two newlines, which a model
/// that answers has behind it already.
///
/// # Errors
/// [`Error::Example`]: no turns, or for [`Template::Plain`] other than one turn about a picture.
/// Else as [`first_turn`] and [`Tokenizer::encode_user`].
pub fn example(
    tokenizer: &Tokenizer,
    bos: u32,
    template: Template,
    turns: &[Turn],
    with_image: bool,
) -> Result<Example> {
    match template {
        Template::Plain => plain(tokenizer, bos, turns, with_image),
        Template::Llama3 => llama3(tokenizer, bos, turns, with_image),
        Template::Facts => facts(tokenizer, bos, turns, with_image),
    }
}

fn plain(tokenizer: &Tokenizer, bos: u32, turns: &[Turn], with_image: bool) -> Result<Example> {
    let ([turn], true) = (turns, with_image) else {
        let reason = "the plain template takes one caption of one picture";
        return Err(Error::Example {
            reason: reason.into(),
        });
    };
    let mut example = bare(bos, true);
    // The release encodes the caption and its newline as one text.
    let caption = answer_ids(tokenizer, &format!("{}\n", turn.answer))?;
    example.append(caption, true);
    Ok(example)
}

fn facts(tokenizer: &Tokenizer, bos: u32, turns: &[Turn], with_image: bool) -> Result<Example> {
    let mut example = bare(bos, with_image);
    for turn in turns {
        example.append(answer_ids(tokenizer, &turn.question)?, false);
        example.append(answer_ids(tokenizer, &format!(" {}\n", turn.answer))?, true);
    }
    match turns.is_empty() {
        true => Err(no_turns()),
        false => Ok(example),
    }
}

/// Bos and, if there is one, the picture.
fn bare(bos: u32, with_image: bool) -> Example {
    // No vocabulary comes near 2^31; see the chat template's ids.
    let mut ids = vec![i32::try_from(bos).unwrap_or(i32::MAX)];
    ids.extend(with_image.then_some(IMAGE_TOKEN_INDEX));
    Example {
        labels: vec![IGNORE; ids.len()],
        ids,
    }
}

fn no_turns() -> Error {
    Error::Example {
        reason: "it has no turns".into(),
    }
}

fn llama3(tokenizer: &Tokenizer, bos: u32, turns: &[Turn], with_image: bool) -> Result<Example> {
    let mut example = Example {
        ids: Vec::new(),
        labels: Vec::new(),
    };
    for turn in turns {
        let prompt = match example.ids.last() {
            None => first_turn(tokenizer, bos, &turn.question, with_image)?,
            Some(&last) => next_turn(tokenizer, last, &turn.question)?,
        };
        example.append(prompt, false);
        example.append(answer_ids(tokenizer, &turn.answer)?, true);
        example.append(vec![end_of_turn_id(tokenizer)?], true);
    }
    match example.ids.is_empty() {
        true => Err(no_turns()),
        false => Ok(example),
    }
}
