//! From token ids and visual tokens to logits: splice -> decoder layers (rope, key/value cache,
//! attention) -> `lm_head`.

pub mod decoder;
pub mod kv_cache;
pub mod splice;
