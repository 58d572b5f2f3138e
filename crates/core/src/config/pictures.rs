//! The settings of pictures of the family: `preprocessor_config.json`, or `image_processor` in `processor_config.json`.

use serde_json::Value;

use super::keys::Keys;
use super::vision::Pixels;
use crate::error::Result;
use crate::image::{Filter, Normalise, WHITE};

/// The factor from bytes to 0..1.
pub(super) const RESCALE: f64 = 1.0 / 255.0;
/// Tolerance for values that are written with fewer digits.
pub(super) const NEAR: f64 = 1e-3;

/// What the settings say of pixels.
pub(super) struct Settings {
    pub(super) pixels: Pixels,
    /// What a picture is padded with to a square: the mean in bytes.
    pub(super) colour: [u8; 3],
}

/// How pixels are prepared, by `keys` and, where a key is absent, as `filter` and `normalise`. Transparent pixels get a
/// white ground, as in transformers.
///
/// # Errors
/// [`crate::Error::Config`] naming the key that is not supported.
pub(super) fn settings(keys: &Keys<'_>, filter: Filter, normalise: Normalise) -> Result<Settings> {
    for name in ["do_normalize", "do_rescale"] {
        must_do(keys, name)?;
    }
    if let Some(factor) = keys.number_or_null("rescale_factor")?
        && (factor - RESCALE).abs() > NEAR * RESCALE
    {
        return Err(keys.only("rescale_factor", "1/255"));
    }
    let mean = colours(keys, "image_mean", normalise.mean, |mean| {
        (0.0..=1.0).contains(&mean)
    })?;
    let std = colours(keys, "image_std", normalise.std, |std| std > 0.0)?;
    Ok(Settings {
        pixels: Pixels {
            ground: WHITE,
            filter: match keys.get("resample").map(Value::as_u64) {
                None => filter,
                Some(Some(1)) => Filter::Lanczos,
                Some(Some(2)) => Filter::Bilinear,
                Some(Some(3)) => Filter::Bicubic,
                Some(_) => {
                    return Err(keys.only("resample", "1 (Lanczos), 2 (bilinear), 3 (bicubic)"));
                }
            },
            normalise: Normalise {
                mean: mean.map(|mean| mean as f32),
                std: std.map(|std| std as f32),
            },
        },
        colour: mean.map(|mean| (mean * 255.0) as u8), // truncates
    })
}

/// Refuses a step that is switched off.
pub(super) fn must_do(keys: &Keys<'_>, name: &str) -> Result<()> {
    match keys.flag(name)? {
        Some(false) => Err(keys.only(name, "true")),
        _ => Ok(()),
    }
}

/// Refuses a processor whose class is none of `known`: a name may go on after it, as `Fast` does.
pub(super) fn check_type(keys: &Keys<'_>, known: &[&str]) -> Result<()> {
    for name in ["image_processor_type", "feature_extractor_type"] {
        if let Some(class) = keys.text(name)? {
            return match known.iter().any(|known| class.starts_with(known)) {
                true => Ok(()),
                false => Err(keys.only(name, known.join(", "))),
            };
        }
    }
    Ok(())
}

/// A value for red, green and blue, or one for all, as exact as written.
fn colours(
    keys: &Keys<'_>,
    name: &str,
    default: [f32; 3],
    is_good: fn(f32) -> bool,
) -> Result<[f64; 3]> {
    let Some(value) = keys.get(name) else {
        return Ok(default.map(f64::from));
    };
    let one = |value: &Value| {
        let is_usable = |value: &f64| (*value as f32).is_finite() && is_good(*value as f32);
        value.as_f64().filter(is_usable)
    };
    let all = match value {
        Value::Array(list) => list.iter().map(one).collect::<Option<Vec<f64>>>(),
        value => one(value).map(|value| vec![value; 3]),
    };
    let all = all.and_then(|all| <[f64; 3]>::try_from(all).ok());
    let what = match name {
        "image_mean" => "3 numbers from 0 to 1, of red, green and blue",
        _ => "3 positive numbers, of red, green and blue",
    };
    all.ok_or_else(|| keys.must_be(name, what))
}
