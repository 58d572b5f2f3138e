//! The conversations that the original LLaVA has in its code (`llava/conversation.py`), as chat templates.

use super::found::Found;
use crate::config::Conversation;
use crate::text::tokenizer::Tokenizer;

/// The end of a turn of LLaMA-3, by which its tokenizer is known.
const LLAMA3_END: &str = "<|eot_id|>";

/// The template of `conversation`. LLaMA decoders have Vicuna's, or LLaMA-3's if the tokenizer is of that kind.
pub fn conversation(conversation: Conversation, tokenizer: &Tokenizer) -> Found {
    let is_llama3 = tokenizer.id_of(LLAMA3_END).is_some();
    let (name, text) = match conversation {
        Conversation::VicunaV1 if is_llama3 => (
            "llava_llama_3",
            include_str!("conversations/llava_llama_3.jinja"),
        ),
        Conversation::VicunaV1 => ("vicuna_v1", include_str!("conversations/vicuna_v1.jinja")),
        Conversation::Mistral => (
            "mistral_instruct",
            include_str!("conversations/mistral_instruct.jinja"),
        ),
        Conversation::Qwen => ("qwen_1_5", include_str!("conversations/qwen_1_5.jinja")),
    };
    Found {
        file: name.into(),
        text: text.into(),
    }
}
