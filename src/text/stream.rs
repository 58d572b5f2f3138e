//! An answer's text while its ids still arrive.
//!
//! In: ids, one at a time. Out: text that is ready to show. A character may be spread over several
//! tokens, so this works on the tokens' bytes and keeps back what is not yet a whole character.

use super::Tokenizer;

/// Turns ids into text piece by piece. The pieces joined equal `Tokenizer::decode` of all ids.
#[derive(Debug, Clone, Default)]
pub struct TextStream {
    /// The beginning of a character whose end has not come: at most three bytes between calls.
    pending: Vec<u8>,
}

impl TextStream {
    /// A stream before its first id.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next id and returns the text that is settled by it; often a word, sometimes
    /// nothing. Bytes that cannot become UTF-8 give U+FFFD, as `String::from_utf8_lossy` gives.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        self.pending
            .extend(tokenizer.token_bytes(id).unwrap_or_default());
        let mut text = String::new();
        loop {
            let (valid, invalid) = match std::str::from_utf8(&self.pending) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.pending.clear();
                    return text;
                }
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            text.push_str(&String::from_utf8_lossy(&self.pending[..valid]));
            // Without a length the bytes are a good beginning: they wait for the next id.
            self.pending.drain(..valid + invalid.unwrap_or(0));
            match invalid {
                Some(_) => text.push(char::REPLACEMENT_CHARACTER),
                None => return text,
            }
        }
    }

    /// Ends the answer: a character that never became whole gives one U+FFFD. The stream can be
    /// used again.
    pub fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.pending);
        String::from_utf8_lossy(&rest).into_owned()
    }
}
