//! LLaVA-1.5, LLaVA-NeXT and LLaVA-OneVision in transformers' layout (`llava`, `llava_next`, `llava_onevision`): a
//! `text_config` and a `vision_config`, either of which may lack what is the default of its class.

use super::decoder::{Class, LLAMA, QWEN2};
use super::fit::{self, Processor};
use super::given::{ConfigFiles, Parsed};
use super::keys::Keys;
use super::model::{Config, OwnPrompt};
use super::pinpoints::{self, Order};
use super::prompts::{self, Ids};
use super::tower::{self, Tower};
use super::vision::{Pixels, Vision};
use super::{pictures, text_config};
use crate::error::Result;
use crate::image::{Filter, Normalise};
use crate::spec::{
    AnyresSpec, Connector, Fit, Merge, MlpSpec, SingleSpec, Tiling, TowerSpec, Video,
};

/// The three models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Llava {
    /// LLaVA-1.5, LLaVA-NeXT-Interleave and others: one view of each picture.
    One,
    /// LLaVA-NeXT: tiles.
    Next,
    /// LLaVA-OneVision: tiles of one picture, one view of several, videos.
    Onevision,
}

impl Llava {
    fn tower(self) -> Tower {
        match self {
            Llava::One | Llava::Next => Tower::Clip,
            Llava::Onevision => Tower::Siglip,
        }
    }

    fn decoder(self) -> &'static Class {
        match self {
            Llava::One | Llava::Next => &LLAMA,
            Llava::Onevision => &QWEN2,
        }
    }
}

/// Reads the files.
///
/// # Errors
/// [`crate::Error::Config`] naming the key that is missing, out of range or not supported.
pub(super) fn read(files: &ConfigFiles<'_>, parsed: &Parsed, llava: Llava) -> Result<Config> {
    let top = parsed.config()?;
    let text = top.within_or_empty("text_config")?;
    let class = text_config::class(&text, llava.decoder())?;
    let own = top.flag("tie_word_embeddings")?;
    let of_text = match llava {
        Llava::Next => None,
        Llava::One | Llava::Onevision => text.flag("tie_word_embeddings")?,
    };
    let is_tied = files.is_tied(own.or(of_text).unwrap_or(false));
    let decoder = text_config::decoder(&text, class, is_tied)?;
    let tower = tower(&top, llava)?;
    let connector = projector(&top, &tower, decoder.hidden_size, llava)?;
    let settings = parsed.require_pictures()?;
    let (tiling, pixels) = match llava {
        Llava::One => one_view(&settings, &tower)?,
        Llava::Next | Llava::Onevision => tiles(&top, parsed, &settings, &tower, llava)?,
    };
    let ids = Ids::of(&decoder, &[&text, &top], files.generation)?;
    let is_onevision = llava == Llava::Onevision;
    let default = if is_onevision { 151_646 } else { 32_000 };
    let image = ["image_token_index", "image_token_id"];
    let video = ["video_token_index", "video_token_id"];
    Ok(Config {
        kind: prompts::kind(&top, "llava")?,
        vision: Some(Vision {
            tower,
            tiling,
            pixels,
            connector: Connector::Mlp(connector),
            video: is_onevision.then_some(Video::Pooled),
        }),
        prompt: OwnPrompt::Checkpoint,
        image_token_id: prompts::placeholder(&top, &image, default, &decoder)?,
        video_token_id: match is_onevision {
            true => prompts::placeholder(&top, &video, 151_647, &decoder)?,
            false => None,
        },
        bos_token_id: ids.bos,
        states_bos: ids.states_bos,
        eos_token_ids: ids.stops,
        random_weights: false,
        scope: None,
        decoder,
    })
}

/// The tower, and which of its features are taken.
fn tower(top: &Keys<'_>, llava: Llava) -> Result<TowerSpec> {
    let tower = tower::llava(top, llava.tower())?;
    let (layer, strategy) = match llava {
        Llava::One | Llava::Next => (-2, "default"),
        Llava::Onevision => (-1, "full"),
    };
    let name = "vision_feature_select_strategy";
    let drops_first_token = match top.text(name)?.unwrap_or(strategy) {
        "default" => true,
        "full" => false,
        _ => return Err(top.only(name, "default, full")),
    };
    let tower = TowerSpec {
        features: tower::features(top, "vision_feature_layer", layer, tower.num_hidden_layers)?,
        drops_first_token,
        ..tower
    };
    let (found, patches) = (tower.tokens_per_view(), tower.patches_per_view());
    if found == 0 || (llava != Llava::One && found != patches) {
        let strategy = if drops_first_token { "default" } else { "full" };
        return Err(top.bad(
            name,
            format_args!(
                "is {strategy:?}: a view would have {found} features, not {patches}, one for each patch; tiles cannot be put together of them"
            ),
        ));
    }
    Ok(tower)
}

