//! Pictures to views, against transformers: here SmolVLM's grid of tiles, in `tiles/` those of the LLaVA family and of
//! VLSA, and the parts by themselves.

mod anyres;
mod anyres_rules;
mod family;
mod frames;
mod grid;
mod ground;
mod resize;
mod single;
mod snapshot;

use inf_llava_core::Error;
use inf_llava_core::image::{
    Limits, Normalise, Picture, Tiles, WHITE, decode_on, pixel_values, tiles,
};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::spec::{Grid, GridSpec, View};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::image::{expected, floats, largest_error, pattern, sha256};

/// L, T, and pictures are split.
fn split(longest_px: usize, tile_px: usize) -> GridSpec {
    GridSpec {
        longest_px,
        tile_px,
        splits: true,
    }
}

/// The settings of a fixture's processor: `preprocessor_config.json`, or within `processor_config.json`.
fn processor(fixture: &str) -> Value {
    let folder = crate::fixture(fixture);
    let read = |name: &str| {
        let json = std::fs::read(folder.join(name)).ok()?;
        Some(serde_json::from_slice::<Value>(&json).expect("JSON"))
    };
    let within = || Some(read("processor_config.json")?["image_processor"].clone());
    read("preprocessor_config.json")
        .or_else(within)
        .expect("settings")
}

fn size(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}

/// The views of a picture, `[tiles, T, T, 3]`, the whole last.
fn views_u8(picture: &Picture, spec: GridSpec, grid: &Grid) -> Vec<u8> {
    let (first, second, tile) = (grid.first_px, grid.second_px, spec.tile_px);
    let found = tiles(picture, first, second, tile, &StopFlag::default());
    let Tiles { split, whole } = found.expect("tiles");
    assert_eq!(split.is_some(), grid.rows > 0);
    let mut views = Vec::new();
    for [top, left] in grid.split_views().map(corner) {
        let canvas = split.as_ref().expect("a canvas");
        for y in top..top + tile {
            views.extend(&canvas.rgb[(y * canvas.width + left) * 3..][..tile * 3]);
        }
    }
    views.extend(whole.rgb);
    assert_eq!(views.len(), grid.tiles() * tile * tile * 3);
    views
}

/// What was compared.
#[derive(Debug, Default, PartialEq)]
struct Compared {
    /// Pictures and videos, each in one treatment.
    images: usize,
    /// Pictures at other L and T.
    others: usize,
    /// Tensors of `expected.safetensors`.
    tensors: usize,
}

/// A fixture's folder, and the settings of its processor.
struct Fixture {
    folder: String,
    longest_px: usize,
    tile_px: usize,
    /// L of a video's frames.
    video_px: Option<u64>,
}

impl Fixture {
    fn new(name: &str) -> Self {
        let folder = format!("family/{name}");
        let processor = processor(&folder);
        Fixture {
            longest_px: size(&processor["size"]["longest_edge"]),
            tile_px: size(&processor["max_image_size"]["longest_edge"]),
            video_px: processor["video_sampling"]["video_size"]["longest_edge"].as_u64(),
            folder,
        }
    }

    fn spec(&self, treatment: &Value) -> GridSpec {
        let (longest_px, splits) = match treatment.as_str() {
            Some("split") => (self.longest_px, true),
            Some("whole") => (self.longest_px, false),
            Some("video") => (self.video_px.expect("video_size") as usize, false),
            other => panic!("{other:?}"),
        };
        GridSpec {
            longest_px,
            tile_px: self.tile_px,
            splits,
        }
    }

    /// The picture, or the frames of the video.
    fn pictures(&self, image: &Value) -> Vec<Picture> {
        let files = image["files"].as_array().cloned();
        let files = files.unwrap_or_else(|| vec![image["file"].clone()]);
        let read = |file: &Value| {
            let file = file.as_str().expect("a file");
            let bytes = std::fs::read(crate::fixture(&self.folder).join(file)).expect("image");
            let picture = decode_on(file, &bytes, &Limits::NATIVE, WHITE).expect("a picture");
            let sides = [picture.width, picture.height];
            assert_eq!(sides, [size(&image["width"]), size(&image["height"])]);
            picture
        };
        files.iter().map(read).collect()
    }

