//! SmolVLM, SmolVLM2 and Idefics3 (`smolvlm`, `idefics3`): one network under two names.

use super::decoder::LLAMA;
use super::given::{ConfigFiles, Parsed};
use super::keys::Keys;
use super::model::{Config, OwnPrompt};
use super::prompts::{self, Ids};
use super::vision::{Pixels, Vision};
use super::{pictures, text_config, tower};
use crate::error::Result;
use crate::image::{Filter, Normalise};
use crate::spec::{
    Connector, GridSpec, MOST_FRAMES, Sampling, ShuffleSpec, Tiling, TimedSpec, TowerSpec, Video,
};

/// The largest L, in pixels: beyond it pictures are not enlarged.
const LONGEST_CAP: usize = 4096;
/// The most views of a picture.
const VIEWS_CAP: usize = 256;
/// The most channels of a square of patches that become one token.
const CHANNELS_CAP: usize = 1 << 20;

/// Reads the files.
///
/// # Errors
/// [`crate::Error::Config`] naming the key that is missing, out of range or not supported.
pub(super) fn read(files: &ConfigFiles<'_>, parsed: &Parsed) -> Result<Config> {
    let top = parsed.config()?;
    let text = top.within_or_empty("text_config")?;
    let class = text_config::class(&text, &LLAMA)?;
    if *class != LLAMA {
        return Err(text.only("model_type", "llama"));
    }
    // The key of text_config is not read.
    let is_tied = files.is_tied(top.flag("tie_word_embeddings")?.unwrap_or(false));
    let mut decoder = text_config::decoder(&text, class, is_tied)?;
    if top.get("text_config").is_none() {
        // What these models' own class states.
        decoder.rms_norm_eps = 1e-5;
    }
    let vision = top.within_or_empty("vision_config")?;
    let tower = tower::tower(&vision, tower::smolvlm())?;
    let tower = TowerSpec {
        features: vec![tower.num_hidden_layers],
        ..tower
    };
    let shuffle = shuffle(&top, &tower, decoder.hidden_size)?;
    let settings = parsed.require_pictures()?;
    let (grid, pixels) = grid(&settings, &vision, tower.view_px)?;
    let video = video(parsed, &settings, tower.view_px)?;
    let per_tile = (tower.tokens_per_side() / shuffle.scale).pow(2);
    check_tokens(parsed, &tower, &shuffle, per_tile)?;
    let ids = Ids::of(&decoder, &[&text, &top], files.generation)?;
    Ok(Config {
        kind: prompts::kind(&top, "smolvlm")?,
        eos_token_ids: ids.stops,
        vision: Some(Vision {
            tower,
            tiling: Tiling::Grid(grid),
            pixels,
            connector: Connector::Shuffle(shuffle),
            video,
        }),
        image_token_id: prompts::placeholder(&top, &["image_token_id"], 128_257, &decoder)?,
        video_token_id: None,
        prompt: OwnPrompt::Checkpoint,
        bos_token_id: ids.bos,
        states_bos: ids.states_bos,
        random_weights: false,
        scope: None,
        decoder,
    })
}

/// The connector: squares of s x s patches become tokens.
fn shuffle(top: &Keys<'_>, tower: &TowerSpec, outputs: usize) -> Result<ShuffleSpec> {
    let scale = top.count("scale_factor", 2)?;
    let side = tower.tokens_per_side();
    if !side.is_multiple_of(scale) {
        return Err(top.bad(
            "scale_factor",
            format_args!(
                "is {scale}, which does not divide {side}, the patches along a tile: vision_config.image_size is {}, patch_size {}",
                tower.view_px, tower.patch_px
            ),
        ));
    }
    // The scale divides a number of at most 2048.
    let channels = tower.hidden_size.saturating_mul(scale.pow(2));
    if channels > CHANNELS_CAP {
        return Err(top.bad(
            "scale_factor",
            format_args!(
                "is {scale}: {scale} x {scale} patches of {} channels are {channels}, at most {CHANNELS_CAP} are supported",
                tower.hidden_size
            ),
        ));
    }
    Ok(ShuffleSpec {
        inputs: tower.hidden_size,
        outputs,
        scale,
    })
}

