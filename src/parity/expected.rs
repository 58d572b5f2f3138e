//! `expected.json` and `expected.safetensors` beside a model: what PyTorch computes with it.

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;

use crate::recorder::Stage;

/// `expected.json`.
#[derive(Deserialize)]
pub struct Expected {
    /// Pictures and videos, each with a treatment.
    pub images: Vec<ExpectedImage>,
    /// Conversations.
    pub cases: Vec<ExpectedCase>,
    /// Texts with their ids.
    pub tokenizer_cases: Vec<TokenizerCase>,
    /// Ids that end an answer; of INF-LLaVA not stated.
    pub stop_ids: Option<Vec<u32>>,
}

/// A picture or a video.
#[derive(Deserialize)]
pub struct ExpectedImage {
    /// A picture's file.
    pub file: Option<String>,
    /// A video's frames.
    #[serde(default)]
    pub files: Vec<String>,
    /// How it is looked at; of INF-LLaVA not stated.
    #[serde(default)]
    pub treatment: String,
    /// Visual tokens.
    pub num_tokens: Option<usize>,
    /// Of the bytes of all views, `[views, P, P, 3]`.
    pub views_u8_sha256: Option<String>,
    /// Seconds of a video.
    pub duration_s: Option<f64>,
    /// When each frame is, in seconds.
    #[serde(default)]
    pub timestamps_s: Vec<f64>,
}

/// A conversation.
#[derive(Deserialize)]
pub struct ExpectedCase {
    /// What to call it.
    pub name: String,
    /// INF-LLaVA's only picture.
    pub image: Option<usize>,
    /// The pictures in the order of the prompt.
    #[serde(default)]
    pub images: Vec<usize>,
    /// For each turn its pictures, which precede its text.
    #[serde(default)]
    pub images_per_turn: Vec<Vec<usize>>,
    /// Questions with their answers, the last without one; where pictures precede text.
    #[serde(default)]
    pub turns: Vec<(String, Option<String>)>,
    /// The conversation in parts.
    #[serde(default)]
    pub messages: Vec<ExpectedMessage>,
    /// The template's text.
    pub prompt: String,
    /// A picture is -200, or the model's own id for each of its tokens.
    pub input_ids: Vec<i32>,
    /// Visual tokens of each picture.
    #[serde(default)]
    pub image_token_counts: Vec<usize>,
    /// All tokens of the prompt.
    pub sequence_length: usize,
    /// The likeliest ids, beyond the end of the answer.
    pub greedy_ids: Vec<u32>,
}

/// A message in parts.
#[derive(Deserialize)]
pub struct ExpectedMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// `["image"]`, `["video"]`, or `["text", text]`.
    pub content: Vec<Vec<String>>,
}

/// A text with its ids.
#[derive(Deserialize)]
pub struct TokenizerCase {
    /// In which control tokens are tokens.
    pub text: String,
    /// Without one in front.
    pub ids: Vec<u32>,
}

/// A question, or what else is said, with the pictures in it.
#[derive(Debug, Default, PartialEq)]
pub struct Line {
    /// Indices of pictures, each with the bytes of `text` in front of it.
    pub pictures: Vec<(usize, usize)>,
    /// What is said.
    pub text: String,
}

/// A conversation up to its last question.
#[derive(Debug, Default, PartialEq)]
pub struct Conversation {
    /// What the model is told first.
    pub system: String,
    /// Questions with their answers.
    pub before: Vec<(Line, String)>,
    /// The last question.
    pub question: Line,
}

impl ExpectedCase {
    /// Questions with their answers, without the release's mark for the picture.
    pub fn exchanges(&self) -> Vec<(&str, Option<&str>)> {
        let turns = self.turns.iter();
        turns
            .map(|(question, answer)| (question.trim_start_matches("<image>\n"), answer.as_deref()))
            .collect()
    }

    /// Every picture.
    pub fn all_images(&self) -> Vec<usize> {
        self.image.into_iter().chain(self.images.clone()).collect()
    }

    /// What is said in it.
    pub fn conversation(&self) -> Conversation {
        match self.messages.is_empty() {
            true => self.of_turns(),
            false => self.of_messages(),
        }
    }

    fn of_turns(&self) -> Conversation {
        let mut conversation = Conversation::default();
        for (index, (question, answer)) in self.exchanges().into_iter().enumerate() {
            let only = self.image.filter(|_| index == 0);
            let listed = self.images_per_turn.get(index).into_iter().flatten();
            let line = Line {
                pictures: only.iter().chain(listed).map(|&image| (image, 0)).collect(),
                text: question.into(),
            };
            match answer {
                Some(answer) => conversation.before.push((line, answer.into())),
                None => conversation.question = line,
            }
        }
        conversation
    }

    fn of_messages(&self) -> Conversation {
        let mut conversation = Conversation::default();
        let mut images = self.images.iter();
        for ExpectedMessage { role, content } in &self.messages {
            let mut line = Line::default();
            for part in content {
                match part.as_slice() {
                    [_, text] => line.text += text,
                    _ => {
                        let at = line.text.len();
                        line.pictures
                            .extend(images.next().map(|&image| (image, at)));
                    }
                }
            }
            match role.as_str() {
                "system" => conversation.system = line.text,
                "user" => conversation.question = line,
                _ => {
                    let question = std::mem::take(&mut conversation.question);
                    conversation.before.push((question, line.text));
                }
            }
        }
        conversation
    }
}

/// The values of a tensor; bytes become numbers.
pub fn to_stage(view: &TensorView<'_>) -> Stage {
    let values = match view.dtype() {
        Dtype::U8 => view.data().iter().map(|&byte| f32::from(byte)).collect(),
        _ => view
            .data()
            .as_chunks()
            .0
            .iter()
            .map(|&chunk| f32::from_le_bytes(chunk))
            .collect(),
    };
    Stage {
        shape: view.shape().to_vec(),
        values,
    }
}
