//! A picture's URL: it is decoded to no more bytes than the text allows, or refused. Web addresses
//! are never accepted.
#![no_main]

use inf_llava_core::openai::{Face, picture_file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|url: &str| {
    match picture_file("messages[0].content[1].image_url.url", url, Face::Server) {
        Ok(file) => {
            assert!(
                url.get(..5)
                    .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
            );
            assert!(file.bytes.len() <= url.len() * 3 / 4);
        }
        Err(refusal) => {
            assert!(refusal.param.is_some());
            // A message repeats a part of the untrusted text at most.
            assert!(refusal.message.len() < 1000);
        }
    }
});
