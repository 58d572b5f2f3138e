//! A `tokenizer.json` by somebody who means harm: what it may ask for is listed, all else is refused by its name, and what
//! it may bring is counted.

use inf_llava_core::Error;
use inf_llava_core::text::Tokenizer;
use serde_json::{Value, json};

fn tiny() -> Value {
    let json = std::fs::read(crate::fixture("tiny").join("tokenizer.json")).expect("fixture");
    serde_json::from_slice(&json).expect("JSON")
}

pub fn load(file: &Value) -> Result<Tokenizer, Error> {
    Tokenizer::from_bytes("t.json", &serde_json::to_vec(file).expect("JSON"))
}

/// The fixture with one field set to something else.
fn with(field: &str, value: Value) -> Value {
    let mut file = tiny();
    *file.pointer_mut(field).expect(field) = value;
    file
}

/// Asserts that the file is refused, for a reason that can be printed, and that has all of `words` in it.
pub fn refused(file: &Value, words: &[&str]) {
    match load(file) {
        Err(Error::Tokenizer { file, reason }) => {
            assert_eq!(file, "t.json");
            assert!(!reason.contains(char::is_control), "{reason:?}");
            assert!(reason.len() < 500, "{reason}");
            for word in words {
                assert!(reason.contains(word), "no {word:?} in: {reason}");
            }
        }
        other => panic!("{words:?}: {other:?}"),
    }
}

fn split(pattern: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
}

pub fn byte_level(pattern: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": pattern})
}

/// `parts` under `list` of a `Sequence`.
pub fn sequence(list: &str, parts: Vec<Value>) -> Value {
    json!({"type": "Sequence", list: parts})
}

#[test]
fn a_normaliser_that_is_not_listed_is_refused() {
    // Seven of these make ten million letters of one.
    let grow = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"});
    refused(
        &with("/normalizer", grow.clone()),
        &["normalizer is Replace", "NFC"],
    );
    let one = sequence("normalizers", vec![grow.clone()]);
    refused(&with("/normalizer", one), &["normalizer is Replace"]);
    let seven = sequence("normalizers", vec![grow.clone(); 7]);
    refused(&with("/normalizer", seven), &["a Sequence has more than 4"]);
    let deep = (0..7).fold(grow, |inner, _| sequence("normalizers", vec![inner]));
    refused(&with("/normalizer", deep), &["normalizer is Sequence"]);
    for kind in [
        "Lowercase",
        "NFKC",
        "NFD",
        "StripAccents",
        "Nmt",
        "ByteLevel",
    ] {
        refused(&with("/normalizer", json!({"type": kind})), &[kind]);
    }
    let others = [
        json!({"type": "Prepend", "prepend": "a".repeat(10_000)}),
        json!({"type": "Strip", "strip_left": true, "strip_right": true}),
        json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "lowercase": true}),
        json!({}),
    ];
    for other in others {
        refused(&with("/normalizer", other), &["normalizer"]);
    }
    for nfc in [
        json!({"type": "NFC"}),
        sequence("normalizers", vec![json!({"type": "NFC"})]),
    ] {
        let tokenizer = load(&with("/normalizer", nfc)).expect("NFC is Qwen2's");
        assert_eq!(
            tokenizer.encode_user("e\u{301}"),
            tokenizer.encode_user("\u{e9}")
        );
    }
}

#[test]
fn a_pattern_that_is_not_listed_is_refused() {
    for evil in [
        "(a+)+$",
        "(a|a)*b",
        "(?=(a+))a*b\\1",
        "",
        "\u{1b}[2J",
        &"a?".repeat(50_000),
    ] {
        let parts = vec![split(evil), byte_level(false)];
        let file = with("/pre_tokenizer", sequence("pretokenizers", parts));
        refused(&file, &["pre_tokenizer", "Split", "LLaMA-3 and Qwen2"]);
    }
    let mut parts = vec![split("(a+)+$"); 1000];
    parts.push(byte_level(false));
    let file = with("/pre_tokenizer", sequence("pretokenizers", parts));
    refused(&file, &["a Sequence has more than 4"]);

    // The right pattern, but not as LLaMA-3 uses it.
    let known = tiny()["pre_tokenizer"]["pretokenizers"][0].clone();
    for (field, value) in [("behavior", json!("Removed")), ("invert", json!(true))] {
        let mut other = known.clone();
        other[field] = value;
        let file = sequence("pretokenizers", vec![other, byte_level(false)]);
        refused(&with("/pre_tokenizer", file), &["Isolated"]);
    }
    let others = [
        Value::Null,
        json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true}),
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}),
        byte_level(false),
        sequence("pretokenizers", vec![]),
        sequence("pretokenizers", vec![byte_level(true), known.clone()]),
        sequence("pretokenizers", vec![known.clone(), byte_level(true)]),
        sequence(
            "pretokenizers",
            vec![known.clone(), known, byte_level(false)],
        ),
    ];
    for other in others {
        refused(
            &with("/pre_tokenizer", other),
            &["pre_tokenizer", "is taken"],
        );
    }
}

