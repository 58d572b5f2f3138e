//! How a processor makes one view of a picture: cut, padded or squashed to the tower's size.

use serde_json::Value;

use super::keys::Keys;
use super::pictures::must_do;
use crate::error::{Error, Result};
use crate::spec::Fit;

/// The longest side that a picture is resized to before it is cut.
const SHORT_CAP: usize = 4096;

/// The processors of pictures that make one view of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Processor {
    Clip,
    Llava,
    Siglip,
}

impl Processor {
    /// What the file names, or `default`.
    ///
    /// # Errors
    /// [`Error::Config`] naming another one.
    pub(super) fn named(keys: &Keys<'_>, default: Processor) -> Result<Processor> {
        for name in ["image_processor_type", "feature_extractor_type"] {
            let Some(class) = keys.text(name)? else {
                continue;
            };
            return match class {
                // `Fast` may follow, and its older name is `CLIPFeatureExtractor`.
                class if class.starts_with("CLIP") => Ok(Processor::Clip),
                class if class.starts_with("LlavaImageProcessor") => Ok(Processor::Llava),
                class if class.starts_with("Siglip") && !class.starts_with("Siglip2") => {
                    Ok(Processor::Siglip)
                }
                _ => Err(keys.only(
                    name,
                    "CLIPImageProcessor, LlavaImageProcessor, SiglipImageProcessor",
                )),
            };
        }
        Ok(default)
    }
}

/// `size` or `crop_size`, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sides {
    /// The shorter side.
    Short(usize),
    /// Height and width.
    Both([usize; 2]),
}

impl Sides {
    /// As stated, if it is: a number is `of_number`.
    fn stated(keys: &Keys<'_>, name: &str, of_number: fn(usize) -> Sides) -> Result<Option<Self>> {
        match keys.get(name) {
            None => Ok(None),
            Some(Value::Number(_)) => Ok(Some(of_number(keys.up_to(SHORT_CAP, name, 0)?))),
            Some(_) => {
                let inner = keys.within_or_empty(name)?;
                let side = |name: &str| inner.up_to(SHORT_CAP, name, 0);
                match ["shortest_edge", "height", "width"].map(|name| inner.get(name).is_some()) {
                    [true, false, false] => Ok(Some(Sides::Short(side("shortest_edge")?))),
                    [false, true, true] => Ok(Some(Sides::Both([side("height")?, side("width")?]))),
                    _ => Err(keys.bad(
                        name,
                        "must have shortest_edge, or height and width; others are not supported",
                    )),
                }
            }
        }
    }

    fn square(side_px: usize) -> Self {
        Sides::Both([side_px; 2])
    }

    fn shown(self) -> String {
        match self {
            Sides::Short(side) => format!("{side} (the shorter side)"),
            Sides::Both([height, width]) => format!("{height} x {width}"),
        }
    }
}

/// How a picture becomes a view of `view_px` pixels; `colour` is for padding.
///
/// # Errors
/// [`Error::Config`] naming the size that is not the tower's, or what is not supported.
pub(super) fn fit(
    keys: &Keys<'_>,
    processor: Processor,
    view_px: usize,
    colour: [u8; 3],
) -> Result<Fit> {
    must_do(keys, "do_resize")?;
    let is_padded = processor == Processor::Llava && keys.flag("do_pad")? == Some(true);
    let of_number = match processor {
        Processor::Siglip => Sides::square,
        Processor::Clip | Processor::Llava => Sides::Short,
    };
    let size = Sides::stated(keys, "size", of_number)?;
    let is_stated = size.is_some();
    let short_px = match size.unwrap_or(of_number(224)) {
        // Neither is cut then: it has the tower's size already.
        Sides::Both([height, width]) if height == width && height == view_px => match is_padded {
            true => {
                return Ok(Fit::Pad {
                    colour,
                    short_px: view_px,
                });
            }
            false => return Ok(Fit::Squash),
        },
        Sides::Short(short_px) if processor != Processor::Siglip && short_px >= view_px => short_px,
        other => {
            return Err(not_the_view(
                keys,
                "size",
                is_stated.then_some(other),
                view_px,
            ));
        }
    };
    let is_cut = keys.flag("do_center_crop")?.unwrap_or(true);
    let crop = Sides::stated(keys, "crop_size", Sides::square)?;
    let is_view = crop.unwrap_or(Sides::square(224)) == Sides::square(view_px);
    if is_cut && !is_view {
        return Err(not_the_view(keys, "crop_size", crop, view_px));
    }
    // A square of the view's size would lose nothing.
    let is_square = is_padded && short_px == view_px;
    if !is_cut && !is_square {
        return Err(keys.only("do_center_crop", "true: the tower sees squares"));
    }
    Ok(match is_padded {
        true => Fit::Pad { colour, short_px },
        false => Fit::Crop { short_px },
    })
}

/// Requires the sizes that are stated for tiles to be the tower's, or `default` to be, where none is.
///
/// # Errors
/// [`Error::Config`] naming one that is not.
pub(super) fn check_tiles(keys: &Keys<'_>, view_px: usize, default: usize) -> Result<()> {
    let mut is_stated = false;
    for (name, of_number) in [
        ("crop_size", Sides::square as fn(usize) -> Sides),
        ("size", Sides::Short),
    ] {
        match Sides::stated(keys, name, of_number)? {
            None => continue,
            Some(sides) if sides == Sides::square(view_px) => {}
            Some(sides) if sides == Sides::Short(view_px) && name == "size" => {}
            Some(other) => return Err(not_the_view(keys, name, Some(other), view_px)),
        }
        is_stated = true;
    }
    match is_stated || default == view_px {
        true => Ok(()),
        false => Err(not_the_view(keys, "size", None, view_px)),
    }
}

/// The error for a size of the processor that is not the tower's.
fn not_the_view(keys: &Keys<'_>, name: &str, stated: Option<Sides>, view_px: usize) -> Error {
    let found = match stated {
        Some(sides) => format!("is {}", sides.shown()),
        None => "is not stated, and its default is another model's".into(),
    };
    keys.bad(
        name,
        format_args!(
            "{found}; the tower sees {view_px} x {view_px} pixels (vision_config.image_size in config.json)"
        ),
    )
}
