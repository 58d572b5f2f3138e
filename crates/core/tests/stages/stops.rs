//! What ends an answer: the template's end of a turn always does, whatever the files list.

use inf_llava_core::config::Config;
use inf_llava_core::text::Tokenizer;
use inf_llava_core::text::stops::{complete, named_end};
use serde_json::{Value, json};

/// Ids of the fixture `tiny`: where a prompt begins, what ends a text, and what ends a turn.
const BEGIN: u32 = 501;
const END_OF_TEXT: u32 = 502;
const END_OF_TURN: u32 = 505;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(crate::fixture("tiny").join(name)).expect("fixture")
}

/// The ids that end an answer of `tiny` with these files, and the id that begins its prompts.
fn ends(eos: Value, generation: Option<&str>, named: Option<&str>) -> (Vec<u32>, u32) {
    let mut json: Value = serde_json::from_slice(&file("config.json")).expect("JSON");
    json["eos_token_id"] = eos;
    json["bos_token_id"] = Value::Null;
    let generation = generation.map(str::as_bytes);
    let mut config = Config::from_json(json.to_string().as_bytes(), generation).expect("config");
    let tokenizer = Tokenizer::from_bytes("t", &file("tokenizer.json")).expect("tokenizer");
    complete(&mut config, &tokenizer, named).expect("complete");
    (config.eos_token_ids, config.bos_token_id)
}

#[test]
fn the_end_of_a_turn_always_ends_an_answer() {
    let only_text = Some(r#"{"eos_token_id": 502}"#);
    for (eos, generation, named, expected) in [
        // A released LLaMA-3's file before it was mended, in each of its spellings.
        (json!(502), only_text, None, vec![END_OF_TEXT, END_OF_TURN]),
        (
            json!(502),
            Some(r#"{"eos_token_id": [502]}"#),
            None,
            vec![END_OF_TEXT, END_OF_TURN],
        ),
        (
            json!(502),
            Some(r#"{"eos_token_id": null}"#),
            None,
            vec![END_OF_TEXT, END_OF_TURN],
        ),
        (json!(502), Some("{}"), None, vec![END_OF_TEXT, END_OF_TURN]),
        (json!(502), None, None, vec![END_OF_TEXT, END_OF_TURN]),
        // Nothing is listed at all.
        (Value::Null, None, None, vec![END_OF_TEXT, END_OF_TURN]),
        (
            json!([]),
            Some(r#"{"eos_token_id": []}"#),
            None,
            vec![END_OF_TEXT, END_OF_TURN],
        ),
        // tokenizer_config.json alone names an end.
        (Value::Null, None, Some("<|eot_id|>"), vec![END_OF_TURN]),
        (
            Value::Null,
            None,
            Some("<|end_of_text|>"),
            vec![END_OF_TEXT, END_OF_TURN],
        ),
        (
            Value::Null,
            None,
            Some("</s>"),
            vec![END_OF_TEXT, END_OF_TURN],
        ),
        // What is listed stays, once and in its order.
        (
            json!(7),
            Some(r#"{"eos_token_id": [505, 3]}"#),
            Some("x"),
            vec![END_OF_TURN, 3],
        ),
        (
            json!(7),
            None,
            Some("<|end_of_text|>"),
            vec![7, END_OF_TURN],
        ),
    ] {
        let found = ends(eos.clone(), generation, named);
        assert_eq!(found, (expected, BEGIN), "{eos} {generation:?} {named:?}");
    }
}

#[test]
fn the_tokenizers_settings_name_an_end_in_each_of_their_spellings() {
    let end = |json: &str| named_end(json.as_bytes());
    assert_eq!(
        end(r#"{"eos_token": "</s>", "x": 1}"#),
        Ok(Some("</s>".into()))
    );
    assert_eq!(
        end("\u{feff}{\"eos_token\": {\"content\": \"</s>\"}}"),
        Ok(Some("</s>".into()))
    );
    for none in ["{}", r#"{"eos_token": null}"#, r#"{"eos_token": 3}"#] {
        assert_eq!(end(none), Ok(None), "{none}");
    }
    let error = end("<html>").expect_err("a page").to_string();
    assert!(
        error.contains("tokenizer_config.json") && error.contains("web page"),
        "{error}"
    );
}
