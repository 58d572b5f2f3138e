//! SentencePiece-style tokenizers: what of a file is taken, and that no letter becomes a byte.

use serde_json::{Value, json};

use super::text_hostile::{byte_level, load, refused, sequence};

fn llama2() -> Value {
    let json = std::fs::read(crate::fixture("family/tokenizers/llama2.json")).expect("fixture");
    serde_json::from_slice(&json).expect("JSON")
}

#[test]
fn of_a_sentencepiece_style_file_only_what_is_listed_is_taken() {
    let space = "\u{2581}";
    let prepend = json!({"type": "Prepend", "prepend": space});
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": space});
    let metaspace = json!({"type": "Metaspace", "replacement": space, "prepend_scheme": "first", "split": false});
    let decoder = llama2()["decoder"].clone();
    let decoders = |parts: &[&Value]| json!({"type": "Sequence", "decoders": parts});
    let parts: Vec<&Value> = decoder["decoders"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    let other = |part: &Value, field: &str, value: Value| {
        let mut part = part.clone();
        part[field] = value;
        part
    };
    let cases: Vec<(&str, Value, &str)> = vec![
        ("/normalizer", Value::Null, "pre_tokenizer is none"),
        ("/normalizer", prepend.clone(), "normalizer is Prepend"),
        (
            "/normalizer",
            sequence("normalizers", vec![replace.clone(), prepend.clone()]),
            "Sequence of Replace, Prepend",
        ),
        (
            "/normalizer",
            sequence(
                "normalizers",
                vec![
                    other(&prepend, "prepend", json!("a".repeat(9999))),
                    replace.clone(),
                ],
            ),
            "normalizer",
        ),
        (
            "/normalizer",
            sequence(
                "normalizers",
                vec![prepend.clone(), other(&replace, "content", json!("aaaa"))],
            ),
            "normalizer",
        ),
        (
            "/normalizer",
            sequence(
                "normalizers",
                vec![
                    prepend.clone(),
                    other(&replace, "pattern", json!({"Regex": "(a+)+$"})),
                ],
            ),
            "normalizer",
        ),
        ("/normalizer", json!({"type": "NFKC"}), "normalizer is NFKC"),
        (
            "/pre_tokenizer",
            metaspace.clone(),
            "pre_tokenizer is Metaspace",
        ),
        (
            "/pre_tokenizer",
            byte_level(true),
            "pre_tokenizer is ByteLevel",
        ),
        (
            "/decoder",
            decoders(&parts[1..]),
            "decoder is a Sequence of ByteFallback, Fuse, Strip",
        ),
        (
            "/decoder",
            decoders(&parts[..2]),
            "decoder is a Sequence of Replace, ByteFallback",
        ),
        (
            "/decoder",
            decoders(&[
                parts[0],
                parts[1],
                parts[2],
                &other(parts[3], "start", json!(7)),
            ]),
            "decoder",
        ),
        (
            "/decoder",
            decoders(&[
                parts[0],
                parts[1],
                parts[2],
                &other(parts[3], "stop", json!(1)),
            ]),
            "decoder",
        ),
        (
            "/decoder",
            decoders(&[
                &other(parts[0], "content", json!("aaaa")),
                parts[1],
                parts[2],
            ]),
            "decoder",
        ),
        (
            "/decoder",
            json!({"type": "Metaspace"}),
            "decoder is Metaspace",
        ),
        ("/model/byte_fallback", json!(false), "byte_fallback"),
        ("/model/ignore_merges", json!(true), "ignore_merges"),
        ("/model/unk_token", json!("[UNK]"), "[UNK]"),
        ("/model/type", json!("Unigram"), "Unigram"),
    ];
    for (field, value, word) in cases {
        let mut file = llama2();
        *file.pointer_mut(field).expect(field) = value;
        refused(&file, &[word]);
    }
    for (field, value) in [
        ("replacement", json!("_")),
        ("prepend_scheme", json!("last")),
        ("add_prefix_space", json!(false)),
    ] {
        let mut file = llama2();
        file["normalizer"] = Value::Null;
        file["pre_tokenizer"] = other(&metaspace, field, value);
        refused(&file, &["Metaspace"]);
    }
    // Spaces that are not put before texts are not taken from their beginning.
    let mut file = llama2();
    file["normalizer"] = Value::Null;
    file["pre_tokenizer"] = other(&metaspace, "prepend_scheme", json!("never"));
    file["decoder"] = decoders(&parts[..3]);
    let tokenizer = load(&file).expect("it loads");
    for text in [" a b", "a b ", "", " "] {
        let ids = tokenizer.encode_user(text).expect(text);
        assert_eq!(tokenizer.decode(&ids).as_deref(), Ok(text));
    }
}

/// What is typed must not become a byte's token, whatever the merges say, nor be lost.
#[test]
fn letters_never_become_a_byte() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut file = llama2();
        change(&mut file);
        file
    };
    let merge = |left: &'static str, right: &'static str| {
        with(&move |file: &mut Value| {
            let vocab = file["model"]["vocab"]
                .as_object_mut()
                .expect("a vocabulary");
            for token in [left, right] {
                let next = vocab.len();
                vocab.entry(token).or_insert(json!(next));
            }
            let next = vocab.len();
            vocab.entry(format!("{left}{right}")).or_insert(json!(next));
            let merges = file["model"]["merges"].as_array_mut().expect("merges");
            merges.push(json!([left, right]));
        })
    };
    refused(&merge("<0x0", "A>"), &["merges", "<0x0A>", "byte"]);
    refused(&merge("<0x0A>", "a"), &["merges", "<0x0A>"]);
    for odd in ["<0x0a>", "<0x+1>"] {
        let file = with(&|file: &mut Value| {
            let vocab = file["model"]["vocab"]
                .as_object_mut()
                .expect("a vocabulary");
            let id = vocab.remove("'").expect("a token");
            vocab.insert(odd.into(), id);
        });
        refused(&file, &[odd, "byte"]);
    }
    let added = with(&|file: &mut Value| file["added_tokens"][4]["content"] = json!("<0x0b>"));
    refused(&added, &["added_tokens", "<0x0b>"]);
    // Without the token of a byte what needs it is refused; without a letter's or a space's the file is.
    let lacking = with(&|file: &mut Value| {
        let vocab = file["model"]["vocab"]
            .as_object_mut()
            .expect("a vocabulary");
        let id = vocab.remove("<0xC3>").expect("a token");
        vocab.insert("<c3>".into(), id);
    });
    let tokenizer = load(&lacking).expect("it loads");
    assert!(
        tokenizer.encode_user("caf\u{e9} \u{1f642}").is_ok(),
        "these have tokens"
    );
    let error = tokenizer.encode_user("ma\u{f1}ana").expect_err("no byte");
    for word in ["U+00F1", "0xc3", "leave it out"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    for (token, word) in [("<0x25>", "0x25"), ("<0x0A>", "0x0a"), (space(), "space")] {
        let file = with(&|file: &mut Value| {
            let model = file["model"].as_object_mut().expect("a model");
            let vocab = model["vocab"].as_object_mut().expect("a vocabulary");
            let id = vocab.remove(token).expect(token);
            vocab.insert("<gone>".into(), id);
            let merges = model["merges"].as_array_mut().expect("merges");
            merges.retain(|merge| merge[0] != token && merge[1] != token);
        });
        refused(&file, &[word]);
    }
}

fn space() -> &'static str {
    "\u{2581}"
}
