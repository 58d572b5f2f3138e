//! INF-LLaVA's files: config.json with the sizes at the top level, in its own layout.

use super::checks::parse;
use super::decoder::{LLAMA, RawSizes};
use super::file::RawConfig;
use super::file_names::CONFIG_FILE;
use super::given::ConfigFiles;
use super::ids::{in_vocabulary, stop_ids};
use super::model::{BEGIN_OF_TEXT, Config, OwnPrompt};
use super::processor;
use super::rope::{RawRope, Scalings};
use super::scope::Scope;
use super::vision::{Pixels, Vision};
use crate::error::{Error, Result};
use crate::image::{Filter, Normalise, PAD_COLOUR};
use crate::spec::{Connector, DecoderSpec, TowerSpec};

/// Reads the files.
///
/// # Errors
/// [`Error::Config`] naming the key that is missing, out of range or not supported.
pub(super) fn read(files: &ConfigFiles<'_>) -> Result<Config> {
    let mut raw: RawConfig = parse(CONFIG_FILE, files.config)?;
    let bad = |reason: String| Error::config(CONFIG_FILE, reason);
    raw.check_choices()?;
    if let Some(json) = files.preprocessor {
        processor::check_clip(json)?;
    }
    let tower = match raw.vision_config.take() {
        Some(vision) => vision.into_spec()?,
        None => TowerSpec::clip_vit_l_14_336(),
    };
    let decoder = decoder(&raw)?;
    if let Some(width) = raw.mm_hidden_size
        && width != tower.hidden_size
    {
        return Err(bad(format!(
            "mm_hidden_size is {width}, the vision tower's hidden_size is {}",
            tower.hidden_size
        )));
    }

    let extra = raw.inf_llava.unwrap_or_default();
    let tiling = extra.tiling()?;
    let connector = extra.connector(&tower, decoder.hidden_size)?;
    let states_bos = raw.bos_token_id.is_some();
    let bos_token_id = match raw.bos_token_id {
        Some(id) => in_vocabulary(&decoder, CONFIG_FILE, "bos_token_id", id)?,
        None => BEGIN_OF_TEXT,
    };
    Ok(Config {
        kind: raw.model_type.unwrap_or_else(|| "llava_llama".into()),
        eos_token_ids: stop_ids(&decoder, files.generation, raw.eos_token_id)?,
        vision: Some(Vision {
            tower,
            tiling,
            pixels: Pixels {
                ground: PAD_COLOUR,
                filter: Filter::Bicubic,
                normalise: Normalise::CLIP,
            },
            connector: Connector::Dem(connector),
            video: None,
        }),
        decoder,
        prompt: OwnPrompt::ConvLlama3,
        image_token_id: None,
        video_token_id: None,
        bos_token_id,
        states_bos,
        random_weights: extra.random_weights,
        scope: extra.scope.as_deref().map(Scope::from_name).transpose()?,
    })
}

/// The decoder. Keys left out take the values of `LlamaConfig` in transformers.
fn decoder(raw: &RawConfig) -> Result<DecoderSpec> {
    let rope = RawRope {
        prefix: "",
        rope_theta: raw.rope_theta,
        rope_scaling: raw.rope_scaling.as_ref(),
        rope_parameters: raw.rope_parameters.as_ref(),
        partial_rotary_factor: raw.partial_rotary_factor,
    };
    let sizes = RawSizes {
        prefix: String::new(),
        hidden_size: raw.hidden_size,
        intermediate_size: raw.intermediate_size,
        num_hidden_layers: raw.num_hidden_layers,
        num_attention_heads: raw.num_attention_heads,
        num_key_value_heads: raw.num_key_value_heads,
        head_dim: None,
        vocab_size: raw.vocab_size,
        rms_norm_eps: raw.rms_norm_eps,
        max_position_embeddings: raw.max_position_embeddings,
    };
    let decoder = sizes.spec(&LLAMA, rope.spec(Scalings::None)?)?;
    let head_dim = decoder.head_dim;
    if let Some(stated) = raw.head_dim.filter(|&stated| stated != head_dim) {
        let reason = format!(
            "head_dim is {stated}, and hidden_size / num_attention_heads is {head_dim}; heads of another width are not computed here"
        );
        return Err(Error::config(CONFIG_FILE, reason));
    }
    Ok(decoder)
}
