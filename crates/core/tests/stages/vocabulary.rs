//! The trained tokenizer: words whole, signs letter by letter, nothing lost, always the same.

use std::sync::LazyLock;

use inf_llava_core::Error;
use inf_llava_core::dataset::vocabulary::{CONTROLS, MIN_VOCAB, train_tokenizer};
use inf_llava_core::text::Tokenizer;
use inf_llava_core::text::prompt::conv_llama3::{SYSTEM_PROMPT, first_turn};
use proptest::prelude::*;

/// As the drawn pictures' questions are: plain words, signs in capitals, numbers.
const CORPUS: [&str; 8] = [
    "What does the sign above the red door say?",
    "It says K7P.",
    "Is there a green circle to the left of the sign BUS?",
    "How many blue triangles are there? There are 17 of them, below XQ4.",
    "The wall's colour is yellow; McX and aBc are on it.",
    "What colour is the sign that says \"BUS\"?",
    "caf\u{e9} \u{c9}cole \u{2019}tis",
    "yes",
];

fn train(texts: &[&str], vocab_size: usize) -> Vec<u8> {
    train_tokenizer(texts.iter().map(ToString::to_string), vocab_size).expect("trained")
}

fn load(json: &[u8]) -> Tokenizer {
    Tokenizer::from_bytes("tokenizer.json", json).expect("it loads")
}

static TRAINED: LazyLock<Tokenizer> = LazyLock::new(|| load(&train(&CORPUS, 2000)));

/// The text's tokens, each as the text that it stands for.
fn tokens(text: &str) -> Vec<String> {
    let ids = TRAINED.encode_user(text).expect("encode");
    let text = |&id: &u32| String::from_utf8(TRAINED.token_bytes(id).expect("bytes"));
    ids.iter().map(|id| text(id).expect("UTF-8")).collect()
}

#[test]
fn every_word_becomes_one_token() {
    for (text, expected) in [
        ("What does the sign", vec!["What", " does", " the", " sign"]),
        (
            "Is there a green circle",
            vec!["Is", " there", " a", " green", " circle"],
        ),
        (
            "How many blue triangles",
            vec!["How", " many", " blue", " triangles"],
        ),
        ("It says", vec!["It", " says"]),
        ("yes", vec!["yes"]),
        ("The wall's colour", vec!["The", " wall", "'s", " colour"]),
        (" them? There are", vec![" them", "?", " There", " are"]),
        (
            "caf\u{e9} \u{2019}tis",
            vec!["caf\u{e9}", " \u{2019}", "tis"],
        ),
        ("\n\n", vec!["\n\n"]),
    ] {
        assert_eq!(tokens(text), expected);
    }
}

#[test]
fn signs_are_spelled_wherever_they_stand() {
    assert_eq!(tokens("K7P"), ["K", "7", "P"]);
    assert_eq!(tokens(" K7P"), [" ", "K", "7", "P"]);
    assert_eq!(
        tokens("It says BUS."),
        ["It", " says", " ", "B", "U", "S", "."]
    );
    assert_eq!(tokens("\"BUS\"?"), ["\"", "B", "U", "S", "\"", "?"]);
    assert_eq!(tokens(" 17"), [" ", "1", "7"]);
    assert_eq!(tokens(" A"), [" ", "A"]);
    // In plain sight of the training text and yet not learnt from.
    assert_eq!(tokens("McX"), ["M", "c", "X"]);
    assert_eq!(tokens("aBc"), ["a", "B", "c"]);
}

#[test]
fn no_token_joins_a_capital_or_a_digit() {
    // Hostile to the rule: signs that are much more common than words.
    let mut texts = vec!["BUS 77 K7P \u{c9}C \u{c9}C \u{661}\u{662} Kx7 XiX".repeat(50)];
    texts.extend(CORPUS.map(String::from));
    let json = train_tokenizer(texts.into_iter(), 2000).expect("trained");
    let tokenizer = load(&json);
    let mut joined = 0;
    for id in 256..tokenizer.vocab_size() as u32 {
        let Some(bytes) = tokenizer.token_bytes(id) else {
            continue;
        };
        joined += 1;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        assert!(!text.contains(char::is_numeric), "{text:?}");
        let capitals = text.chars().filter(|c| c.is_uppercase()).count();
        let begun = text.trim_start_matches(|c: char| !c.is_alphabetic());
        let mut letters = begun.chars();
        let is_word = letters.next().is_some_and(char::is_uppercase)
            && letters.next().is_some_and(char::is_lowercase);
        assert!(capitals == 0 || (capitals == 1 && is_word), "{text:?}");
    }
    assert!(joined > 100, "{joined}");
}