/// What is for training a tokenizer, or for batches, or is not asked for, changes no id.
#[test]
fn what_plays_no_part_in_a_prompt_is_not_taken() {
    let text = "How many red circles are there? ".repeat(40);
    let expected = load(&tiny())
        .expect("it loads")
        .encode_user(&text)
        .expect("encode");
    let template = json!({
        "type": "TemplateProcessing", "single": vec![json!({"Sequence": {"id": "A", "type_id": 0}}); 50_000],
        "pair": [], "special_tokens": {}
    });
    for (field, value) in [
        ("/model/dropout", json!(0.5)),
        ("/model/dropout", json!("half")),
        (
            "/truncation",
            json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}),
        ),
        (
            "/padding",
            json!({"strategy": {"Fixed": 1_000_000_000}, "direction": "Left", "pad_id": 0}),
        ),
        ("/post_processor", template),
        ("/model/unk_token", json!("z")),
        ("/model/byte_fallback", json!(true)),
        ("/model/continuing_subword_prefix", json!("")),
    ] {
        let tokenizer = load(&with(field, value)).unwrap_or_else(|error| panic!("{error}"));
        for _ in 0..5 {
            assert_eq!(
                tokenizer.encode_user(&text).expect("encode"),
                expected,
                "{field}"
            );
        }
        assert_eq!(
            tokenizer.encode_template(&text).expect("encode"),
            expected,
            "{field}"
        );
        assert_eq!(
            tokenizer.decode(&expected).expect("decode"),
            text,
            "{field}"
        );
    }
    for field in ["continuing_subword_prefix", "end_of_word_suffix"] {
        let file = with(&format!("/model/{field}"), json!("\u{1b}##"));
        refused(&file, &[&format!("model.{field} is \\u{{1b}}##")]);
    }
}

#[test]
fn what_there_may_be_many_of_is_counted() {
    let numbered = |count: usize| -> serde_json::Map<String, Value> {
        (0..count).map(|id| (format!("t{id}"), json!(id))).collect()
    };
    let file = with("/model/vocab", Value::Object(numbered((1 << 19) + 1)));
    refused(&file, &["model.vocab has more than 524288 tokens"]);
    let file = with("/model/merges", json!(vec!["a b"; (1 << 20) + 1]));
    refused(&file, &["model.merges has more than 1048576 entries"]);
    let token = tiny()["added_tokens"][0].clone();
    let file = with("/added_tokens", json!(vec![token; (1 << 13) + 1]));
    refused(&file, &["added_tokens has more than 8192 entries"]);
    for content in [String::new(), "x".repeat(257)] {
        let bytes = format!("entry 1 has {} bytes; 1 to 256", content.len());
        refused(&with("/added_tokens/1/content", json!(content)), &[&bytes]);
    }
}

/// An added token has the id that the file states, on which the weights' rows go, or the file is refused.
#[test]
fn added_tokens_have_the_ids_that_are_stated() {
    let ids = |file: &Value| {
        let tokenizer = load(file).expect("a tokenizer");
        let added = file["added_tokens"].as_array().expect("a list");
        for token in added {
            let content = token["content"].as_str().expect("text");
            let id = tokenizer.id_of(content).map(u64::from);
            assert_eq!(id, token["id"].as_u64(), "{content}");
        }
    };
    ids(&tiny());
    // Their order says nothing.
    let mut reversed = tiny();
    reversed["added_tokens"]
        .as_array_mut()
        .expect("a list")
        .reverse();
    ids(&reversed);

    let altered = |alter: &dyn Fn(&mut Vec<Value>)| {
        let mut file = tiny();
        alter(file["added_tokens"].as_array_mut().expect("a list"));
        file
    };
    let again = |added: &mut Vec<Value>| {
        let mut again = added[0].clone();
        again["id"] = json!(7);
        added.push(again);
    };
    let first = tiny()["added_tokens"][0]["id"].as_u64().expect("an id");
    let stated = format!("states the id {}", first + 100);
    refused(
        &altered(&|added| added[0]["id"] = json!(first + 100)),
        &["states the id"],
    );
    let all = |added: &mut Vec<Value>| {
        for (token, id) in added.iter_mut().zip(first + 100..) {
            token["id"] = json!(id);
        }
    };
    refused(&altered(&all), &[&stated]);
    refused(
        &altered(&|added| added[1]["id"] = json!(first)),
        &["states the id"],
    );
    refused(&altered(&again), &["states the id 7"]);
    let none = |added: &mut Vec<Value>| drop(added[0].as_object_mut().map(|t| t.remove("id")));
    refused(&altered(&none), &["missing field `id`"]);
    // A vocabulary whose ids do not begin with 0 ends where the added ones begin.
    let mut moved = tiny();
    moved["model"]["vocab"]["!"] = json!(first);
    refused(&moved, &["as \"!\" has"]);
}

