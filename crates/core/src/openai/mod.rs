//! OpenAI's chat completions: a request's JSON -> what the engine is asked, and an answer -> its JSON.
//!
//! The one mapping of this project: `inf-llava serve` uses it, and the page's `chat.completions` does in its worker. It knows
//! neither HTTP nor JavaScript, and no tensors. What comes in is hostile: its values and its text are counted before they
//! are made into anything larger.

mod answer;
mod ask;
mod completion;
mod content;
mod data_url;
mod error;
mod face;
mod fields;
mod foreign;
mod messages;
mod understood;

pub use answer::{Completed, CompletionEvent};
pub use ask::Ask;
pub use completion::{
    ChunkChoice, Completion, CompletionChoice, CompletionChunk, Delta, Finish, FinishReason, Head,
    PromptTokens, Said, Usage,
};
pub use data_url::{PictureFile, picture_file};
pub use error::{BadRequest, ErrorBody, ErrorKind, ErrorObject};
pub use face::Face;
pub use understood::Understood;

#[cfg(test)]
pub(crate) use {
    ask::{Fields, StreamOptions},
    content::{PICTURES, Picture, PicturePart, TEXTS, TextPart},
    messages::Message,
};
