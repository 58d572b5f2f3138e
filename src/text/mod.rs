//! Between text and token ids: the tokenizer, the prompt, and the answer as it streams.
//!
//! In: `tokenizer.json` and what the user types. Out: ids for the language model, and text from its
//! ids. Prompts are built as ids, never as one string, so that typed control tokens stay text.

pub mod chat_template;
mod encoder;
mod layout;
pub mod printable;
mod rules;
pub mod stops;
mod stream;
mod tokenizer;

pub use encoder::Encoder;
pub use printable::{printable, quoted};
pub(crate) use rules::LLAMA3_PIECES;
pub use stream::TextStream;
pub use tokenizer::Tokenizer;
pub(crate) use tokenizer::char_of;
