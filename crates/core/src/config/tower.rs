//! The tower's keys of the family: `vision_config`.

use super::checks::divides;
use super::keys::Keys;
use crate::error::Result;
use crate::spec::{Activation, TowerSpec};

/// The largest side of a view, in pixels.
const VIEW_CAP: usize = 2048;

/// Reads the tower whose absent keys have the values of `defaults`. Which of its features are taken is left as there.
///
/// # Errors
/// [`crate::Error::Config`] naming the key that is out of range or not supported.
pub(super) fn tower(keys: &Keys<'_>, defaults: TowerSpec) -> Result<TowerSpec> {
    if keys.whole("num_channels")?.is_some_and(|count| count != 3) {
        return Err(keys.only("num_channels", "3 (red, green and blue)"));
    }
    let tower = TowerSpec {
        hidden_size: keys.size("hidden_size", defaults.hidden_size)?,
        intermediate_size: keys.size("intermediate_size", defaults.intermediate_size)?,
        num_hidden_layers: keys.count("num_hidden_layers", defaults.num_hidden_layers)?,
        num_attention_heads: keys.count("num_attention_heads", defaults.num_attention_heads)?,
        view_px: keys.up_to(VIEW_CAP, "image_size", defaults.view_px)?,
        patch_px: keys.up_to(VIEW_CAP, "patch_size", defaults.patch_px)?,
        layer_norm_eps: keys.positive("layer_norm_eps", defaults.layer_norm_eps)?,
        activation: match keys.text("hidden_act")? {
            None => defaults.activation,
            Some("quick_gelu") => Activation::QuickGelu,
            Some("gelu") => Activation::Gelu,
            Some("gelu_pytorch_tanh") => Activation::GeluTanh,
            Some(_) => {
                return Err(keys.only("hidden_act", "quick_gelu, gelu, gelu_pytorch_tanh"));
            }
        },
        ..defaults
    };
    if tower.patch_px > tower.view_px {
        return Err(keys.bad(
            "patch_size",
            format_args!(
                "is {}, and {} is {}: there would be no patch",
                tower.patch_px,
                keys.name("image_size"),
                tower.view_px
            ),
        ));
    }
    divides(
        &keys.name("num_attention_heads"),
        tower.num_attention_heads,
        &keys.name("hidden_size"),
        tower.hidden_size,
    )?;
    Ok(tower)
}

/// `SmolVLMVisionConfig`, `Idefics3VisionConfig`.
pub(super) fn smolvlm() -> TowerSpec {
    TowerSpec {
        hidden_size: 1152,
        intermediate_size: 3072,
        num_hidden_layers: 12,
        num_attention_heads: 16,
        view_px: 224,
        patch_px: 32,
        has_post_norm: true,
        ..siglip()
    }
}

/// `SiglipVisionConfig`.
pub(super) fn siglip() -> TowerSpec {
    TowerSpec {
        hidden_size: 768,
        intermediate_size: 3072,
        num_hidden_layers: 12,
        features: vec![12],
        num_attention_heads: 12,
        view_px: 224,
        patch_px: 16,
        layer_norm_eps: 1e-6,
        activation: Activation::GeluTanh,
        has_class_token: false,
        has_patch_bias: true,
        has_post_norm: false,
        drops_first_token: false,
    }
}