#[test]
fn a_vocabulary_that_contradicts_itself_is_refused() {
    let altered = |token: &str, id: Value| {
        let mut file = tiny();
        file["model"]["vocab"][token] = id;
        file
    };
    // Each byte-level letter stands for one byte, though some take two.
    let mut long = altered(&"\u{120}".repeat(256), json!(600));
    long["added_tokens"] = json!([]);
    assert!(load(&long).is_ok());
    refused(
        &altered(&"\u{120}".repeat(257), json!(600)),
        &["257 bytes; at most 256"],
    );
    refused(
        &altered("\u{1b}x", json!(600_000)),
        &["\\u{1b}x has the id 600000", "below 524288"],
    );
    refused(&altered("new", json!(7)), &["two tokens have the id 7"]);
    for id in [json!(-1), json!(1_u64 << 40), json!("1"), json!([])] {
        refused(&altered("new", id), &["no tokenizer.json"]);
    }
    let long = "ab".repeat(200);
    for (merge, reason) in [
        (json!([long, long]), "which is not in the vocabulary"),
        // Longer together than any token.
        (json!(["\u{120}the", "\u{120}the"]), "entry 0 names"),
        (json!("a b c"), "two tokens"),
        (json!("ab"), "two tokens"),
        (json!(["a"]), "two tokens"),
        (json!(["a", "b", "c"]), "two tokens"),
        (json!(7), "two tokens"),
    ] {
        refused(&with("/model/merges", json!([merge])), &[reason]);
    }
    // The second of two fields would be read by some, the first by others.
    let text = String::from_utf8(serde_json::to_vec(&tiny()).expect("JSON")).expect("UTF-8");
    let twice = text.replacen('{', "{\"normalizer\":{\"type\":\"NFC\"},", 1);
    let result = Tokenizer::from_bytes("t.json", twice.as_bytes());
    assert!(
        matches!(&result, Err(Error::Tokenizer { reason, .. }) if reason.contains("duplicate field `normalizer`")),
        "{result:?}"
    );
    let twice = text.replacen("\"vocab\":{", "\"vocab\":{\"!\":3,", 1);
    let result = Tokenizer::from_bytes("t.json", twice.as_bytes());
    assert!(
        matches!(&result, Err(Error::Tokenizer { reason, .. }) if reason.contains("a token twice")),
        "{result:?}"
    );
}

#[test]
fn deep_nesting_is_an_error_or_skipped() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    let text = String::from_utf8(serde_json::to_vec(&tiny()).expect("JSON")).expect("UTF-8");
    for field in [
        "post_processor",
        "truncation",
        "stranger",
        "normalizer",
        "model",
        "added_tokens",
    ] {
        let nested = text.replacen('{', &format!("{{\"{field}\":{deep},"), 1);
        // Whatever comes of it, it is an answer.
        let result = Tokenizer::from_bytes("t.json", nested.as_bytes());
        assert_eq!(
            result.is_ok(),
            matches!(field, "post_processor" | "truncation" | "stranger"),
            "{field}"
        );
    }
}

#[test]
fn other_families_are_refused_by_their_name() {
    let unigram = with(
        "/model",
        json!({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.5]]}),
    );
    refused(&unigram, &["its model is Unigram", "BPE"]);
    refused(
        &with("/decoder/type", json!("CTC\u{1b}[2J")),
        &["CTC\\u{1b}[2J"],
    );
    refused(&with("/version", json!("2.0")), &["2.0", "1.0"]);
}
