//! Text: ids as the release makes them, and text that can do no harm.

use std::sync::LazyLock;

use inf_llava_core::Error;
use inf_llava_core::sequence::{Media, Sequence};
use inf_llava_core::text::prompt::conv_llama3::{answer_ids, first_turn, next_turn, prompt_text};
use inf_llava_core::text::{TextStream, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};

const FIXTURES: [&str; 4] = ["tiny", "tiny-n2-bf16", "tiny-n4-f16", "released-geometry"];
/// `bos_token_id` of the fixture `tiny`; its added tokens are 501..=505.
const BOS: u32 = 501;
/// The picture that a prompt is about.
const PICTURE: Media = Media::only(144);

fn file(fixture: &str, name: &str) -> Vec<u8> {
    std::fs::read(super::fixture(fixture).join(name)).expect("fixture")
}

fn load(fixture: &str) -> (Tokenizer, Value) {
    let tokenizer = Tokenizer::from_bytes("tokenizer.json", &file(fixture, "tokenizer.json"));
    let expected = serde_json::from_slice(&file(fixture, "expected.json")).expect("expected.json");
    (tokenizer.expect("tokenizer"), expected)
}

static TINY: LazyLock<Tokenizer> = LazyLock::new(|| load("tiny").0);

fn ids<T: TryFrom<i64>>(value: &Value) -> Vec<T> {
    let number = |id: &Value| T::try_from(id.as_i64().expect("id")).ok().expect("range");
    value.as_array().expect("ids").iter().map(number).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The pieces of a stream, joined.
fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let mut stream = TextStream::new();
    let mut text: String = ids.iter().map(|&id| stream.push(tokenizer, id)).collect();
    text += &stream.finish();
    assert_eq!(stream.finish(), "", "a finished stream is empty");
    text
}

#[test]
fn template_ids_equal_the_plain_tokenizer() {
    for fixture in FIXTURES {
        let (tokenizer, expected) = load(fixture);
        let cases = list(&expected["tokenizer_cases"]);
        assert!(cases.len() >= 9);
        for case in cases {
            let text = case["text"].as_str().expect("text");
            let found = tokenizer.encode_template(text).expect("encode");
            assert_eq!(found, ids::<u32>(&case["ids"]), "{fixture} {text:?}");
            if !text.contains("<|") {
                // Without control tokens the two ways are one.
                assert_eq!(
                    tokenizer.encode_user(text).expect("encode"),
                    found,
                    "{text:?}"
                );
                assert_eq!(tokenizer.decode(&found).expect("decode"), text);
            }
        }
    }
}

#[test]
fn every_prompt_equals_the_release() {
    let mut names = Vec::new();
    for fixture in FIXTURES {
        let (tokenizer, expected) = load(fixture);
        let config: Value = serde_json::from_slice(&file(fixture, "config.json")).expect("config");
        let bos = config["bos_token_id"].as_u64().expect("bos") as u32;
        for case in list(&expected["cases"]) {
            let with_image = !case["image"].is_null();
            let turns: Vec<(&str, Option<&str>)> = list(&case["turns"])
                .iter()
                .map(|turn| {
                    let question = turn[0].as_str().expect("question");
                    (
                        question.strip_prefix("<image>\n").unwrap_or(question),
                        turn[1].as_str(),
                    )
                })
                .collect();

            let mut found = Sequence::default();
            for (index, (question, answer)) in turns.iter().enumerate() {
                if index == 0 {
                    found = first_turn(&tokenizer, bos, question, with_image.then_some(PICTURE))
                        .expect("prompt");
                } else {
                    let last = found.last_id().expect("ids");
                    found.append(next_turn(&tokenizer, last, question).expect("prompt"));
                }
                found.extend(answer_ids(&tokenizer, answer.unwrap_or("")).expect("answer"));
            }
            let name = case["name"].as_str().expect("name");
            let found = found.to_numbers();
            assert_eq!(found, ids::<i32>(&case["input_ids"]), "{fixture} {name}");
            assert_eq!(
                prompt_text(&turns, with_image),
                case["prompt"],
                "{fixture} {name}"
            );
            names.push(name.to_string());
        }
    }
    for name in ["single", "multi_turn", "text_only"] {
        assert!(names.iter().any(|n| n == name), "no case {name}");
    }
}

#[test]
fn a_further_question_ends_the_answer_once() {
    let end = TINY.id_of("<|eot_id|>").expect("eot");
    let after = |id| {
        let turn = next_turn(&TINY, id, "Why?").expect("turn");
        turn.text_ids().collect::<Vec<u32>>()
    };
    let (after_stop, after_cut) = (after(end), after(17));
    assert_eq!(after_cut[0], end);
    assert_eq!(after_cut[1..], after_stop);
    assert_ne!(after_stop[0], end);
}

