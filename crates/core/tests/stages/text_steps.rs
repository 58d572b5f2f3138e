//! A text that is encoded in stretches has the ids that it has as a whole, by the tokenizers crate from the file itself.

use std::sync::LazyLock;

use inf_llava_core::Error;
use inf_llava_core::progress::{StopFlag, Watch};
use inf_llava_core::text::{Encoder, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A file of each supported kind, by name: LLaMA-3's, Qwen2's, SmolLM's, and GPT-2's, of which there is none.
fn files() -> Vec<(&'static str, Value)> {
    let read = |name: &str| -> Value {
        let json = std::fs::read(crate::fixture(name)).expect("fixture");
        serde_json::from_slice(&json).expect("JSON")
    };
    let smol = read("tokenizers/smol.json");
    let mut gpt2 = smol.clone();
    gpt2["pre_tokenizer"] = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true
    });
    vec![
        ("llama3", read("tiny/tokenizer.json")),
        ("qwen2", read("tokenizers/qwen2.json")),
        ("smol", smol),
        ("gpt2", gpt2),
    ]
}

/// LLaMA-2's file, and what else SentencePiece-style files have in the place of its normaliser, with merges across spaces.
fn sentence_files() -> Vec<(&'static str, Value)> {
    let json = std::fs::read(crate::fixture("family/tokenizers/llama2.json")).expect("fixture");
    let mut llama2: Value = serde_json::from_slice(&json).expect("JSON");
    let model = llama2["model"].as_object_mut().expect("a model");
    for (left, right) in [
        ("\u{2581}", "\u{2581}"),
        ("\u{2581}\u{2581}", "\u{2581}\u{2581}"),
        ("a", "\u{2581}"),
        ("a\u{2581}", "a"),
        ("1", "\u{2581}"),
    ] {
        let vocab = model["vocab"].as_object_mut().expect("a vocabulary");
        let next = vocab.len();
        vocab.entry(format!("{left}{right}")).or_insert(json!(next));
        let merges = model["merges"].as_array_mut().expect("merges");
        merges.insert(0, json!([left, right]));
    }
    let next = model["vocab"].as_object().expect("a vocabulary").len();
    for (place, added) in llama2["added_tokens"].as_array_mut().expect("a list")[3..]
        .iter_mut()
        .enumerate()
    {
        added["id"] = json!(next + place);
    }
    let metaspace = |scheme: &str, split: bool| {
        let mut file = llama2.clone();
        file["normalizer"] = Value::Null;
        file["pre_tokenizer"] = json!({
            "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": scheme, "split": split
        });
        file
    };
    vec![
        ("first", metaspace("first", false)),
        ("first, split", metaspace("first", true)),
        ("always", metaspace("always", false)),
        ("always, split", metaspace("always", true)),
        ("never", metaspace("never", false)),
        ("llama2", llama2),
    ]
}

/// The file with tokens for all pairs, and pairs of pairs, of characters that are cut apart or not: white space, line ends,
/// digits, marks. Its ids tell where the cuts are.
fn telling(mut file: Value) -> Value {
    let byte = |byte: u8| match byte {
        b' ' | b'\n' | b'\r' | b'\t' => char::from_u32(0x100 + u32::from(byte)).expect("a char"),
        _ => char::from(byte),
    };
    let first: Vec<String> = b" \n\r\t1a'!"
        .iter()
        .map(|&b| byte(b).to_string())
        .collect();
    let cross = |left: &[String], right: &[String]| -> Vec<(String, String)> {
        let pairs = left
            .iter()
            .flat_map(|l| right.iter().map(move |r| (l.clone(), r.clone())));
        pairs.collect()
    };
    let pairs = cross(&first, &first);
    let second: Vec<String> = pairs.iter().map(|(l, r)| format!("{l}{r}")).collect();
    let model = file["model"].as_object_mut().expect("a model");
    for (left, right) in pairs.into_iter().chain(cross(&second, &second)) {
        let vocab = model["vocab"].as_object_mut().expect("a vocabulary");
        let next = vocab.len();
        vocab.entry(format!("{left}{right}")).or_insert(json!(next));
        let merges = model["merges"].as_array_mut().expect("merges");
        merges.push(match merges.first().is_some_and(Value::is_string) {
            true => json!(format!("{left} {right}")),
            false => json!([left, right]),
        });
    }
    // The added tokens come behind the vocabulary; SmolLM's are in it.
    let vocab = file["model"]["vocab"].as_object().expect("a vocabulary");
    let (mut next, vocab) = (vocab.len(), vocab.clone());
    for added in file["added_tokens"].as_array_mut().expect("a list") {
        if !vocab.contains_key(added["content"].as_str().expect("text")) {
            added["id"] = json!(next);
            next += 1;
        }
    }
    file
}

