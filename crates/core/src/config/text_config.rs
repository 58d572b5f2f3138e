//! The decoder's keys of the family: an object of their own (`text_config`) or config.json's top level.

use serde_json::Value;

use super::checks::SIZE_CAP;
use super::decoder::{Class, LLAMA, MISTRAL, QWEN2, RawSizes};
use super::keys::Keys;
use super::rope::{RawRope, Scalings};
use crate::error::Result;
use crate::spec::{DecoderSpec, Window};

/// Reads a decoder of `class`.
///
/// # Errors
/// [`crate::Error::Config`] naming the key that is out of range or not supported.
pub(super) fn decoder(keys: &Keys<'_>, class: &Class, is_tied: bool) -> Result<DecoderSpec> {
    check_choices(keys, class)?;
    let prefix = keys.name("");
    let rope = RawRope {
        prefix: &prefix,
        rope_theta: keys.number("rope_theta")?,
        rope_scaling: keys.get("rope_scaling"),
        rope_parameters: keys.get("rope_parameters"),
        partial_rotary_factor: keys.number_or_null("partial_rotary_factor")?,
    };
    let sizes = RawSizes {
        hidden_size: keys.whole("hidden_size")?,
        intermediate_size: keys.whole("intermediate_size")?,
        num_hidden_layers: keys.whole("num_hidden_layers")?,
        num_attention_heads: keys.whole("num_attention_heads")?,
        // Null is as many as heads, in each class.
        num_key_value_heads: match keys.has("num_key_value_heads") {
            true => keys.whole_or_null("num_key_value_heads")?,
            false => class.num_key_value_heads,
        },
        head_dim: keys.whole_or_null("head_dim")?,
        vocab_size: keys.whole("vocab_size")?,
        rms_norm_eps: keys.number("rms_norm_eps")?,
        max_position_embeddings: keys.whole("max_position_embeddings")?,
        prefix: prefix.clone(),
    };
    let decoder = sizes.spec(class, rope.spec(Scalings::All)?)?;
    Ok(DecoderSpec {
        qkv_bias: *class == QWEN2,
        tied: is_tied,
        window: window(keys, class, decoder.num_hidden_layers)?,
        ..decoder
    })
}

/// The class that `model_type` names, or `default` if it is absent.
///
/// # Errors
/// [`crate::Error::Config`] naming a class that is not computed here.
pub(super) fn class(keys: &Keys<'_>, default: &'static Class) -> Result<&'static Class> {
    match keys.text("model_type")? {
        None => Ok(default),
        Some(name) => [&LLAMA, &MISTRAL, &QWEN2]
            .into_iter()
            .find(|class| class.name == name)
            .ok_or_else(|| keys.only("model_type", "llama, mistral, qwen2")),
    }
}

/// Refuses what would otherwise be silently computed in another way.
fn check_choices(keys: &Keys<'_>, class: &Class) -> Result<()> {
    if keys.text("hidden_act")?.is_some_and(|act| act != "silu") {
        return Err(keys.only("hidden_act", "silu"));
    }
    for name in ["attention_bias", "mlp_bias"] {
        // Qwen2 has biases whatever its file says, and always the same ones.
        let is_read = *class != QWEN2 || name == "mlp_bias";
        if is_read && keys.flag(name)? == Some(true) {
            return Err(keys.only(name, "false, layers without these biases"));
        }
    }
    Ok(())
}

/// The sliding window.
fn window(keys: &Keys<'_>, class: &Class, layers: usize) -> Result<Option<Window>> {
    let tokens = match keys.has("sliding_window") {
        true => keys.whole_or_null("sliding_window")?,
        false => Some(4096),
    };
    let is_on = match () {
        () if *class == LLAMA => false,
        () if *class == MISTRAL => true,
        () => keys.flag("use_sliding_window")?.unwrap_or(false),
    };
    let tokens = tokens.filter(|_| is_on);
    if tokens.is_some() {
        keys.size("sliding_window", 4096)?;
    }
    let first_layer = match () {
        () if *class == QWEN2 => first_sliding_layer(keys, layers, tokens.is_some())?,
        () => 0,
    };
    Ok(tokens
        .map(|tokens| Window {
            tokens,
            first_layer,
        })
        .filter(|window| window.first_layer < layers))
}

/// The first layer of Qwen2 that has a window, of `layers`: `layer_types` decides where it is stated.
fn first_sliding_layer(keys: &Keys<'_>, layers: usize, has_window: bool) -> Result<usize> {
    let name = "layer_types";
    let Some(value) = keys.get(name) else {
        return match keys.whole_or_null("max_window_layers")?.unwrap_or(28) {
            first if first <= SIZE_CAP => Ok(first),
            _ => Err(keys.must_be("max_window_layers", format_args!("0 to {SIZE_CAP}"))),
        };
    };
    let kinds = value.as_array().filter(|kinds| kinds.len() == layers);
    let Some(kinds) = kinds else {
        return Err(keys.bad(
            name,
            format_args!("must be a list of {layers} texts, one for each layer"),
        ));
    };
    let is_sliding = |kind: &Value| {
        match kind.as_str() {
        Some("full_attention") => Ok(false),
        Some("sliding_attention") if !has_window => Err(keys.bad(
            name,
            "has sliding_attention, and there is no window: use_sliding_window is not true, or sliding_window is null",
        )),
        Some("sliding_attention") => Ok(true),
        _ => Err(keys.bad(
            name,
            "has another entry than full_attention and sliding_attention, which are supported",
        )),
    }
    };
    let kinds: Vec<bool> = kinds.iter().map(is_sliding).collect::<Result<_>>()?;
    let full = kinds.iter().take_while(|is_sliding| !**is_sliding).count();
    match kinds[full..].iter().all(|is_sliding| *is_sliding) {
        true => Ok(full),
        false => Err(keys.bad(
            name,
            "has full_attention after sliding_attention; a window is computed in the last layers only, or in all",
        )),
    }
}
