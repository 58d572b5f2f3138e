//! Between text and token ids: the tokenizer, the prompt, and the answer as it streams.
//!
//! In: `tokenizer.json` and what the user types. Out: ids for the language model, and text from its
//! ids. Prompts are built as ids, never as one string, so that typed control tokens stay text.

mod byte_level;
mod encoder;
mod layout;
pub mod prompt;
mod rules;
mod sentence;
pub mod stops;
mod stream;
mod tokenizer;

pub(crate) use byte_level::char_of;
pub use encoder::Encoder;
pub(crate) use rules::LLAMA3_PIECES;
pub use stream::TextStream;
pub use tokenizer::Tokenizer;
