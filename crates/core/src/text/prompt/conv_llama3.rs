//! The `llama3` conversation of the release (`conv_llama3`), built as ids.
//!
//! In: questions and answers. Out: ids, and the picture where it goes. It must
//! not know how ids become vectors. A question is encoded apart from the template, with control
//! tokens off, but together with the newlines in front of it, since the tokenizer splits text where
//! the release would only if it sees what the release shows it.

use std::borrow::Cow;

use super::message::{Message, Part, Piece, Role, Room};
use crate::error::{Error, Result};
use crate::progress::Watch;
use crate::sequence::{Media, Sequence};
use crate::text::tokenizer::Tokenizer;

/// What the release calls it.
pub const NAME: &str = "conv_llama3";

/// What the model is told before the first question.
pub const SYSTEM_PROMPT: &str = "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions.";

/// The control tokens that a LLaMA-3 tokenizer must have.
pub(in crate::text) const BEGIN: &str = "<|begin_of_text|>";
const END_OF_TURN: &str = "<|eot_id|>";
const CONTROLS: [&str; 4] = [
    BEGIN,
    "<|start_header_id|>",
    "<|end_header_id|>",
    END_OF_TURN,
];

/// Whose turn it is. A header ends before its two newlines, which belong to the text that follows.
const SYSTEM: &str = "<|start_header_id|>system<|end_header_id|>";
const USER: &str = "<|start_header_id|>user<|end_header_id|>";
const ASSISTANT: &str = "<|start_header_id|>assistant<|end_header_id|>";

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At the beginning of a conversation: [`first_turn`].
    First {
        /// `config.json`'s `bos_token_id`.
        bos: u32,
        /// The picture that it is about.
        picture: Option<Media>,
    },
    /// Behind a sequence: [`next_turn`].
    After {
        /// The sequence's last id.
        last_id: u32,
    },
}

/// A question's turn, whose text is not encoded yet.
struct Turn {
    before: Sequence,
    text: String,
    after: Vec<u32>,
}

/// The ids of a conversation's beginning, up to where the first answer starts.
///
/// `bos` is `config.json`'s `bos_token_id`. The release's tokenizer puts it in front of a template
/// that begins with its text already, so a prompt starts with two; that is kept, with a picture
/// and without. With one, it and a newline stand before the question.
///
/// # Errors
/// [`Error::EmptyQuestion`]; [`Error::Tokenizer`] where the tokenizer lacks LLaMA-3's controls.
pub fn first_turn(
    tokenizer: &Tokenizer,
    bos: u32,
    question: &str,
    picture: Option<Media>,
) -> Result<Sequence> {
    turn(tokenizer, Place::First { bos, picture }, question)
}

/// The ids that a further question appends to the sequence so far, whose last id is `last_id`: the
/// answer's `<|eot_id|>` if it was stopped before it gave one, then the question's turn.
///
/// # Errors
/// As [`first_turn`].
pub fn next_turn(tokenizer: &Tokenizer, last_id: u32, question: &str) -> Result<Sequence> {
    turn(tokenizer, Place::After { last_id }, question)
}

/// [`first_turn`] or [`next_turn`].
///
/// # Errors
/// As [`first_turn`].
pub fn turn(tokenizer: &Tokenizer, place: Place, question: &str) -> Result<Sequence> {
    let turn = Turn::new(tokenizer, place, question)?;
    let ids = tokenizer.encode_user(&turn.text)?;
    Ok(turn.around(ids))
}

/// As [`turn`]; Stop is heard while a long question is encoded.
///
/// # Errors
/// As [`first_turn`]; [`Error::Stopped`].
pub async fn watched_turn(
    tokenizer: &Tokenizer,
    place: Place,
    question: &str,
    watch: &mut Watch<'_>,
) -> Result<Sequence> {
    let turn = Turn::new(tokenizer, place, question)?;
    let ids = tokenizer.encode_watched(&turn.text, watch).await?;
    Ok(turn.around(ids))
}

impl Turn {
    fn new(tokenizer: &Tokenizer, place: Place, question: &str) -> Result<Self> {
        check(tokenizer, question)?;
        let mut before = Sequence::default();
        let text = match place {
            Place::First { bos, picture } => {
                before.push(bos);
                let opening = format!("{BEGIN}{SYSTEM}\n\n{SYSTEM_PROMPT}{END_OF_TURN}{USER}");
                if let Some(picture) = picture {
                    // The release splits its prompt at `<image>`, so the newlines on its two sides never meet.
                    before.extend(tokenizer.encode_template(&format!("{opening}\n\n"))?);
                    before.push_media(picture);
                    format!("\n{question}")
                } else {
                    before.extend(tokenizer.encode_template(&opening)?);
                    format!("\n\n{question}")
                }
            }
            Place::After { last_id } => {
                let end = end_of_turn_id(tokenizer)?;
                if last_id != end {
                    before.push(end);
                }
                before.extend(tokenizer.encode_template(USER)?);
                format!("\n\n{question}")
            }
        };
        let after = tokenizer.encode_template(&format!("{END_OF_TURN}{ASSISTANT}\n\n"))?;
        Ok(Turn {
            before,
            text,
            after,
        })
    }

