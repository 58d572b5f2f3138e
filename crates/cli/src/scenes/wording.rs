//! Fills in the question wordings of [`inf_llava::config::wording`].

use rand_chacha::ChaCha8Rng;

use super::dice;
use super::palette::{Colour, Shape};
pub use inf_llava::config::wording::*;

/// One of the wordings with its parts filled in.
pub fn say(rng: &mut ChaCha8Rng, wordings: &[&str], parts: &[&str]) -> String {
    let mut text = String::new();
    let mut parts = parts.iter();
    let wording = dice::pick(rng, wordings).copied().unwrap_or_default();
    for (index, piece) in wording.split("{}").enumerate() {
        if index > 0 {
            text.push_str(parts.next().copied().unwrap_or_default());
        }
        text.push_str(piece);
    }
    text
}

/// "red circle".
pub fn named(colour: Colour, shape: Shape) -> String {
    format!("{} {}", colour.name(), shape.name())
}

/// With "a" or "an" in front.
pub fn with_article(noun: &str) -> String {
    let article = match noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        true => "an",
        false => "a",
    };
    format!("{article} {noun}")
}

/// "one" to "nine", then digits.
pub fn number(count: usize) -> String {
    const WORDS: [&str; 10] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ];
    match WORDS.get(count) {
        Some(word) => (*word).to_string(),
        None => count.to_string(),
    }
}