struct Pair {
    name: &'static str,
    ours: Tokenizer,
    theirs: tokenizers::Tokenizer,
}

fn load((name, file): (&'static str, Value)) -> Pair {
    let json = serde_json::to_vec(&file).expect("JSON");
    let mut theirs = tokenizers::Tokenizer::from_bytes(&json).expect(name);
    theirs.set_encode_special_tokens(true);
    let ours = Tokenizer::from_bytes(name, &json).unwrap_or_else(|error| panic!("{error}"));
    Pair { name, ours, theirs }
}

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let telling = files()
        .into_iter()
        .map(|(name, file)| load((name, telling(file))));
    telling
        .chain(sentence_files().into_iter().map(load))
        .collect()
});

fn whole(tokenizer: &tokenizers::Tokenizer, text: &str) -> Vec<u32> {
    let encoding = tokenizer.encode_fast(text, false).expect("encode");
    encoding.get_ids().to_vec()
}

/// The ids, and how many steps they took.
fn stepped(mut encoder: Encoder<'_>) -> (Vec<u32>, usize) {
    let mut steps = 1;
    while encoder.step().expect("encode") {
        steps += 1;
    }
    (encoder.finish().expect("encode"), steps)
}

/// What is joined, reordered, cut or looked ahead at: marks and letters that they join, jamo, joiners, white space and
/// line ends of all kinds, digits of several scripts, contractions, and letters whose case folds oddly.
const PARTS: [&str; 67] = [
    "a",
    "A",
    "e",
    "o",
    "q",
    "t",
    " ",
    "  ",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\t",
    "\u{a0}",
    "\u{2003}",
    "\u{3000}",
    "\u{2028}",
    "\u{85}",
    "1",
    "23",
    "4567",
    "\u{664}",
    "\u{ff15}",
    "\u{2167}",
    "\u{bd}",
    "'",
    "'s",
    "'S",
    "'\u{17f}",
    "'re",
    "'LL",
    "'v",
    "!",
    "?!",
    "...",
    "\u{301}",
    "\u{302}",
    "\u{323}",
    "\u{327}",
    "\u{328}",
    "\u{338}",
    "\u{345}",
    "=",
    "\u{e9}",
    "\u{f4}",
    "\u{958}",
    "\u{1100}",
    "\u{1161}",
    "\u{11a8}",
    "\u{ac00}",
    "\u{4f60}\u{597d}",
    "\u{ff0c}",
    "\u{3068}",
    "\u{3099}",
    "\u{928}\u{93c}",
    "\u{1f469}\u{200d}\u{1f52c}",
    "\u{2126}",
    "\u{37e}",
    "\u{fb01}",
    "\u{dbe}\u{dca}",
    "word",
    "<|eot_id|>",
    "a a",
    "1 ",
    "\u{2581}",
    "<0x0A>",
    "</s>",
];

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => prop::sample::select(&PARTS[..]).prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
        1 => (prop::sample::select(&PARTS[..]), 2_usize..20).prop_map(|(part, times)| part.repeat(times)),
    ];
    prop::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
}

