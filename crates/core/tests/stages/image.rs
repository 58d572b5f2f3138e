//! Image: a file's bytes to `pixel_values`, against Pillow and the release's processor. What becomes
//! of odd and broken files is in `image_files.rs`.
//!
//! The square of every fixture equals the release's in every byte; so do squares of a pattern at
//! sizes that the fixtures lack (their hashes come from Pillow 12.2.0, see `GOLDEN`).

mod clip;
mod files;
mod kinds;

use inf_llava_core::Error;
use inf_llava_core::image::{
    Limits, Normalise, PAD_COLOUR, Picture, bicubic, decode, pixel_values, square_u8,
};
use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::Value;
use sha2::{Digest, Sha256};

const FIXTURES: [&str; 4] = ["tiny", "tiny-n2-bf16", "tiny-n4-f16", "released-geometry"];

pub(super) fn expected(fixture: &str) -> Value {
    let json = std::fs::read(super::fixture(fixture).join("expected.json")).expect("fixture");
    serde_json::from_slice(&json).expect("expected.json")
}

/// The side of the crop and of the whole square, in pixels.
fn sides(expected: &Value) -> (usize, usize) {
    let number = |key: &str| expected["config"][key].as_u64().expect("config") as usize;
    (number("crop"), number("crop") * number("n"))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub(super) fn floats(tensors: &SafeTensors, name: &str) -> Option<Vec<f32>> {
    let data = tensors.tensor(name).ok()?.data().to_vec();
    Some(
        data.chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
    )
}

pub(super) fn largest_error(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

fn read(bytes: &[u8]) -> Result<Picture, Error> {
    decode("test.file", bytes, &Limits::NATIVE)
}

/// A pattern that a line of numpy makes too: `((x * 7 + y * 13 + c * 29) ^ (x * y / 5)) & 255`.
pub(super) fn pattern(width: usize, height: usize) -> Picture {
    let mut rgb = Vec::with_capacity(width * height * 3);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        rgb.extend((0..3).map(|c| ((x * 7 + y * 13 + c * 29) ^ (x * y / 5)) as u8));
    }
    Picture {
        width,
        height,
        rgb,
        notices: Vec::new(),
    }
}

#[test]
fn every_fixture_square_equals_the_release_in_every_byte() {
    let mut squares = 0;
    for fixture in FIXTURES {
        let expected = expected(fixture);
        let (_, side_px) = sides(&expected);
        for image in expected["images"].as_array().expect("images") {
            let file = image["file"].as_str().expect("file");
            let bytes = std::fs::read(super::fixture(fixture).join(file)).expect("image");
            let picture = decode(file, &bytes, &Limits::default()).expect("decode");
            assert_eq!(image["width"], picture.width);
            assert_eq!(image["height"], picture.height);
            assert!(picture.notices.is_empty());
            let found = sha256(&square_u8(&picture, side_px));
            assert_eq!(
                image["square_u8_sha256"], found,
                "{fixture} {file} {}",
                image["mode"]
            );
            squares += 1;
        }
    }
    assert_eq!(squares, 15);
}

#[test]
fn pixel_values_and_low_equal_the_release() {
    let mut compared = 0;
    for fixture in FIXTURES {
        let expected = expected(fixture);
        let (crop_px, side_px) = sides(&expected);
        let file = std::fs::read(super::fixture(fixture).join("expected.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&file).expect("safetensors");
        for (i, image) in expected["images"]
            .as_array()
            .expect("images")
            .iter()
            .enumerate()
        {
            let file = image["file"].as_str().expect("file");
            let bytes = std::fs::read(super::fixture(fixture).join(file)).expect("image");
            let square = square_u8(&read(&bytes).expect("decode"), side_px);
            let values = pixel_values(&square, Normalise::CLIP);
            if let Ok(tensor) = tensors.tensor(&format!("{i}.square_u8")) {
                assert_eq!(tensor.data(), square);
            }
            if let Some(reference) = floats(&tensors, &format!("{i}.pixel_values")) {
                assert!(largest_error(&values, &reference) <= 1e-6, "{fixture} {i}");
                compared += 1;
            }
            if let Some(reference) = floats(&tensors, &format!("{i}.low")) {
                let low = bicubic(&values, side_px, crop_px);
                assert!(largest_error(&low, &reference) <= 2e-6, "{fixture} {i} low");
                compared += 1;
            }
        }
    }
    assert!(compared >= 15, "only {compared} tensors were compared");
}

/// `(width, height, side, sha256)` of [`pattern`] padded and resized by Pillow 12.2.0: pasted at
/// `((m - w) // 2, (m - h) // 2)` on a square of (122, 116, 104), then `resize(BICUBIC)`.
const GOLDEN: [(usize, usize, usize, &str); 11] = [
    (
        300,
        1,
        56,
        "2d73cfdeb4d9759ec4a94763cb733a6fed47cf7f8c9a2380934f35e8da11133f",
    ),
    (
        1,
        300,
        56,
        "b30645c48b5e0b53532c65567df738aa32e2bb1e7299c54a9a44779c16fadc8f",
    ),
    (
        1,
        1,
        8,
        "fbf681e23fcd3ea56789c7b6a61cc151deca6a767df441b629e87ef872eb6a8d",
    ),
    (
        5,
        4,
        168,
        "d05eec4e5914ea80639f3293c1872da20d4b4809605d37afd8ff48c27c6368ca",
    ),
    (
        57,
        56,
        56,
        "d8a17202ae940220c1ead2f8f7cddbe596d309ad5b971c7c83d0c5bb55ec0643",
    ),
    (
        56,
        57,
        56,
        "2ad135797228afe2259b05da3ceb426bab6dfe0b82aa99cd84dc4d1588d490e6",
    ),
    (
        640,
        480,
        1008,
        "fad940b274120084e279bf5743eac9c4af286cb497677bd6cb38d1ccd1052b54",
    ),
    (
        333,
        500,
        112,
        "c96e08ed1a9e8dbe59ed059eb07c1aac2dd1aad6a5318405633aacd37f4c1eb0",
    ),
    (
        1201,
        800,
        336,
        "8583bb8110f2132cf10bb9a4197ccbb340e16144c5cc32355bcae62b3eee5866",
    ),
    (
        1008,
        1000,
        1008,
        "3b670464d77d6454f9c5320eee29e046c01c7f3c2607f249b14556fbc3196357",
    ),
    (
        3000,
        17,
        336,
        "0d8167e362e4348ce6bf93d0a4465ca182cd41a7ba68d52992a8094c2a6e2810",
    ),
];

#[test]
fn squares_of_other_sizes_equal_pillow() {
    for (width, height, side, hash) in GOLDEN {
        let found = sha256(&square_u8(&pattern(width, height), side));
        assert_eq!(found, hash, "{width} x {height} to {side}");
    }
}

#[test]
fn bicubic_selects_the_middle_at_odd_ratios_and_keeps_a_constant() {
    let values: Vec<f32> = (0..81).map(|i| i as f32).collect();
    let middle: Vec<f32> = [1, 4, 7]
        .iter()
        .flat_map(|y| [1, 4, 7].map(|x| (y * 9 + x) as f32))
        .collect();
    assert_eq!(bicubic(&values, 9, 3), middle);
    assert_eq!(bicubic(&values, 9, 9), values);
    let enlarged = bicubic(&[0.25; 3 * 16], 4, 12);
    assert_eq!(enlarged.len(), 3 * 144);
    assert!(enlarged.iter().all(|value| (value - 0.25).abs() < 1e-6));
}

proptest! {
    #[test]
    fn no_small_picture_upsets_the_resize(
        width in 1_usize..40, height in 1_usize..40, side in 1_usize..60, seed in any::<u8>(),
    ) {
        let mut picture = pattern(width, height);
        picture.rgb.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(seed | 1));
        prop_assert_eq!(square_u8(&picture, side).len(), side * side * 3);
        // A picture in the padding colour cannot be told from its padding.
        picture.rgb = PAD_COLOUR.repeat(width * height);
        prop_assert_eq!(square_u8(&picture, side), PAD_COLOUR.repeat(side * side));
        // A damaged value of the public type is no reason to panic.
        picture.rgb.truncate(width);
        prop_assert_eq!(square_u8(&picture, side).len(), side * side * 3);
    }
}
