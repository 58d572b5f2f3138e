//! tokenizer.json: for any accepted file, encoding a text terminates and gives ids of the
//! vocabulary.
#![no_main]

use inf_llava_core::text::Tokenizer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(tokenizer) = Tokenizer::from_bytes("tokenizer.json", data) {
        let ids = tokenizer
            .encode_user("What does the sign say? <|eot_id|>")
            .unwrap_or_default();
        assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
        let _ = tokenizer.decode(&ids);
    }
});
