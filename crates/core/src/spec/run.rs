//! What stands in a prompt for a picture.

/// A piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// The model's own words, in which control tokens mean something.
    Words(String),
    /// So many visual tokens.
    Tokens(usize),
}

/// Builds the pieces; neighbouring words become one.
#[derive(Debug, Default)]
pub struct Runs(Vec<Run>);

impl Runs {
    /// Appends words.
    pub fn words(&mut self, words: &str) {
        match self.0.last_mut() {
            Some(Run::Words(before)) => before.push_str(words),
            _ => self.0.push(Run::Words(words.into())),
        }
    }

    /// Appends visual tokens.
    pub fn tokens(&mut self, tokens: usize) {
        self.0.push(Run::Tokens(tokens));
    }

    /// The pieces in order.
    pub fn into_list(self) -> Vec<Run> {
        self.0
    }
}
