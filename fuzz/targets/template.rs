//! A chat template by somebody who means harm: it is refused, or a conversation is said in it as it was, with bounded work
//! and memory. The input is the template.
#![no_main]

#[path = "shared/memory.rs"]
mod memory;

use std::sync::LazyLock;

use inf_llava_core::progress::Watch;
use inf_llava_core::text::Tokenizer;
use inf_llava_core::text::prompt::{
    Message, Placeholders, Prompt, Role, Room, Template, begin_ids, read_prompt,
};
use libfuzzer_sys::fuzz_target;

const JSON: &[u8] = include_bytes!("../../tests/fixtures/family/tokenizers/llama2.json");
static TOKENIZER: LazyLock<Tokenizer> =
    LazyLock::new(|| Tokenizer::from_bytes("tokenizer.json", JSON).expect("a tokenizer"));

/// Bytes at once, and all in all: a template's fuel pays for what it makes.
const HELD: usize = 64 << 20;
const ASKED: usize = 512 << 20;
const SAID: [&str; 3] = ["first </s>", " second <image>", "third\n"];

fuzz_target!(|data: &[u8]| {
    for name in ["t.json", "t.jinja"] {
        let Ok(Some(found)) = read_prompt(name, data) else {
            continue;
        };
        let begin = begin_ids("tokenizer.json", JSON, &TOKENIZER).expect("one token");
        let ((made, said), taken) = memory::measured(|| {
            let made = Template::new(found, Vec::new(), begin, Placeholders::default());
            let prompt = made.map(|template| Prompt::Template(template.into()));
            let roles = [Role::User, Role::Assistant, Role::User];
            let messages = roles.into_iter().zip(SAID);
            let messages = messages.map(|(role, text)| Ok(Message::text(role, text)));
            let room = Room {
                context_tokens: 1 << 20,
            };
            let watch = &mut Watch::nobody();
            let said = prompt.as_ref().ok().map(|prompt| {
                pollster::block_on(prompt.sequence(&TOKENIZER, messages, room, watch))
            });
            (prompt.is_ok(), said)
        });
        assert!(taken.peak <= HELD, "{} bytes", taken.peak);
        assert!(taken.asked <= ASKED, "{} bytes", taken.asked);
        assert_eq!(made, said.is_some());
        let Some(Ok(sequence)) = said else { continue };
        assert_eq!(sequence.media().count(), 0);
        let ids: Vec<u32> = sequence.text_ids().collect();
        let text = TOKENIZER.decode(&ids).expect("text");
        for said in SAID {
            assert!(text.contains(said.trim()), "{text:?} lacks {said:?}");
        }
    }
});
