//! Converts decoders' samples to RGB bytes, in the same buffer if it is large enough: at 64
//! megapixels a second buffer takes hundreds of megabytes.

use image::ColorType;

/// Converts `samples` of this kind (16-bit ones in native byte order) to `[pixels, 3]`, transparent
/// ones blended with `ground`; `None` for a kind that no supported format uses.
pub(super) fn to_rgb8(samples: Vec<u8>, kind: ColorType, ground: [u8; 3]) -> Option<Vec<u8>> {
    let mut rgb = match kind {
        ColorType::Rgb8 => samples,
        ColorType::Rgb16 => upper(samples),
        ColorType::Rgba8 => opaque(samples, ground),
        ColorType::Rgba16 => opaque(upper(samples), ground),
        ColorType::L8 => grey(&samples),
        ColorType::L16 => grey(&upper(samples)),
        ColorType::La8 => opaque_grey(&samples, ground),
        ColorType::La16 => opaque_grey(&upper(samples), ground),
        _ => return None,
    };
    rgb.shrink_to_fit();
    Some(rgb)
}

/// Converts `samples` of this kind, as [`to_rgb8`], to `[pixels, 4]`: red, green, blue, opacity.
pub(super) fn to_rgba8(samples: Vec<u8>, kind: ColorType) -> Option<Vec<u8>> {
    let samples = match kind {
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => upper(samples),
        _ => samples,
    };
    Some(match kind {
        ColorType::Rgba8 | ColorType::Rgba16 => samples,
        ColorType::Rgb8 | ColorType::Rgb16 => {
            let pixels = samples.as_chunks().0.iter();
            pixels.flat_map(|&[r, g, b]| [r, g, b, 255]).collect()
        }
        ColorType::L8 | ColorType::L16 => samples.iter().flat_map(|&v| [v, v, v, 255]).collect(),
        ColorType::La8 | ColorType::La16 => {
            let pixels = samples.as_chunks().0.iter();
            pixels.flat_map(|&[v, a]| [v, v, v, a]).collect()
        }
        _ => return None,
    })
}

/// A pixel (red, green, blue, opacity) blended with `ground`.
pub(super) fn on_ground([r, g, b, alpha]: [u8; 4], ground: [u8; 3]) -> [u8; 3] {
    let [red, green, blue] = ground;
    [
        laid_on(red, r, alpha),
        laid_on(green, g, alpha),
        laid_on(blue, b, alpha),
    ]
}

/// The colour of an index in an RGB table; an index beyond the table is black, as in Pillow.
pub(super) fn from_palette(table: &[u8], index: u8) -> [u8; 3] {
    let colour = table.as_chunks().0.get(usize::from(index));
    colour.copied().unwrap_or([0; 3])
}

/// Keeps the upper byte of 16-bit samples, as Pillow does for RGB (`RGB;16B`). Pillow clips 16-bit
/// grey to white instead, which is never useful: grey is treated like RGB.
fn upper(mut samples: Vec<u8>) -> Vec<u8> {
    let first = usize::from(cfg!(target_endian = "little"));
    let count = samples.len() / 2;
    for index in 0..count {
        samples[index] = samples[2 * index + first];
    }
    samples.truncate(count);
    samples
}

/// `[pixels]` to `[pixels, 3]`.
fn grey(samples: &[u8]) -> Vec<u8> {
    samples.iter().flat_map(|&grey| [grey; 3]).collect()
}

/// A sample blended with what is below it.
fn laid_on(below: u8, sample: u8, alpha: u8) -> u8 {
    let (above, alpha) = (u32::from(sample), u32::from(alpha));
    let mixed = (above * alpha + u32::from(below) * (255 - alpha) + 127) / 255;
    mixed as u8 // at most 255
}

/// `[pixels, 2]` blended with `ground`, to `[pixels, 3]`.
fn opaque_grey(samples: &[u8], ground: [u8; 3]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(samples.len() / 2 * 3);
    for pixel in samples.chunks_exact(2) {
        rgb.extend(ground.map(|below| laid_on(below, pixel[0], pixel[1])));
    }
    rgb
}

/// `[pixels, 4]` blended with `ground`, to `[pixels, 3]` in the same allocation.
fn opaque(mut samples: Vec<u8>, ground: [u8; 3]) -> Vec<u8> {
    let pixels = samples.len() / 4;
    for pixel in 0..pixels {
        let alpha = samples[4 * pixel + 3];
        for (channel, below) in ground.into_iter().enumerate() {
            samples[3 * pixel + channel] = laid_on(below, samples[4 * pixel + channel], alpha);
        }
    }
    samples.truncate(3 * pixels);
    samples
}
