//! Tokenizers that do not quite fit: a vocabulary without some bytes, more tokens than the model has rows. They load; a text
//! that needs what is not there is refused, and never shortened.

use inf_llava_core::Error;
use inf_llava_core::sequence::Media;
use inf_llava_core::text::Tokenizer;
use inf_llava_core::text::prompt::conv_llama3::{first_turn, next_turn};
use serde_json::{Value, json};

fn read(path: &str) -> Value {
    let path = crate::root().join(path);
    serde_json::from_slice(&std::fs::read(path).expect("fixture")).expect("JSON")
}

fn load(file: &Value) -> Tokenizer {
    Tokenizer::from_bytes("t.json", file.to_string().as_bytes()).expect("it loads")
}

/// GPT-2's letter for a byte.
fn letter(byte: u8) -> String {
    let plain = |byte: u8| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..byte).filter(|&other| !plain(other)).count() as u32;
    let code = if plain(byte) {
        u32::from(byte)
    } else {
        0x100 + others
    };
    char::from_u32(code).expect("a letter").to_string()
}

/// `file` without tokens for these bytes, and without what is merged of them; ids close up.
fn without(mut file: Value, bytes: &[u8]) -> Value {
    let letters: Vec<String> = bytes.iter().map(|&byte| letter(byte)).collect();
    let has = |token: &str| letters.iter().any(|letter| token.contains(letter.as_str()));
    let vocab = file["model"]["vocab"].as_object().expect("a vocabulary");
    let mut kept: Vec<(&String, u64)> = vocab
        .iter()
        .filter(|(token, _)| !has(token))
        .map(|(token, id)| (token, id.as_u64().expect("an id")))
        .collect();
    kept.sort_by_key(|&(_, id)| id);
    let kept = kept.into_iter().enumerate();
    let kept: Value = kept
        .map(|(id, (token, _))| (token.clone(), json!(id)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let next = kept.as_object().expect("kept").len();
    file["model"]["vocab"] = kept.clone();
    let merges = file["model"]["merges"].as_array_mut().expect("merges");
    merges.retain(|merge| {
        !has(&merge.to_string().replace("\\u", "")) && {
            let pair: String = match merge {
                Value::String(line) => line.replace(' ', ""),
                pair => pair
                    .as_array()
                    .expect("a pair")
                    .iter()
                    .filter_map(Value::as_str)
                    .collect(),
            };
            kept.get(&pair).is_some()
        }
    });
    let mut added = 0;
    for token in file["added_tokens"].as_array_mut().expect("added") {
        let content = token["content"].as_str().expect("text").to_string();
        token["id"] = kept.get(&content).cloned().unwrap_or_else(|| {
            added += 1;
            json!(next + added - 1)
        });
    }
    file
}

/// As SmolLM2's vocabulary, which lacks 21 bytes: those that UTF-8 never has, and some of its rarest.
const LACKING: [u8; 21] = [
    0xC0, 0xC1, 0xF1, 0xF2, 0xF3, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF,
    0x01, 0x06, 0x0B, 0x7F, 0xF4,
];

#[test]
fn a_vocabulary_without_some_bytes_loads_and_refuses_what_needs_them() {
    for fixture in [
        "tests/fixtures/tokenizers/smol.json",
        "tests/fixtures/tokenizers/qwen2.json",
        "tests/fixtures/tiny/tokenizer.json",
    ] {
        let whole = load(&read(fixture));
        let lacking = load(&without(read(fixture), &LACKING));
        for text in [
            "What is this?",
            "caf\u{e9} \u{1f600} \u{4e2d}\n\n 12",
            "\u{fffd}",
            "",
        ] {
            let ids = lacking.encode_user(text).expect(text);
            assert_eq!(lacking.decode(&ids).expect("text"), text, "{fixture}");
        }
        // What nobody sees loses the bytes that have no token, as in transformers.
        for (text, without) in [("a\u{1}b", "ab"), ("x \u{7f}", "x "), ("\u{b}", "")] {
            let ids = lacking.encode_user(text).expect(text);
            assert_eq!(lacking.decode(&ids).expect("text"), without, "{fixture}");
        }
        let ids = lacking.encode_user("a\u{40000}").expect("the other bytes");
        assert!(!ids.is_empty());
        for (text, char, byte) in [
            ("word\u{e0041}s", "U+E0041", "0xf3"),
            (" \u{1}\u{100001}", "U+100001", "0xf4"),
        ] {
            assert!(whole.encode_user(text).is_ok(), "{fixture} {text:?}");
            let far = format!("{}{text}", "word ".repeat(5000));
            for text in [text, far.as_str()] {
                let error = lacking.encode_user(text).expect_err(char);
                assert!(matches!(error, Error::Tokenizer { .. }), "{error:?}");
                let message = error.to_string();
                for word in ["t.json", char, byte, "leave it out"] {
                    assert!(message.contains(word), "{fixture} {word:?}: {message}");
                }
                assert!(message.len() < 300, "{message}");
            }
        }
    }
    // A tokenizer that cannot write the template is of no use.
    for byte in [b'y', b' ', b'\n'] {
        let file = without(read("tests/fixtures/tiny/tokenizer.json"), &[byte]);
        let error = Tokenizer::from_bytes("t.json", file.to_string().as_bytes()).expect_err("no");
        assert!(
            error.to_string().contains(&format!("{byte:#04x}")),
            "{error}"
        );
    }
}

#[test]
fn a_token_without_a_row_is_refused_when_it_occurs() {
    let mut file = read("tests/fixtures/tiny/tokenizer.json");
    let plain = load(&file);
    let rows = plain.vocab_size();
    let pad = json!({"id": rows, "content": "[PAD]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    file["added_tokens"]
        .as_array_mut()
        .expect("added")
        .push(pad);
    let padded = load(&file).with_rows(rows);
    assert_eq!(padded.vocab_size(), rows + 1);
    for question in ["What is this?", "[PAD]", "<|eot_id|>"] {
        assert_eq!(
            first_turn(&padded, 501, question, Some(Media::only(9))),
            first_turn(&plain, 501, question, Some(Media::only(9)))
        );
        assert_eq!(
            next_turn(&padded, 7, question),
            next_turn(&plain, 7, question)
        );
    }
    let says = |error: Error, words: &[&str]| {
        assert!(matches!(error, Error::Tokenizer { .. }), "{error:?}");
        for word in words {
            assert!(error.to_string().contains(word), "{word:?}: {error}");
        }
    };
    let ids = [rows.to_string(), format!("{rows} rows")];
    let words = ["[PAD]", ids[0].as_str(), ids[1].as_str()];
    says(
        padded.encode_template("a[PAD]").expect_err("no row"),
        &words,
    );
    says(
        padded.check_rows(&[3, rows as u32]).expect_err("no row"),
        &words,
    );
    assert_eq!(padded.check_rows(&[0, rows as u32 - 1]), Ok(()));

    // Another model's tokenizer: its control tokens have no rows.
    let other = load(&file).with_rows(400);
    says(
        first_turn(&other, 1, "Hi", None).expect_err("no row"),
        &["<|begin_of_text|>", "501", "400 rows"],
    );
    // A word's token may be beyond as well.
    let word = plain.encode_user("What is this?").expect("ids");
    let most = *word.iter().max().expect("ids");
    let short = load(&file).with_rows(most as usize);
    says(
        short.encode_user("What is this?").expect_err("no row"),
        &[&most.to_string()],
    );
}

#[test]
fn a_tokenizer_behind_a_mark_is_read_and_another_file_in_its_place_is_named() {
    let json = read("tests/fixtures/tiny/tokenizer.json").to_string();
    let marked = [&b"\xEF\xBB\xBF"[..], json.as_bytes()].concat();
    assert!(Tokenizer::from_bytes("t.json", &marked).is_ok());
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 17209722\n";
    let utf16: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, word) in [
        (&lfs[..], "Git LFS"),
        (b"<!DOCTYPE html>", "web page"),
        (
            b"<?xml?><Error><Code>AccessDenied</Code></Error>",
            "AccessDenied",
        ),
        (b"", "empty"),
        (b"Invalid username or password.", "Invalid username"),
        (&utf16, "UTF-16"),
        (&json.as_bytes()[..99], "breaks off"),
    ] {
        let error = Tokenizer::from_bytes("t.json", bytes).expect_err(word);
        assert!(error.to_string().contains(word), "{word}: {error}");
        assert!(matches!(error, Error::Tokenizer { .. }), "{error:?}");
    }
}