    fn around(self, text: Vec<u32>) -> Sequence {
        let mut sequence = self.before;
        sequence.extend(text);
        sequence.extend(self.after);
        sequence
    }
}

/// A whole conversation, up to where the next answer begins: [`super::Prompt::sequence`].
pub(super) async fn sequence<'a>(
    tokenizer: &Tokenizer,
    bos: u32,
    messages: impl Iterator<Item = Result<Message<'a>>>,
    room: Room,
    watch: &mut Watch<'_>,
) -> Result<Sequence> {
    let mut sequence = Sequence::default();
    for message in messages {
        let message = message?;
        let is_first = sequence.is_empty();
        let (text, picture) = told(&message, is_first)?;
        match message.role {
            Role::System => {
                return Err(refused("system", "it has a system prompt of its own"));
            }
            Role::User => {
                room.check_bytes(text.len())?;
                let place = match sequence.last_id() {
                    Some(last_id) => Place::After { last_id },
                    None => Place::First { bos, picture },
                };
                sequence.append(watched_turn(tokenizer, place, &text, watch).await?);
            }
            Role::Assistant => {
                if let [Part::Ids(ids)] = message.parts.as_slice() {
                    sequence.extend(ids.to_vec());
                } else {
                    room.check_bytes(text.len())?;
                    sequence.extend(watched_answer_ids(tokenizer, &text, watch).await?);
                }
                room.check(sequence.len())?;
            }
        }
    }
    Ok(sequence)
}

/// The text of a message, and its picture, which only the first may have.
fn told<'m>(message: &'m Message<'_>, is_first: bool) -> Result<(Cow<'m, str>, Option<Media>)> {
    let (mut text, mut picture) = (Cow::Borrowed(""), None);
    for part in &message.parts {
        match part {
            Part::Text(more) if text.is_empty() => text = Cow::Borrowed(more),
            Part::Text(more) => text.to_mut().push_str(more),
            Part::Ids(_) => {}
            Part::Media(media) => match media.pieces.as_slice() {
                [Piece::Media(media)] if is_first && picture.is_none() => picture = Some(*media),
                _ => return Err(refused("picture", "it takes one, in the first question")),
            },
        }
    }
    Ok((text, picture))
}

fn refused(option: &str, reason: &str) -> Error {
    Error::Option {
        option: option.into(),
        reason: format!("the prompt is {NAME}: {reason}"),
    }
}

/// The ids of an answer that is known as text (a restored conversation), without `<|eot_id|>`.
///
/// # Errors
/// As [`Tokenizer::encode_user`]: an answer is not trusted more than a question.
pub fn answer_ids(tokenizer: &Tokenizer, answer: &str) -> Result<Vec<u32>> {
    tokenizer.encode_user(answer)
}

/// As [`answer_ids`]; Stop is heard while a long answer is encoded.
///
/// # Errors
/// As [`answer_ids`]; [`Error::Stopped`].
pub async fn watched_answer_ids(
    tokenizer: &Tokenizer,
    answer: &str,
    watch: &mut Watch<'_>,
) -> Result<Vec<u32>> {
    tokenizer.encode_watched(answer, watch).await
}

/// The id of `<|eot_id|>`, which ends every question and every answer.
///
/// # Errors
/// [`Error::Tokenizer`] where the tokenizer lacks it.
pub fn end_of_turn_id(tokenizer: &Tokenizer) -> Result<u32> {
    tokenizer.control_id(END_OF_TURN)
}

/// The release's prompt as one string, for documentation and parity. `turns` are questions with
/// their answers; the last one's is `None`. It is never encoded: see [`first_turn`].
pub fn prompt_text(turns: &[(&str, Option<&str>)], with_image: bool) -> String {
    let mut text = format!("{BEGIN}{SYSTEM}\n\n{SYSTEM_PROMPT}{END_OF_TURN}");
    for (index, (question, answer)) in turns.iter().enumerate() {
        let image = if with_image && index == 0 {
            "<image>\n"
        } else {
            ""
        };
        text += &format!("{USER}\n\n{image}{question}{END_OF_TURN}{ASSISTANT}\n\n");
        if let Some(answer) = answer {
            text += &format!("{answer}{END_OF_TURN}");
        }
    }
    text
}

/// Nothing asked, or a tokenizer to which the template would be plain letters.
fn check(tokenizer: &Tokenizer, question: &str) -> Result<()> {
    if question.trim().is_empty() {
        return Err(Error::EmptyQuestion);
    }
    CONTROLS
        .iter()
        .try_for_each(|token| tokenizer.control_id(token).map(|_| ()))
}
