//! An answer's text while its ids still arrive.
//!
//! In: ids, one at a time. Out: text that is ready to show. A character may be spread over several
//! tokens, so this works on the tokens' bytes and keeps back what is not yet a whole character.
//!
//! A SentencePiece-style tokenizer writes rare characters in tokens of a byte each, and a run of such tokens that is not
//! UTF-8 as a whole becomes as many U+FFFD as it has bytes: so such a run is kept back until it ends.

use super::Tokenizer;

/// Turns ids into text piece by piece. The pieces joined equal `Tokenizer::decode` of all ids.
#[derive(Debug, Clone, Default)]
pub struct TextStream {
    /// The beginning of a character whose end has not come: at most three bytes between calls. Of a SentencePiece-style
    /// tokenizer the run of bytes so far.
    pending: Vec<u8>,
    /// Whether some text has been given.
    begun: bool,
    /// Whether the ids are of a SentencePiece-style tokenizer, and the space at the text's beginning is left off.
    strips: Option<bool>,
}

impl TextStream {
    /// A stream before its first id.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next id and returns the text that is settled by it; often a word, sometimes
    /// nothing. Bytes that cannot become UTF-8 give U+FFFD, as `String::from_utf8_lossy` gives.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        if let Some(sentence) = &tokenizer.sentence {
            self.strips = Some(sentence.strips);
            let Some(bytes) = tokenizer.token_bytes(id) else {
                return String::new();
            };
            if tokenizer.is_lone_byte(id) {
                self.pending.extend(bytes);
                return String::new();
            }
            let text = self.run() + &String::from_utf8_lossy(&bytes);
            return self.begin(text);
        }
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
        let rest = match self.strips {
            Some(_) => {
                let run = self.run();
                self.begin(run)
            }
            None => String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned(),
        };
        *self = Self::new();
        rest
    }

    /// The text of the run of bytes that has ended.
    fn run(&mut self) -> String {
        let bytes = std::mem::take(&mut self.pending);
        let count = bytes.len();
        let lost = |_| char::REPLACEMENT_CHARACTER.to_string().repeat(count);
        String::from_utf8(bytes).unwrap_or_else(lost)
    }

    /// `text` as it is given, without a space at the beginning of all.
    fn begin(&mut self, text: String) -> String {
        let is_beginning = self.strips == Some(true) && !self.begun;
        self.begun |= !text.is_empty();
        match text.strip_prefix(' ').filter(|_| is_beginning) {
            Some(rest) => rest.into(),
            None => text,
        }
    }
}
