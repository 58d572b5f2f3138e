//! `preprocessor_config.json`: checks that the checkpoint's pictures are prepared as they are here
//! (image/preprocess.rs).
//!
//! Sizes are ignored: the release multiplies them by N in code, and files exist with either size. A
//! missing key has the default of `CLIPImageProcessor`.

use serde::Deserialize;

use super::checks::parse;
use super::file_names::PREPROCESSOR_FILE;
use super::pictures::{NEAR, RESCALE};
use crate::error::{Error, Result};
use crate::image::Normalise;
use crate::printable::quoted;

/// Pillow's constant for BICUBIC.
const BICUBIC: u8 = 3;

#[derive(Deserialize)]
struct RawProcessor {
    image_processor_type: Option<String>,
    feature_extractor_type: Option<String>,
    image_mean: Option<Vec<f64>>,
    image_std: Option<Vec<f64>>,
    rescale_factor: Option<f64>,
    resample: Option<u8>,
    do_normalize: Option<bool>,
    do_rescale: Option<bool>,
}

/// Refuses a checkpoint whose pictures are prepared differently, since its answers would silently
/// be worse.
///
/// # Errors
/// [`Error::Config`] naming the key, its value and the supported one.
pub(super) fn check_clip(json: &[u8]) -> Result<()> {
    let raw: RawProcessor = parse(PREPROCESSOR_FILE, json)?;
    let only = |name: &str, found: String, wanted: String| {
        let reason = format!("{name} is {found}; supported: {wanted}");
        Err(Error::config(PREPROCESSOR_FILE, reason))
    };
    let kinds = [
        ("image_processor_type", &raw.image_processor_type),
        ("feature_extractor_type", &raw.feature_extractor_type),
    ];
    for (name, kind) in kinds {
        if let Some(kind) = kind
            && !kind.starts_with("CLIP")
        {
            return only(name, quoted(kind), "CLIPImageProcessor".into());
        }
    }
    for (name, on) in [
        ("do_normalize", raw.do_normalize),
        ("do_rescale", raw.do_rescale),
    ] {
        if on == Some(false) {
            return only(name, "false".into(), "true".into());
        }
    }
    for (name, found, wanted) in [
        ("image_mean", &raw.image_mean, Normalise::CLIP.mean),
        ("image_std", &raw.image_std, Normalise::CLIP.std),
    ] {
        let near = |(a, b): (&f64, f32)| (a - f64::from(b)).abs() <= NEAR;
        if let Some(found) = found
            && (found.len() != wanted.len() || !found.iter().zip(wanted).all(near))
        {
            let shown = format!("{:?}", &found[..found.len().min(wanted.len() + 1)]);
            return only(name, shown, format!("CLIP's {wanted:?}"));
        }
    }
    if let Some(factor) = raw.rescale_factor
        && (factor - RESCALE).abs() > NEAR * RESCALE
    {
        return only("rescale_factor", factor.to_string(), "1/255".into());
    }
    if let Some(filter) = raw.resample
        && filter != BICUBIC
    {
        return only(
            "resample",
            filter.to_string(),
            format!("{BICUBIC} (bicubic)"),
        );
    }
    Ok(())
}
