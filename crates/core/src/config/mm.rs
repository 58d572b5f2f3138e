//! The keys of the original LLaVA's layout that begin with `mm_`: tower and projector.

use super::given::ConfigFiles;
use super::keys::Keys;
use super::tower::{self, Tower};
use crate::error::Result;
use crate::spec::{MlpSpec, PROJECTOR, TowerSpec};

/// How the towers that are known by name end.
const CLIP: &str = "clip-vit-large-patch14-336";
const SIGLIP: &str = "siglip-so400m-patch14-384";

/// The tower: `vision_config`, which our own files have, or the one that `mm_vision_tower` names, by whatever path.
///
/// # Errors
/// [`crate::Error::Config`] naming another one, or the key that is not supported.
pub(super) fn tower(top: &Keys<'_>) -> Result<TowerSpec> {
    let name = top.text("mm_vision_tower")?.unwrap_or_default();
    let name = name.trim_end_matches('/');
    let (kind, tower) = match top.within("vision_config")? {
        Some(keys) => {
            let default = match name.contains("siglip") {
                true => Tower::Siglip,
                false => Tower::Clip,
            };
            let kind = Tower::named(&keys, default)?;
            (kind, tower::tower(&keys, kind.defaults())?)
        }
        None if name.ends_with(CLIP) => (Tower::Clip, Tower::Clip.large()),
        None if name.ends_with(SIGLIP) => (Tower::Siglip, tower::siglip_so400m_14_384()),
        None => {
            return Err(top.only(
                "mm_vision_tower",
                format_args!("openai/{CLIP}, google/{SIGLIP}, or any with a vision_config"),
            ));
        }
    };
    let tower = match kind {
        Tower::Clip => clip_features(top, tower)?,
        // Its last layer is dropped, and what leaves the rest is taken, whatever the file selects.
        Tower::Siglip => TowerSpec {
            features: vec![tower.num_hidden_layers - 1],
            ..tower
        },
    };
    let name = "mm_hidden_size";
    match top.whole_or_null(name)? {
        Some(width) if width != tower.feature_channels() => Err(top.bad(
            name,
            format_args!(
                "is {width}, the vision tower's hidden_size is {}",
                tower.hidden_size
            ),
        )),
        _ => Ok(tower),
    }
}

/// `mm_vision_select_layer` and `mm_vision_select_feature`.
fn clip_features(top: &Keys<'_>, tower: TowerSpec) -> Result<TowerSpec> {
    let (layer, feature) = ("mm_vision_select_layer", "mm_vision_select_feature");
    if top.get(layer).is_some_and(|layer| layer.is_array()) {
        return Err(top.must_be(layer, "one number"));
    }
    Ok(TowerSpec {
        features: tower::features(top, layer, -2, tower.num_hidden_layers)?,
        drops_first_token: match top.text(feature)?.unwrap_or("patch") {
            "patch" => true,
            "cls_patch" => false,
            _ => return Err(top.only(feature, "patch, cls_patch")),
        },
        ..tower
    })
}

/// The projector. Where no file names its kind, the tensors tell; the original program takes one layer then.
///
/// # Errors
/// [`crate::Error::Config`] naming another kind.
pub(super) fn projector(
    top: &Keys<'_>,
    files: &ConfigFiles<'_>,
    tower: &TowerSpec,
    outputs: usize,
    has_newline: bool,
) -> Result<MlpSpec> {
    let name = "mm_projector_type";
    Ok(MlpSpec {
        inputs: tower.feature_channels(),
        outputs,
        has_second: match top.text(name)? {
            Some("mlp2x_gelu") => true,
            Some("linear") => false,
            None => files.has_tensors(&format!("{PROJECTOR}.2")),
            Some(_) => return Err(top.only(name, "mlp2x_gelu, linear")),
        },
        has_bias: true,
        has_newline,
    })
}

/// Refuses what would otherwise be silently computed, or asked, in another way.
pub(super) fn check_choices(top: &Keys<'_>) -> Result<()> {
    for name in ["mm_use_im_start_end", "add_faster_video", "s2"] {
        if top.flag(name)? == Some(true) {
            return Err(top.only(name, "false"));
        }
    }
    if top.get("mm_resampler_type").is_some() {
        return Err(top.only("mm_resampler_type", "null, all features of a view"));
    }
    for (name, only) in [
        ("mm_spatial_pool_mode", "bilinear"),
        ("mm_newline_position", "one_token"),
    ] {
        if top.text(name)?.is_some_and(|found| found != only) {
            return Err(top.only(name, only));
        }
    }
    Ok(())
}