    fn compare(&self) -> Compared {
        let expected = expected(&self.folder);
        let tensors = std::fs::read(crate::fixture(&self.folder).join("expected.safetensors"));
        let tensors = tensors.expect("fixture");
        let tensors = SafeTensors::deserialize(&tensors).expect("safetensors");
        let mut compared = Compared::default();
        let images = expected["images"].as_array().expect("images");
        for (index, image) in images.iter().enumerate() {
            let name = format!("{}, {index}", self.folder);
            let (spec, pictures) = (self.spec(&image["treatment"]), self.pictures(image));
            let mut views = Vec::new();
            for picture in &pictures {
                let grid = spec.grid([picture.height, picture.width]);
                let turned = |[height, width]: [usize; 2]| serde_json::json!([width, height]);
                assert_eq!(turned(grid.first_px), image["first_size"], "{name}");
                assert_eq!(turned(grid.second_px), image["second_size"], "{name}");
                // Not written down of a video, which is not split.
                let rows_columns = ["rows", "cols"].map(|key| image[key].as_u64().unwrap_or(0));
                assert_eq!(
                    [grid.rows, grid.columns].map(|n| n as u64),
                    rows_columns,
                    "{name}"
                );
                assert_eq!(
                    grid.tiles() * pictures.len(),
                    size(&image["tiles"]),
                    "{name}"
                );
                views.extend(views_u8(picture, spec, &grid));
            }
            if let Ok(tensor) = tensors.tensor(&format!("{index}.views_u8")) {
                assert!(tensor.data() == views, "{name}");
                compared.tensors += 1;
            }
            assert_eq!(image["views_u8_sha256"], sha256(&views), "{name}");
            compared.images += 1;
            if let Some(reference) = floats(&tensors, &format!("{index}.pixel_values")) {
                let halves = Normalise {
                    mean: [0.5; 3],
                    std: [0.5; 3],
                };
                let views = views.chunks_exact(3 * self.tile_px.pow(2));
                let mut values: Vec<f32> =
                    views.flat_map(|view| pixel_values(view, halves)).collect();
                values.truncate(reference.len());
                assert!(largest_error(&values, &reference) <= 1e-6, "{name}");
                compared.tensors += 1;
            }
            for other in image["other_geometries"].as_array().into_iter().flatten() {
                let spec = split(size(&other["longest_edge"]), size(&other["tile"]));
                let grid = spec.grid([pictures[0].height, pictures[0].width]);
                assert_eq!(grid.rows, size(&other["rows"]), "{name}, {spec:?}");
                assert_eq!(grid.columns, size(&other["cols"]), "{name}, {spec:?}");
                let found = sha256(&views_u8(&pictures[0], spec, &grid));
                assert_eq!(other["views_u8_sha256"], found, "{name}, {spec:?}");
                compared.others += 1;
            }
        }
        compared
    }
}

#[test]
fn the_views_of_a_tiny_smolvlm_equal_transformers_in_every_byte() {
    let compared = Fixture::new("smolvlm-tiny").compare();
    let all = Compared {
        images: 5,
        others: 6,
        tensors: 4,
    };
    assert_eq!(compared, all);
}

#[test]
fn the_views_of_a_tiny_idefics3_equal_transformers_in_every_byte() {
    let compared = Fixture::new("idefics3-tiny").compare();
    let all = Compared {
        images: 4,
        others: 6,
        tensors: 4,
    };
    assert_eq!(compared, all);
}

#[test]
fn the_views_of_the_real_geometry_equal_transformers_in_every_byte() {
    let compared = Fixture::new("smolvlm-geometry").compare();
    let all = Compared {
        images: 3,
        others: 0,
        tensors: 0,
    };
    assert_eq!(compared, all);
}

#[test]
fn tiles_can_be_stopped_and_are_refused_as_a_resize_is() {
    let stop = StopFlag::default();
    let (picture, spec) = (pattern(9, 7), split(32, 16));
    let Grid {
        first_px,
        second_px,
        ..
    } = spec.grid([7, 9]);
    let damaged = Picture {
        width: 8,
        ..picture.clone()
    };
    let refused = tiles(&damaged, first_px, second_px, 16, &stop).expect_err("refused");
    assert_eq!(refused.code(), "image-damaged");
    let large = tiles(&picture, first_px, [1 << 20, 16], 16, &stop).expect_err("refused");
    assert_eq!(large.code(), "image-too-large");
    stop.stop();
    assert_eq!(
        tiles(&picture, first_px, second_px, 16, &stop),
        Err(Error::Stopped)
    );
}

/// `[top, left]`.
fn corner(view: View) -> [usize; 2] {
    match view {
        View::Pixels { top, left, step: 1 } => [top, left],
        other => panic!("{other:?} is no tile"),
    }
}
