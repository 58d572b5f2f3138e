//! A hostile tokenizer: it is refused, or a text of ten kilobytes is encoded and decoded with
//! bounded work, in steps, and the ids do not depend on repetition or on the steps.
//!
//! The input describes changes to a valid `tokenizer.json` (objects are merged, anything else is
//! replaced), since random bytes would never be a loadable file; then a zero byte and the text.
#![no_main]

#[path = "shared/memory.rs"]
mod memory;

use std::sync::LazyLock;

use inf_llava_core::text::{TextStream, Tokenizer};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static WHOLE: LazyLock<Value> = LazyLock::new(|| {
    let json = include_bytes!("../../tests/fixtures/tiny/tokenizer.json");
    serde_json::from_slice(json).expect("JSON")
});

const TEXT_BYTES: usize = 10 << 10;
/// Limit for the bytes allocated in total for each byte of text: a token has its own text, and a
/// piece an entry for each of its bytes.
const WORK: usize = 4000;

fn change(file: &mut Value, by: Value) {
    match (file, by) {
        (Value::Object(file), Value::Object(by)) => {
            for (field, value) in by {
                change(file.entry(field).or_insert(Value::Null), value);
            }
        }
        (file, by) => *file = by,
    }
}

fuzz_target!(|data: &[u8]| {
    let end = data
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(data.len());
    let Ok(by) = serde_json::from_slice::<Value>(&data[..end]) else {
        return;
    };
    let mut file = WHOLE.clone();
    change(&mut file, by);
    let json = serde_json::to_vec(&file).expect("JSON");
    let (loaded, taken) = memory::measured(|| Tokenizer::from_bytes("tokenizer.json", &json));
    assert!(
        taken.peak <= 100 * json.len() + (8 << 20),
        "{} bytes",
        taken.peak
    );
    let Ok(tokenizer) = loaded else { return };

    let mut text = String::from_utf8_lossy(data.get(end + 1..).unwrap_or_default()).into_owned();
    if text.is_empty() {
        text.push_str("How many a's are there? ");
    }
    text = text.repeat(TEXT_BYTES / text.len() + 1);
    let (encoded, taken) = memory::measured(|| tokenizer.encode_user(&text));
    assert!(
        taken.asked <= WORK * text.len(),
        "{} bytes for {}",
        taken.asked,
        text.len()
    );
    let mut encoder = tokenizer.encoder(&text).with_step(100);
    let stepped = loop {
        match encoder.step() {
            Ok(true) => {}
            Ok(false) => break encoder.finish(),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(encoded, stepped);
    assert_eq!(encoded, tokenizer.encode_user(&text));
    // The change may have made an ordinary letter a control token, which is refused.
    let Ok(ids) = encoded else { return };
    assert!(ids.len() <= 3 * text.len());
    let (decoded, taken) =
        memory::measured(|| tokenizer.decode(&ids).expect("byte-level text decodes"));
    assert!(
        taken.asked <= WORK * text.len(),
        "{} bytes for {}",
        taken.asked,
        text.len()
    );
    // NFC lengthens a text to at most three times its size.
    assert!(decoded.len() <= 3 * text.len());
    let mut stream = TextStream::new();
    let mut streamed: String = ids.iter().map(|&id| stream.push(&tokenizer, id)).collect();
    streamed += &stream.finish();
    assert_eq!(streamed, decoded);
});