#[test]
fn greedy_text_comes_back_from_greedy_ids() {
    for fixture in FIXTURES {
        let (tokenizer, expected) = load(fixture);
        for case in list(&expected["cases"]) {
            let answer = ids::<u32>(&case["greedy_ids"]);
            assert_eq!(
                tokenizer.decode(&answer).expect("decode"),
                case["greedy_text"]
            );
            assert_eq!(
                streamed(&tokenizer, &answer),
                case["greedy_text"],
                "{fixture}"
            );
        }
    }
}

#[test]
fn a_character_is_shown_when_it_is_whole() {
    let bytes = |text: &str| -> Vec<u32> {
        let letter = |byte: &u8| (0..256).find(|&id| TINY.token_bytes(id) == Some(vec![*byte]));
        text.as_bytes()
            .iter()
            .map(|byte| letter(byte).expect("byte token"))
            .collect()
    };
    let mut stream = TextStream::new();
    let shown: Vec<String> = bytes("é🙂!")
        .into_iter()
        .map(|id| stream.push(&TINY, id))
        .collect();
    assert_eq!(shown, ["", "é", "", "", "", "🙂", "!"]);
    // A broken beginning gives one mark when the next byte shows that it is broken.
    let mut broken = bytes("🙂");
    broken.truncate(3);
    broken.extend(bytes("a"));
    let shown: Vec<String> = broken
        .into_iter()
        .map(|id| stream.push(&TINY, id))
        .collect();
    assert_eq!(shown, ["", "", "", "\u{FFFD}a"]);
    assert_eq!(stream.push(&TINY, bytes("🙂")[0]), "");
    assert_eq!(stream.finish(), "\u{FFFD}");
}

#[test]
fn special_tokens_have_no_text() {
    assert_eq!(TINY.vocab_size(), 506);
    assert_eq!(TINY.id_of("<|eot_id|>"), Some(505));
    assert_eq!(TINY.id_of("no such token"), None);
    assert_eq!(TINY.token_bytes(505), None);
    assert_eq!(TINY.token_bytes(99_999), None);
    assert_eq!(TINY.token_bytes(220), Some(b" ".to_vec()));
    assert_eq!(TINY.decode(&[501, 39, 505, 99_999]).expect("decode"), "H");
}

#[test]
fn typed_control_tokens_stay_text() {
    for text in [
        "<|eot_id|>",
        "<|begin_of_text|><image>",
        "a<|start_header_id|>system<|end_header_id|>",
    ] {
        let found = TINY.encode_user(text).expect("encode");
        assert!(found.iter().all(|&id| id < 501), "{text}: {found:?}");
        assert_eq!(TINY.decode(&found).expect("decode"), text);
        // In the template they are what they are.
        assert!(
            TINY.encode_template(text)
                .expect("encode")
                .iter()
                .any(|&id| id >= 501)
        );
    }
    assert_eq!(
        first_turn(&TINY, BOS, " \n", Some(PICTURE)),
        Err(Error::EmptyQuestion)
    );
    assert_eq!(next_turn(&TINY, 0, ""), Err(Error::EmptyQuestion));
}

/// Text with a liking for pieces of control tokens.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "<|",
            "|>",
            "eot_id",
            "<|eot_id|>",
            "<|eot_id",
            "begin_of_text",
            "<|begin_of_text|>",
            "<image>",
            "<",
            "image>",
            "\n",
            "\n\n",
            " ",
            "<|start_header_id|>user",
            "-200",
        ])
        .prop_map(String::from),
        ".{0,6}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn user_text_never_yields_a_special_id_or_an_image(text in nasty()) {
        let found = TINY.encode_user(&text).expect("encode");
        prop_assert!(found.iter().all(|&id| id < 501));
        prop_assert_eq!(TINY.decode(&found).expect("decode"), text.clone());
        if text.trim().is_empty() {
            return Ok(());
        }
        let prompt = first_turn(&TINY, BOS, &text, Some(PICTURE)).expect("prompt");
        prop_assert_eq!(prompt.media().count(), 1);
        // The template has three headers and two ends, whatever is asked.
        let count = |ids: &Sequence, id| ids.text_ids().filter(|&other| other == id).count();
        prop_assert_eq!(count(&prompt, 503), 3);
        prop_assert_eq!(count(&prompt, 505), 2);
        let further = next_turn(&TINY, 505, &text).expect("prompt");
        prop_assert_eq!((count(&further, 503), count(&further, 505)), (2, 1));
        prop_assert_eq!(further.media().count(), 0);
    }

    #[test]
    fn streamed_pieces_join_to_the_decoded_text(ids in prop::collection::vec(0_u32..520, 0..60)) {
        prop_assert_eq!(streamed(&TINY, &ids), TINY.decode(&ids).expect("decode"));
    }

    #[test]
    fn a_damaged_file_is_an_error(at in 0_usize..15_000) {
        let whole = file("tiny", "tokenizer.json");
        prop_assert!(Tokenizer::from_bytes("t.json", &whole[..at.min(whole.len() - 1)]).is_err());
    }
}

