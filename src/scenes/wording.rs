//! How questions are put. Each `{}` is a part that the scene fills in, in order.

use rand_chacha::ChaCha8Rng;

use super::dice;
use super::palette::{Colour, Shape};

pub const EXISTENCE: [&str; 4] = [
    "Is there {} in the picture?",
    "Can you see {}?",
    "Does the picture show {}?",
    "Is {} anywhere in the picture?",
];
pub const COLOUR_OF_SHAPE: [&str; 4] = [
    "What colour is the {}?",
    "What is the colour of the {}?",
    "Which colour does the {} have?",
    "The {} has which colour?",
];
pub const SHAPE_OF_COLOUR: [&str; 4] = [
    "Which shape is {}?",
    "Which of the shapes is {}?",
    "What is the {} shape called?",
    "Name the {} shape.",
];
pub const COUNT: [&str; 4] = [
    "How many {} are there?",
    "How many {} can you see?",
    "Count the {} in the picture.",
    "What is the number of {}?",
];
pub const SIDE: [&str; 3] = [
    "Is the {} {} the {}?",
    "Would you say that the {} is {} the {}?",
    "Is it true that the {} is {} the {}?",
];
pub const EXTREME: [&str; 4] = [
    "What colour is the {} shape?",
    "Which colour does the {} shape have?",
    "What is the colour of the {} shape?",
    "The {} shape has which colour?",
];
pub const QUARTER: [&str; 3] = [
    "Where is the {}: in the top left, top right, bottom left or bottom right?",
    "In which quarter of the picture is the {}?",
    "Which corner is the {} nearest to?",
];
pub const READ_ONLY_SIGN: [&str; 4] = [
    "What does the sign say?",
    "What is written on the sign?",
    "Read the sign.",
    "Which text is on the sign?",
];
pub const READ_SIGN: [&str; 4] = [
    "What does the {} sign say?",
    "What is written on the {} sign?",
    "Read the {} sign.",
    "Which text is on the {} sign?",
];
pub const COUNT_BARS: [&str; 4] = [
    "How many bars are there in the chart?",
    "How many bars does the chart have?",
    "Count the bars of the chart.",
    "What is the number of bars in the chart?",
];
pub const EXTREME_BAR: [&str; 3] = [
    "What colour is the {} bar?",
    "Which colour does the {} bar have?",
    "What is the colour of the {} bar in the chart?",
];
pub const COMPARE_BARS: [&str; 3] = [
    "Is the {} bar {} than the {} bar?",
    "In the chart, is the {} bar {} than the {} one?",
    "Would you say that the {} bar is {} than the {} bar?",
];

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
