//! The tower's keys of the family: `vision_config`.

use serde_json::Value;

use super::checks::divides;
use super::keys::Keys;
use crate::error::Result;
use crate::spec::{Activation, TowerSpec};

/// The largest side of a view, in pixels.
const VIEW_CAP: usize = 2048;
/// The most hidden states whose channels stand side by side.
const FEATURES_CAP: usize = 8;

/// The towers of LLaVA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tower {
    Clip,
    Siglip,
}

impl Tower {
    /// Of a `vision_config` that states nothing: what the class has.
    pub(super) fn defaults(self) -> TowerSpec {
        match self {
            Tower::Clip => clip(),
            Tower::Siglip => siglip(),
        }
    }

    /// The one that is meant where there is no `vision_config`.
    pub(super) fn large(self) -> TowerSpec {
        match self {
            Tower::Clip => TowerSpec::clip_vit_l_14_336(),
            Tower::Siglip => TowerSpec {
                num_hidden_layers: 26,
                ..siglip_so400m_14_384()
            },
        }
    }

    /// What `model_type` of `vision_config` names, or `default` if it is absent.
    pub(super) fn named(keys: &Keys<'_>, default: Tower) -> Result<Tower> {
        match keys.text("model_type")? {
            None => Ok(default),
            Some("clip_vision_model") => Ok(Tower::Clip),
            Some("siglip_vision_model") => Ok(Tower::Siglip),
            Some(_) => Err(keys.only("model_type", "clip_vision_model, siglip_vision_model")),
        }
    }
}

/// Reads LLaVA's tower: `vision_config`, or a large one where there is none.
///
/// # Errors
/// As [`tower`].
pub(super) fn llava(top: &Keys<'_>, default: Tower) -> Result<TowerSpec> {
    let Some(keys) = top.within("vision_config")? else {
        return Ok(default.large());
    };
    tower(&keys, Tower::named(&keys, default)?.defaults())
}

/// The hidden states that are the features: of the key `name` in `keys`, a number or a list of them, of a tower of
/// `layers`. Negative ones count from the output of the last layer.
pub(super) fn features(
    keys: &Keys<'_>,
    name: &str,
    default: i64,
    layers: usize,
) -> Result<Vec<usize>> {
    let what = || {
        keys.must_be(
            name,
            format_args!(
                "a number from -{} to {layers} (the tower has {layers} layers), or a list of 1 to {FEATURES_CAP} of them",
                layers + 1
            ),
        )
    };
    let state = |index: i64| {
        let all = i64::try_from(layers).ok()?.checked_add(1)?;
        let index = if index < 0 {
            index.checked_add(all)?
        } else {
            index
        };
        usize::try_from(index).ok().filter(|index| *index <= layers)
    };
    let states: Option<Vec<usize>> = match keys.get(name) {
        None => state(default).map(|state| vec![state]),
        Some(Value::Array(list)) if (1..=FEATURES_CAP).contains(&list.len()) => {
            let states = list.iter().map(|index| index.as_i64().and_then(state));
            states.collect()
        }
        Some(index) => index.as_i64().and_then(state).map(|state| vec![state]),
    };
    states.ok_or_else(what)
}

/// Reads the tower whose absent keys have the values of `defaults`. Which of its features are taken is left as there.
///
/// # Errors
/// [`crate::Error::Config`] naming the key that is out of range or not supported.
pub(super) fn tower(keys: &Keys<'_>, defaults: TowerSpec) -> Result<TowerSpec> {
    if keys.flag("tie_last_hidden_states")? == Some(true) {
        return Err(keys.only(
            "tie_last_hidden_states",
            "false, features before the norm that follows the last layer",
        ));
    }
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

/// `CLIPVisionConfig`.
fn clip() -> TowerSpec {
    TowerSpec {
        hidden_size: 768,
        intermediate_size: 3072,
        num_hidden_layers: 12,
        num_attention_heads: 12,
        view_px: 224,
        patch_px: 32,
        ..TowerSpec::clip_vit_l_14_336()
    }
}

/// google/siglip-so400m-patch14-384; LLaVA takes what leaves its last layer but one.
pub(super) fn siglip_so400m_14_384() -> TowerSpec {
    TowerSpec {
        hidden_size: 1152,
        intermediate_size: 4304,
        num_hidden_layers: 27,
        features: vec![26],
        num_attention_heads: 16,
        view_px: 384,
        patch_px: 14,
        ..siglip()
    }
}

/// `SiglipVisionConfig`.
fn siglip() -> TowerSpec {
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