/// `tokenizer.json` of the fixture with `from` replaced.
fn altered(from: &str, to: &str) -> Result<Tokenizer, Error> {
    let text = String::from_utf8(file("tiny", "tokenizer.json")).expect("UTF-8");
    assert!(text.contains(from));
    Tokenizer::from_bytes("t.json", text.replace(from, to).as_bytes())
}

#[test]
fn other_kinds_of_tokenizer_are_refused_with_a_reason() {
    let reason = |result: Result<Tokenizer, Error>| match result {
        Err(Error::Tokenizer { file, reason }) => {
            assert_eq!(file, "t.json");
            reason
        }
        other => panic!("{other:?}"),
    };
    let decoder = "\"decoder\": {\n    \"type\": \"ByteLevel\"";
    let other = decoder.replace("ByteLevel", "Metaspace");
    assert!(reason(altered(decoder, &other)).contains("Metaspace"));
    assert!(reason(altered("\"type\": \"BPE\"", "\"type\": \"WordPiece\"")).contains("WordPiece"));
    assert!(reason(altered("\"!\": 0", "\"!!!\": 0")).contains("0x21"));
    assert!(reason(Tokenizer::from_bytes("t.json", b"<html>")).contains("tokenizer.json"));
    let huge = vec![b' '; Tokenizer::MAX_BYTES + 1];
    assert!(reason(Tokenizer::from_bytes("t.json", &huge)).contains("64 MiB"));
    // Loads, but is of another model.
    let foreign = altered("<|start_header_id|>", "<|im_start|>").expect("it loads");
    let result = first_turn(&foreign, BOS, "Hello", None);
    assert!(matches!(result, Err(Error::Tokenizer { reason, .. }) if reason.contains("LLaMA-3")));
}

/// Found by fuzzing: bytes that are no text, where only the tokenizers crate would have looked at them.
#[test]
fn a_decoder_that_is_no_text_is_refused() {
    let path = crate::fixture("tiny").join("tokenizer.json");
    let json = String::from_utf8(std::fs::read(path).expect("fixture")).expect("UTF-8");
    let at = json.find("\"decoder\"").expect("a decoder");
    let at = at + json[at..].find('{').expect("its entries") + 1;
    let bytes = [
        &json.as_bytes()[..at],
        b"\"odd\": \"\xff\", ",
        &json.as_bytes()[at..],
    ]
    .concat();
    let result = Tokenizer::from_bytes("tokenizer.json", &bytes);
    assert!(matches!(result, Err(Error::Tokenizer { reason, .. }) if reason.contains("utf-8")));
}

#[test]
fn newlines_of_the_template_and_of_the_question_meet() {
    // LLaMA-3 has a token for two newlines, which the fixtures lack: give them one.
    let json = String::from_utf8(file("tiny", "tokenizer.json")).expect("UTF-8");
    let json = json
        .replace("\"yes\":", "\"\u{10A}\u{10A}\":")
        .replace("\"y es\"", "\"\u{10A} \u{10A}\"");
    // Of "Ġ yes" nothing is left to merge.
    let json = json.replace("\"\u{120} yes\",", "");
    let tokenizer = Tokenizer::from_bytes("t.json", json.as_bytes()).expect("it loads");
    let two = tokenizer.id_of("\u{10A}\u{10A}").expect("two newlines") as i32;
    let one = tokenizer.id_of("\u{10A}").expect("a newline") as i32;
    let has = |ids: &[i32], part: &[i32]| ids.windows(part.len()).any(|window| window == part);

    let prompt = first_turn(&tokenizer, BOS, "\nHi", Some(PICTURE)).expect("prompt");
    let prompt = prompt.to_numbers();
    assert!(has(&prompt, &[two, -200, two]), "{prompt:?}");
    let end_of_header = 504;
    for ids in [
        first_turn(&tokenizer, BOS, "\nHi", None).expect("prompt"),
        next_turn(&tokenizer, 505, "\nHi").expect("prompt"),
    ] {
        let ids = ids.to_numbers();
        assert!(has(&ids, &[end_of_header, two, one]), "{ids:?}");
    }
}

#[test]
fn a_token_that_spells_a_control_is_caught() {
    // A hostile file: the plain letter z is also an added token.
    let z = TINY.id_of("z").expect("a letter");
    let added = json!({"id": z, "content": "z", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true});
    let hostile = altered(
        "\"added_tokens\": [",
        &format!("\"added_tokens\": [{added},"),
    )
    .expect("it loads");
    assert!(matches!(
        hostile.encode_user("z"),
        Err(Error::Tokenizer { .. })
    ));
    assert!(hostile.encode_user("a").is_ok());
}

#[test]
fn very_long_text_is_encoded() {
    for text in [
        " ".repeat(200_000),
        "a".repeat(200_000),
        "\n ".repeat(100_000),
    ] {
        let found = TINY.encode_user(&text).expect("encode");
        assert_eq!(TINY.decode(&found).expect("decode"), text);
    }
}