/// How pictures are divided into tiles, and their pixels.
fn grid(keys: &Keys<'_>, vision: &Keys<'_>, view_px: usize) -> Result<(GridSpec, Pixels)> {
    let known = ["Idefics3ImageProcessor", "SmolVLMImageProcessor"];
    pictures::check_type(keys, &known)?;
    pictures::must_do(keys, "do_resize")?;
    let tile_px = longest_edge(keys, "max_image_size", 364)?;
    if tile_px != view_px {
        let what = match keys.get("max_image_size") {
            Some(_) => "is",
            None => "is not stated, which means",
        };
        return Err(keys.bad(
            "max_image_size.longest_edge",
            format_args!(
                "{what} {tile_px}, and {} in config.json is {view_px}: the tower sees tiles of its own size only",
                vision.name("image_size")
            ),
        ));
    }
    let spec = GridSpec {
        longest_px: longest_edge(keys, "size", 1456)?,
        tile_px,
        splits: keys.flag("do_image_splitting")?.unwrap_or(true),
    };
    // A square has the most.
    let views = spec.grid([spec.longest_px; 2]).tiles();
    if views > VIEWS_CAP {
        return Err(keys.bad(
            "size.longest_edge",
            format_args!(
                "is {}: with tiles of {tile_px} pixels a picture would become {views}, at most {VIEWS_CAP} are supported",
                spec.longest_px
            ),
        ));
    }
    let settings = pictures::settings(keys, Filter::Lanczos, Normalise::HALVES)?;
    Ok((spec, settings.pixels))
}

/// The longer side of a size, in pixels, or `default` if there is no such size.
fn longest_edge(keys: &Keys<'_>, name: &str, default: usize) -> Result<usize> {
    match keys.within(name)? {
        None => Ok(default),
        Some(size) if size.has("longest_edge") => size.up_to(LONGEST_CAP, "longest_edge", default),
        Some(size) => Err(size.bad("longest_edge", "is missing; sizes are read by it alone")),
    }
}

/// How videos are seen: `video_sampling` among the settings of pictures, or of videos; none of a model without it.
fn video(parsed: &Parsed, settings: &Keys<'_>, tile_px: usize) -> Result<Option<Video>> {
    let name = "video_sampling";
    let own = parsed
        .processor()?
        .map(|keys| keys.within("video_processor"));
    let own = own.transpose()?.flatten().map(|keys| keys.within(name));
    let Some(keys) = settings.within(name)?.or(own.transpose()?.flatten()) else {
        return Ok(None);
    };
    Ok(Some(Video::Timed(TimedSpec {
        sampling: Sampling {
            fps: keys.positive("fps", 1.0)?,
            max_frames: keys.up_to(MOST_FRAMES, "max_frames", 64)?,
        },
        grid: GridSpec {
            longest_px: longest_edge(&keys, "video_size", tile_px)?,
            tile_px,
            splits: false,
        },
    })))
}

/// Refuses a number of tokens a tile that is not the network's.
fn check_tokens(
    parsed: &Parsed,
    tower: &TowerSpec,
    shuffle: &ShuffleSpec,
    per_tile: usize,
) -> Result<()> {
    let name = "image_seq_len";
    let Some(keys) = parsed.processor()? else {
        return Ok(());
    };
    match keys.whole_or_null(name)? {
        Some(stated) if stated != per_tile => Err(keys.bad(
            name,
            format_args!(
                "is {stated}, and config.json gives {per_tile} tokens a tile: {side} x {side} patches, {scale} x {scale} of them a token",
                side = tower.tokens_per_side(),
                scale = shuffle.scale
            ),
        )),
        _ => Ok(()),
    }
}