fn check(text: &str, step: usize) -> Result<(), TestCaseError> {
    for Pair { name, ours, theirs } in PAIRS.iter() {
        let expected = whole(theirs, text);
        prop_assert_eq!(
            &ours.encode_user(text).expect("encode"),
            &expected,
            "{}",
            name
        );
        let (ids, _) = stepped(ours.encoder(text).with_step(step));
        prop_assert_eq!(&ids, &expected, "{} in steps of {}", name, step);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_ids_of_the_stretches_are_the_ids_of_the_whole(text in text(), step in 1_usize..24) {
        check(&text, step)?;
    }

    /// Where the patterns look furthest ahead.
    #[test]
    fn white_space_is_cut_as_in_the_whole(text in "[ \n]{0,6}a?[ \n\r]{0,6}[a1'!]?[ \n]{0,4}", step in 1_usize..8) {
        check(&text, step)?;
    }
}

/// Long texts of several scripts, and of no words at all.
fn long_texts() -> Vec<String> {
    let lines = [
        "The quick brown fox isn't here; 12345 boxes, 6.7 % of them \"red\".\r\n",
        "\u{418} \u{432}\u{43e}\u{442} \u{43c}\u{44b} \u{43f}\u{440}\u{438}\u{448}\u{43b}\u{438}.  ",
        "\u{4f60}\u{597d}\u{ff0c}\u{4e16}\u{754c}\u{3002}\u{8fd9}\u{662f}\u{4e00}\u{53e5}\u{8bdd}\u{3002}",
        "\u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947} \u{926}\u{941}\u{928}\u{93f}\u{92f}\u{93e}\u{964} ",
        "\u{645}\u{631}\u{62d}\u{628}\u{627} \u{628}\u{627}\u{644}\u{639}\u{627}\u{644}\u{645}\u{60c} ",
        "e\u{301}t\u{323}\u{302}o\u{328} \u{1112}\u{1161}\u{11ab}\n\n\n",
        "\u{1f469}\u{200d}\u{1f52c}\u{1f3fd}",
        "\n  ",
        "1",
        "a",
    ];
    let mut texts: Vec<String> = lines
        .iter()
        .map(|line| line.repeat(24_000 / line.len()))
        .collect();
    texts.push(texts.concat());
    texts
}

#[test]
fn long_texts_are_encoded_in_bounded_steps() {
    for Pair { name, ours, theirs } in PAIRS.iter() {
        for text in long_texts() {
            let (ids, steps) = stepped(ours.encoder(&text));
            let beginning: String = text.chars().take(8).collect();
            assert_eq!(ids, whole(theirs, &text), "{name}: {beginning}");
            // One word cannot be left off; everything else is.
            if text.contains(|c: char| !c.is_ascii_alphanumeric()) && !text.trim().is_empty() {
                let least = text.len() / Encoder::STEP_BYTES / 2;
                assert!(steps >= least, "{name}: {beginning}: {steps} steps");
            }
        }
    }
}

#[test]
fn stop_is_heard_between_the_stretches() {
    let text = "What does the sign say? ".repeat(40_000);
    for Pair { ours, .. } in PAIRS.iter() {
        let stop = StopFlag::default();
        let mut watch = Watch::new(stop.clone(), |_| {});
        let mut work = Box::pin(ours.encode_watched("short", &mut watch));
        assert!(pollster::block_on(work.as_mut()).is_ok());
        drop(work);
        stop.stop();
        let heard = pollster::block_on(ours.encode_watched(&text, &mut watch));
        assert_eq!(heard, Err(Error::Stopped));
    }
}

#[test]
fn the_supported_families_load() {
    let pairs: Vec<Pair> = files().into_iter().map(load).collect();
    let vocabularies: Vec<usize> = pairs.iter().map(|pair| pair.ours.vocab_size()).collect();
    assert_eq!(vocabularies, [506, 512, 423, 423]);
    for Pair { name, ours, theirs } in &pairs {
        assert_eq!(ours.vocab_size(), theirs.get_vocab_size(true), "{name}");
        for (token, id) in theirs.get_vocab(true) {
            assert_eq!(ours.id_of(&token), Some(id), "{name}: {token}");
        }
    }
}
