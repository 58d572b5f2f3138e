//! What the tests of the LLaVA family's views share: the fixtures, and what transformers makes of many sizes.

use inf_llava_core::image::{Filter, Limits, Normalise, Picture, WHITE, decode_on, pixel_values};
use inf_llava_core::spec::View;
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::Value;

use super::{corner, processor, size};
use crate::image::{expected, floats, largest_error, sha256};

/// A fixture below `family/`.
pub struct Fixture {
    pub name: String,
    pub config: Value,
    /// The settings of its processor.
    pub settings: Value,
    pub images: Vec<Value>,
    tensors: Vec<u8>,
}

/// What was compared.
#[derive(Debug, Default, PartialEq)]
pub struct Compared {
    /// Pictures and videos, each in one treatment.
    pub images: usize,
    /// Tensors of `expected.safetensors`.
    pub tensors: usize,
}

impl Fixture {
    pub fn new(name: &str) -> Self {
        let name = format!("family/{name}");
        let read = |file: &str| std::fs::read(crate::fixture(&name).join(file)).expect("fixture");
        Fixture {
            config: serde_json::from_slice(&read("config.json")).expect("JSON"),
            settings: processor(&name),
            images: expected(&name)["images"]
                .as_array()
                .expect("images")
                .clone(),
            tensors: read("expected.safetensors"),
            name,
        }
    }

    /// The side of a view in pixels, and tokens along it.
    pub fn view(&self) -> [usize; 2] {
        let number = |key: &str| size(&self.config["vision_config"][key]);
        let view_px = number("image_size");
        [view_px, view_px / number("patch_size")]
    }

    pub fn filter(&self) -> Filter {
        assert_eq!(self.settings["resample"], 3);
        Filter::Bicubic
    }

    /// The picture, or the frames of the video. A picture that there is as a JPEG too is the same in both.
    pub fn pictures(&self, image: &Value) -> Vec<Picture> {
        let read = |file: &Value| {
            let file = file.as_str().expect("a file");
            let bytes = std::fs::read(crate::fixture(&self.name).join(file)).expect("image");
            let picture = decode_on(file, &bytes, &Limits::NATIVE, WHITE).expect("a picture");
            let sides = [picture.width, picture.height];
            assert_eq!(sides, [size(&image["width"]), size(&image["height"])]);
            picture
        };
        if let Some(files) = image["files"].as_array() {
            return files.iter().map(read).collect();
        }
        let picture = read(&image["file"]);
        if image["jpeg"].is_string() {
            assert!(read(&image["jpeg"]) == picture, "{image}");
        }
        vec![picture]
    }

    /// Compares the views' bytes, `[views, P, P, 3]`, and their normalised values.
    pub fn compare(&self, index: usize, views: &[u8], compared: &mut Compared) {
        let name = format!("{}, {index}", self.name);
        assert_eq!(
            self.images[index]["views_u8_sha256"],
            sha256(views),
            "{name}"
        );
        compared.images += 1;
        let tensors = SafeTensors::deserialize(&self.tensors).expect("safetensors");
        if let Ok(tensor) = tensors.tensor(&format!("{index}.views_u8")) {
            assert!(views.starts_with(tensor.data()), "{name}");
            compared.tensors += 1;
        }
        if let Some(reference) = floats(&tensors, &format!("{index}.pixel_values")) {
            let three = |key: &str| -> [f32; 3] {
                std::array::from_fn(|c| self.settings[key][c].as_f64().expect("a number") as f32)
            };
            let normalise = Normalise {
                mean: three("image_mean"),
                std: three("image_std"),
            };
            let views = views.chunks_exact(3 * self.view()[0].pow(2));
            let mut values: Vec<f32> = views
                .flat_map(|view| pixel_values(view, normalise))
                .collect();
            values.truncate(reference.len());
            assert!(largest_error(&values, &reference) <= 1e-6, "{name}");
            compared.tensors += 1;
        }
    }
}

/// The bytes of the views that are cut from a canvas.
pub fn cut(canvas: &Picture, views: impl Iterator<Item = View>, view_px: usize) -> Vec<u8> {
    let line = |top: usize, left: usize, y: usize| {
        &canvas.rgb[((top + y) * canvas.width + left) * 3..][..view_px * 3]
    };
    views
        .map(corner)
        .flat_map(|[top, left]| (0..view_px).flat_map(move |y| line(top, left, y)))
        .copied()
        .collect()
}

/// `llava-sizes.json`.
#[derive(Deserialize)]
pub struct Sizes {
    pub specs: Vec<Spec>,
    pub columns: [String; 13],
    pub tiles: Vec<[usize; 13]>,
    /// Treatment, view, short side, resample, height, width, sha256.
    pub views: Vec<(String, usize, usize, u8, usize, usize, String)>,
    /// Frames, their number a second, seconds, `fps`, `max_frames`, and those that are looked at.
    pub frames: Vec<(usize, f64, f64, f64, usize, Vec<usize>)>,
    /// Frames, seconds, and both in words.
    pub intros: Vec<(usize, f64, String, String)>,
}

#[derive(Deserialize)]
pub struct Spec {
    pub view_px: usize,
    pub tokens_per_side: usize,
    pub pinpoints: Vec<[usize; 2]>,
    pub most: Option<usize>,
}

impl Sizes {
    pub fn read() -> Self {
        let json = std::fs::read(crate::fixture("family/llava-sizes.json")).expect("fixture");
        serde_json::from_slice(&json).expect("sizes")
    }

    /// What transformers' processors make of the pattern, by these treatments: view, short side, filter, height, width,
    /// sha256 of the views.
    pub fn views(&self, treatment: &str) -> Vec<(usize, usize, Filter, [usize; 2], &str)> {
        let of_treatment = self.views.iter().filter(|(named, ..)| named == treatment);
        of_treatment
            .map(|(_, view, short, resample, height, width, hash)| {
                let filter = match resample {
                    2 => Filter::Bilinear,
                    3 => Filter::Bicubic,
                    other => panic!("resample {other}"),
                };
                (*view, *short, filter, [*height, *width], hash.as_str())
            })
            .collect()
    }
}