/// The projector.
fn projector(top: &Keys<'_>, tower: &TowerSpec, outputs: usize, llava: Llava) -> Result<MlpSpec> {
    let name = "projector_hidden_act";
    if top.text(name)?.is_some_and(|act| act != "gelu") {
        return Err(top.only(name, "gelu"));
    }
    Ok(MlpSpec {
        inputs: tower.feature_channels(),
        outputs,
        has_second: true,
        has_bias: top.flag("multimodal_projector_bias")?.unwrap_or(true),
        has_newline: llava != Llava::One,
    })
}

/// One view of each picture, as the processor makes it.
fn one_view(keys: &Keys<'_>, tower: &TowerSpec) -> Result<(Tiling, Pixels)> {
    let default = match tower.has_class_token {
        true => Processor::Clip,
        false => Processor::Siglip,
    };
    let processor = Processor::named(keys, default)?;
    let normalise = match processor {
        Processor::Siglip => Normalise::HALVES,
        Processor::Clip | Processor::Llava => Normalise::CLIP,
    };
    let settings = pictures::settings(keys, Filter::Bicubic, normalise)?;
    let view_px = tower.view_px;
    let single = SingleSpec {
        view_px,
        fit: fit::fit(keys, processor, view_px, settings.colour)?,
        newline: false,
    };
    Ok((Tiling::Single(single), settings.pixels))
}

/// A base view and tiles.
fn tiles(
    top: &Keys<'_>,
    parsed: &Parsed,
    keys: &Keys<'_>,
    tower: &TowerSpec,
    llava: Llava,
) -> Result<(Tiling, Pixels)> {
    let is_onevision = llava == Llava::Onevision;
    let view_px = tower.view_px;
    match is_onevision {
        true => {
            pictures::check_type(keys, &["LlavaOnevisionImageProcessor"])?;
            pictures::must_do(keys, "do_resize")?;
            fit::check_tiles(keys, view_px, 384)?;
        }
        // Its tiles have their size without a resize or a cut.
        false => {
            pictures::check_type(keys, &["LlavaNextImageProcessor"])?;
            fit::check_tiles(keys, view_px, 224)?;
        }
    }
    let settings = pictures::settings(keys, Filter::Bicubic, Normalise::CLIP)?;
    let pinpoints = match pinpoints::pinpoints(top, view_px, Order::HeightFirst)? {
        Some(pinpoints) => pinpoints,
        // The defaults of the classes are of 384 and 336 pixels, and tiles of another size do not fit them.
        None if is_onevision && view_px == 384 => pinpoints::all(view_px, 6),
        None if !is_onevision && view_px == 336 => {
            let tiles = [[1, 2], [2, 1], [2, 2], [3, 1], [1, 3]];
            tiles
                .map(|sides: [usize; 2]| sides.map(|count| count * view_px))
                .to_vec()
        }
        None => return Err(pinpoints::missing(top)),
    };
    let others = pinpoints::pinpoints(keys, view_px, Order::HeightFirst)?;
    if others.is_some_and(|others| others != pinpoints) {
        return Err(pinpoints::differ(keys));
    }
    let spec = AnyresSpec {
        view_px,
        pinpoints,
        most: match is_onevision {
            true => Some(most(top, parsed, tower)?),
            false => None,
        },
        rounds: true,
        merge: Merge::SpatialUnpad,
        several: is_onevision.then_some(Fit::Pad {
            colour: settings.colour,
            short_px: view_px,
        }),
    };
    Ok((Tiling::Anyres(spec), settings.pixels))
}

/// The most tokens of OneVision's map, in views: the number in `vision_aspect_ratio`. What processor_config.json says of
/// it, and of the tokens of a view, must be the same.
fn most(top: &Keys<'_>, parsed: &Parsed, tower: &TowerSpec) -> Result<usize> {
    let name = "vision_aspect_ratio";
    let stated = |keys: &Keys<'_>| match keys.text(name)? {
        None => Ok(None),
        Some(text) => pinpoints::of_anyres_max(text)
            .map(Some)
            .ok_or_else(|| keys.only(name, "anyres_max_N, N from 1 to 1024")),
    };
    let most = stated(top)?.unwrap_or(9);
    let Some(keys) = parsed.processor()? else {
        return Ok(most);
    };
    if let Some(other) = stated(&keys)?
        && other != most
    {
        return Err(keys.bad(
            name,
            format_args!("is anyres_max_{other}, and config.json has anyres_max_{most}"),
        ));
    }
    let (name, patches) = ("num_image_tokens", tower.patches_per_view());
    match keys.whole_or_null(name)? {
        Some(stated) if stated != patches => Err(keys.bad(
            name,
            format_args!(
                "is {stated}, and config.json gives {patches} tokens a view: {side} x {side} patches",
                side = tower.tokens_per_side()
            ),
        )),
        _ => Ok(most),
    }
}
