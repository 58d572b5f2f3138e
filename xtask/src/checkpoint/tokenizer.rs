//! Tokenizers with the released number of tokens: small ones of the same kind, whose vocabulary is
//! filled up with words that no text is encoded as.

use serde_json::{Value, json};

/// A small tokenizer, and what it grows to.
#[derive(Clone, Copy, Debug)]
pub struct Padded {
    /// The small one, a `tokenizer.json`.
    pub text: &'static str,
    /// Tokens of the released vocabulary, without those that were added to it.
    pub base: u64,
    /// Id of the last added token.
    pub last: u64,
    /// What a word begins with.
    pub space: char,
}

impl Padded {
    /// The `tokenizer.json`. `Err` says what the small one lacks.
    pub fn build(self) -> Result<String, String> {
        let mut file: Value = serde_json::from_str(self.text).map_err(|why| why.to_string())?;
        let vocabulary = file["model"]["vocab"].as_object_mut();
        let vocabulary = vocabulary.ok_or("it has no vocabulary")?;
        let own = vocabulary.len() as u64;
        for id in own..self.base {
            vocabulary.insert(format!("{}word{id}", self.space), id.into());
        }
        let added = file["added_tokens"].as_array_mut();
        let added = added.ok_or("it has no added tokens")?;
        // Those within the vocabulary keep their ids; those behind it stay behind it.
        for token in added.iter_mut() {
            let id = token["id"].as_u64().ok_or("an added token has no id")?;
            if id >= own {
                token["id"] = (id - own + self.base).into();
            }
        }
        self.reserve(added)?;
        Ok(file.to_string())
    }

    /// Moves the last added token to its released id, and fills the gap with reserved ones.
    fn reserve(self, added: &mut Vec<Value>) -> Result<(), String> {
        const RESERVED: &str = "<|reserved_special_token_";
        let mut last = added.pop().ok_or("it has no added tokens")?;
        let first = last["id"].as_u64().ok_or("an added token has no id")?;
        let is_reserved = |token: &&Value| {
            let content = token["content"].as_str();
            content.is_some_and(|content| content.starts_with(RESERVED))
        };
        let reserved = added.iter().filter(is_reserved).count() as u64;
        for id in first..self.last {
            let mut token = last.clone();
            token["id"] = id.into();
            token["content"] = json!(format!("{RESERVED}{}|>", reserved + id - first));
            added.push(token);
        }
        last["id"] = self.last.into();
        added.push(last);
        Ok(())
    }
}
