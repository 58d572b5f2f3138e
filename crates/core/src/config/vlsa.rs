//! VLSA's compressive encoding (`vlsa_llama`): the original LLaVA's layout, and a block `vlsa` with the choices that
//! the paper leaves open.

use super::decoder::LLAMA;
use super::given::{ConfigFiles, Parsed};
use super::keys::Keys;
use super::model::{Config, OwnPrompt};
use super::prompts::{self, Ids};
use super::vision::Vision;
use super::{fit, mm, pictures, text_config};
use crate::error::Result;
use crate::image::{Filter, Normalise, PAD_COLOUR};
use crate::spec::{Connector, PerceiverSpec, Scores, SnapshotSpec, Tiling};

/// The most patches of a picture, a pass of the tower each.
const PATCHES_CAP: usize = 256;
/// The keys of the block `vlsa`.
const KEYS: [&str; 5] = [
    "max_patches",
    "activation",
    "self_activation",
    "score_scale",
    "mean_over_keys",
];

/// Reads the files.
///
/// # Errors
/// [`crate::Error::Config`] naming the key that is missing, out of range or not supported.
pub(super) fn read(files: &ConfigFiles<'_>, parsed: &Parsed) -> Result<Config> {
    let top = parsed.config()?;
    mm::check_choices(&top)?;
    let is_llama = |kind: &str| kind.contains("llama") || kind == "llava";
    if !top.text("model_type")?.is_none_or(is_llama) {
        return Err(top.only("model_type", "vlsa_llama"));
    }
    let is_tied = files.is_tied(top.flag("tie_word_embeddings")?.unwrap_or(false));
    let decoder = text_config::decoder(&top, &LLAMA, is_tied)?;
    let tower = mm::tower(&top)?;
    if !tower.has_class_token {
        return Err(top.only("mm_vision_tower", "CLIP's towers"));
    }
    if !tower.drops_first_token {
        return Err(top.only("mm_vision_select_feature", "patch"));
    }
    let ratio = "image_aspect_ratio";
    if top.text(ratio)?.is_some_and(|found| found != "vlsa") {
        return Err(top.only(ratio, "vlsa"));
    }
    let keys = parsed.pictures_or_empty()?;
    pictures::check_type(&keys, &["CLIP"])?;
    fit::check_tiles(&keys, tower.view_px, tower.view_px)?;
    let settings = pictures::settings(&keys, Filter::Bicubic, Normalise::CLIP)?;

    let block = top.within_or_empty("vlsa")?;
    block.check_known(&KEYS)?;
    let snapshot = SnapshotSpec {
        view_px: tower.view_px,
        max_patches: block.up_to(PATCHES_CAP, "max_patches", 16)?,
        is_centred: true,
        colour: PAD_COLOUR,
        of_padded: true,
    };
    let projector = mm::projector(&top, files, &tower, decoder.hidden_size, false)?;
    let activation = scores(&block, "activation", Scores::Silu)?;
    let ids = Ids::of(&decoder, &[&top], files.generation)?;
    Ok(Config {
        kind: prompts::kind(&top, "vlsa_llama")?,
        vision: Some(Vision {
            tower,
            tiling: Tiling::Snapshot(snapshot),
            pixels: settings.pixels,
            connector: Connector::Perceiver(PerceiverSpec {
                projector,
                activation,
                self_activation: scores(&block, "self_activation", Scores::Softmax)?,
                has_score_scale: match block.text("score_scale")? {
                    None | Some("rsqrt") => true,
                    Some("none") => false,
                    Some(_) => return Err(block.only("score_scale", "rsqrt, none")),
                },
                // Weights that sum up to 1 are a mean already.
                has_mean_over_keys: block.flag("mean_over_keys")?.unwrap_or(true)
                    && activation != Scores::Softmax,
            }),
            video: None,
        }),
        prompt: OwnPrompt::ConvLlama3,
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

/// What is applied to the scores of an attention.
fn scores(block: &Keys<'_>, name: &str, default: Scores) -> Result<Scores> {
    match block.text(name)? {
        None => Ok(default),
        Some("silu") => Ok(Scores::Silu),
        Some("softmax") => Ok(Scores::Softmax),
        Some("none") => Ok(Scores::Identity),
        Some(_) => Err(block.only(name, "silu, softmax, none")),
    }
}