#[test]
fn the_system_prompt_is_one_token_a_word() {
    // Even where the texts would fill the vocabulary: every conversation begins with it.
    let tokenizer = load(&train(&CORPUS, MIN_VOCAB + 160));
    let words = SYSTEM_PROMPT.split_whitespace().count();
    let stops = SYSTEM_PROMPT.matches(['.', ',', '\'']).count();
    let ids = tokenizer.encode_template(SYSTEM_PROMPT).expect("encode");
    // A full stop, a comma and an apostrophe are tokens of their own; the last is part of "'s".
    assert_eq!(ids.len(), words + stops);
}

#[test]
fn the_layout_is_llama3s() {
    let json = train(&CORPUS, 400);
    let tokenizer = load(&json);
    assert_eq!(tokenizer.vocab_size(), 400);
    for (id, control) in (395..).zip(CONTROLS) {
        assert_eq!(tokenizer.id_of(control), Some(id));
        assert_eq!(tokenizer.token_bytes(id), None);
    }
    first_turn(&tokenizer, 395, "What is it?", None).expect("it has every control");
    // All but the vocabulary equals the fixture's file, which the release's library wrote.
    let outline = |json: &[u8]| {
        let mut file: serde_json::Value = serde_json::from_slice(json).expect("JSON");
        let first = file["added_tokens"][0]["id"].as_u64().expect("id");
        for token in file["added_tokens"].as_array_mut().expect("a list") {
            token["id"] = (token["id"].as_u64().expect("id") - first).into();
        }
        let begin = "<|begin_of_text|>";
        let template = &mut file["post_processor"]["processors"][1]["special_tokens"];
        assert_eq!(template[begin]["ids"][0].as_u64(), Some(first));
        template[begin]["ids"][0] = 0.into();
        file["model"]["vocab"] = serde_json::Value::Null;
        file["model"]["merges"] = serde_json::Value::Null;
        file
    };
    let fixture = super::fixture("tiny").join("tokenizer.json");
    let fixture = std::fs::read(fixture).expect("fixture");
    assert_eq!(outline(&json), outline(&fixture));
}

#[test]
fn the_same_texts_give_the_same_bytes() {
    let once = train(&CORPUS, 500);
    assert_eq!(train(&CORPUS, 500), once);
    let mut reversed = CORPUS;
    reversed.reverse();
    assert_eq!(train(&reversed, 500), once);
}

#[test]
fn a_vocabulary_is_as_small_as_the_texts_allow() {
    // Without texts there is the template, which is in every prompt.
    assert!(load(&train(&[], 100_000)).vocab_size() < 500);
    assert_eq!(load(&train(&CORPUS, MIN_VOCAB)).vocab_size(), MIN_VOCAB);
    let result = train_tokenizer(std::iter::empty(), MIN_VOCAB - 1);
    assert!(matches!(result, Err(Error::Option { option, .. }) if option == "vocab_size"));
}

proptest! {
    #[test]
    fn any_text_comes_back(text in any::<String>()) {
        let ids = TRAINED.encode_user(&text).expect("encode");
        prop_assert_eq!(TRAINED.decode(&ids).expect("decode"), text);
    }

}

proptest! {
    // Each case trains a tokenizer.
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Few letters make many ways to the same word, which must not make two tokens of it.
    #[test]
    fn every_piece_is_encoded_as_it_was_trained(
        words in prop::collection::vec("[abc]{1,9}", 1..30),
    ) {
        let texts = words.clone();
        let json = train_tokenizer(texts.into_iter(), 2000).expect("trained");
        let tokenizer = load(&json);
        for word in words {
            let ids = tokenizer.encode_user(&word).expect("encode");
            prop_assert_eq!(ids.len(), 1, "{} is {:?}", word, ids);
        }
    }
}
