//! LLaVA-1.5, LLaVA-NeXT and LLaVA-OneVision in the layout of the original programs (`mm_vision_tower`): the decoder's
//! keys at the top level of config.json.

use serde_json::Value;

use super::decoder::{Class, LLAMA, MISTRAL, QWEN2};
use super::given::{ConfigFiles, Parsed};
use super::keys::Keys;
use super::model::{Config, Conversation, OwnPrompt};
use super::pinpoints::{self, Order};
use super::prompts::{self, Ids};
use super::vision::{Pixels, Vision};
use super::{fit, mm, pictures, text_config};
use crate::error::Result;
use crate::image::{Filter, Normalise};
use crate::spec::{AnyresSpec, Connector, Fit, Merge, SingleSpec, Tiling, TowerSpec, Video};

/// Reads the files.
///
/// # Errors
/// [`crate::Error::Config`] naming the key that is missing, out of range or not supported.
pub(super) fn read(files: &ConfigFiles<'_>, parsed: &Parsed) -> Result<Config> {
    let top = parsed.config()?;
    mm::check_choices(&top)?;
    let class = class(&top)?;
    let is_tied = files.is_tied(top.flag("tie_word_embeddings")?.unwrap_or(false));
    let decoder = text_config::decoder(&top, class, is_tied)?;
    let tower = mm::tower(&top)?;
    let merge = match top.text("mm_patch_merge_type")? {
        None | Some("flat") => Merge::Flat,
        Some("spatial_unpad") => Merge::SpatialUnpad,
        Some(_) => return Err(top.only("mm_patch_merge_type", "flat, spatial_unpad")),
    };
    let has_newline = merge == Merge::SpatialUnpad;
    let connector = mm::projector(&top, files, &tower, decoder.hidden_size, has_newline)?;
    let (tiling, pixels) = tiling(&top, parsed, &tower, merge)?;
    let ids = Ids::of(&decoder, &[&top], files.generation)?;
    Ok(Config {
        kind: prompts::kind(&top, "llava_llama")?,
        vision: Some(Vision {
            video: match &tiling {
                Tiling::Anyres(AnyresSpec {
                    several: Some(_), ..
                }) => Some(Video::Pooled),
                _ => None,
            },
            tower,
            tiling,
            pixels,
            connector: Connector::Mlp(connector),
        }),
        prompt: OwnPrompt::Conversation(match class.name {
            "mistral" => Conversation::Mistral,
            "qwen2" => Conversation::Qwen,
            _ => Conversation::VicunaV1,
        }),
        // A prompt written as ids has -200, which is no token.
        image_token_id: None,
        video_token_id: None,
        bos_token_id: ids.bos,
        states_bos: ids.states_bos,
        eos_token_ids: ids.stops,
        random_weights: false,
        scope: None,
        decoder,
    })
}

/// The decoder's class: `model_type` ends in it; some files with `llava` only name it in `architectures`.
fn class(top: &Keys<'_>) -> Result<&'static Class> {
    let kind = top.text("model_type")?.unwrap_or("llava").replace('-', "_");
    let name = "architectures";
    let architecture = match top.get(name) {
        _ if kind != "llava" => &kind,
        None => "llama",
        Some(Value::Array(list)) if list.is_empty() => "llama",
        Some(Value::Array(list)) => list[0].as_str().unwrap_or_default(),
        Some(_) => return Err(top.must_be(name, "a list of texts")),
    };
    let architecture = architecture.to_lowercase();
    let is = |part: &str| architecture.contains(part);
    match () {
        () if is("llama") => Ok(&LLAMA),
        () if is("mixtral") || is("moe") || is("qwen3") => {
            Err(top.only(name, "LlavaLlama, LlavaMistral and LlavaQwen (Qwen2)"))
        }
        () if is("mistral") => Ok(&MISTRAL),
        () if is("qwen") => Ok(&QWEN2),
        () => Err(top.only(name, "LlavaLlama, LlavaMistral and LlavaQwen (Qwen2)")),
    }
}

/// `image_aspect_ratio`: how pictures become views. A file with the settings of pictures may lack: the tower's are meant.
fn tiling(
    top: &Keys<'_>,
    parsed: &Parsed,
    tower: &TowerSpec,
    merge: Merge,
) -> Result<(Tiling, Pixels)> {
    let keys = parsed.pictures_or_empty()?;
    let view_px = tower.view_px;
    let is_clip = tower.has_class_token;
    let (known, normalise) = match is_clip {
        true => ("CLIP", Normalise::CLIP),
        false => ("Siglip", Normalise::HALVES),
    };
    pictures::check_type(&keys, &[known])?;
    fit::check_tiles(&keys, view_px, view_px)?;
    let settings = pictures::settings(&keys, Filter::Bicubic, normalise)?;
    let padded = Fit::Pad {
        colour: settings.colour,
        short_px: view_px,
    };
    let newline = merge == Merge::SpatialUnpad;
    let one = |fit| {
        Tiling::Single(SingleSpec {
            view_px,
            fit,
            newline,
        })
    };
    let name = "image_aspect_ratio";
    let tiling = match top.text(name)?.unwrap_or("square") {
        "pad" => {
            pictures::must_do(&keys, "do_resize")?;
            one(padded)
        }
        "square" => {
            pictures::must_do(&keys, "do_resize")?;
            match is_clip {
                true => {
                    pictures::must_do(&keys, "do_center_crop")?;
                    one(Fit::Crop { short_px: view_px })
                }
                false => one(Fit::Squash),
            }
        }
        text => {
            let most = match text {
                "anyres" => None,
                text => match pinpoints::of_anyres_max(text) {
                    Some(most) => Some(most),
                    None => {
                        let known = "pad, square, anyres, anyres_max_N (N from 1 to 1024)";
                        return Err(top.only(name, known));
                    }
                },
            };
            check_features(top, tower)?;
            let pinpoints = pinpoints::pinpoints(top, view_px, Order::WidthFirst)?;
            Tiling::Anyres(AnyresSpec {
                view_px,
                pinpoints: pinpoints.ok_or_else(|| pinpoints::missing(top))?,
                most,
                rounds: false,
                merge,
                // OneVision's: its tiles are of a conversation's only picture.
                several: (most.is_some() && newline).then_some(padded),
            })
        }
    };
    Ok((tiling, settings.pixels))
}

/// Requires a feature for each patch, and no other, to lay tiles out.
fn check_features(top: &Keys<'_>, tower: &TowerSpec) -> Result<()> {
    let (found, patches) = (tower.tokens_per_view(), tower.patches_per_view());
    match found == patches {
        true => Ok(()),
        false => Err(top.bad(
            "mm_vision_select_feature",
            format_args!(
                "is \"cls_patch\": a view has {found} features, not {patches}, one for each patch; tiles cannot be put together of them"
            ),
        )),
    }
}
