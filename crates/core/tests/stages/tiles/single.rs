//! One view of a picture, or of each frame of a video, against transformers and its own rules.

use inf_llava_core::Error;
use inf_llava_core::image::{Filter, PAD_COLOUR, Picture, resize, single, square_u8};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::spec::{Fit, SingleSpec, shortest_edge_px, video_tokens};
use proptest::prelude::*;

use super::family::{Compared, Fixture, Sizes};
use super::size;
use crate::image::{pattern, sha256};

fn view(picture: &Picture, fit: Fit, view_px: usize, filter: Filter) -> Vec<u8> {
    let view = single(picture, fit, view_px, filter, &StopFlag::default()).expect("a view");
    assert_eq!([view.height, view.width], [view_px; 2]);
    assert_eq!(view.rgb.len(), view_px * view_px * 3);
    assert!(view.notices.is_empty());
    view.rgb
}

/// Compares the pictures of a fixture that have this treatment.
fn compare(name: &str, treatment: &str, fit: Fit, newline: bool) -> Compared {
    let fixture = Fixture::new(name);
    let [view_px, side] = fixture.view();
    let spec = SingleSpec {
        view_px,
        fit,
        newline,
    };
    let strategy = &fixture.config["vision_feature_select_strategy"];
    let class_token = usize::from(
        strategy == "full" && fixture.config["vision_config"]["model_type"] == "clip_vision_model",
    );
    let mut compared = Compared::default();
    for (index, image) in fixture.images.iter().enumerate() {
        if image["treatment"] != treatment {
            continue;
        }
        let pictures = fixture.pictures(image);
        let views = pictures
            .iter()
            .flat_map(|picture| view(picture, fit, view_px, fixture.filter()));
        fixture.compare(index, &views.collect::<Vec<_>>(), &mut compared);
        let tokens = match image["files"].is_array() {
            true => video_tokens(pictures.len(), side),
            false => spec.tokens(side * side + class_token),
        };
        assert_eq!(size(&image["num_tokens"]), tokens, "{name}, {index}");
        if newline {
            assert_eq!(image["newlines"], serde_json::json!([tokens - 1]));
        } else {
            assert!(image["newlines"].is_null());
        }
    }
    compared
}

#[test]
fn cropped_views_equal_transformers_in_every_byte() {
    let found = compare(
        "llava-clip-llama",
        "crop",
        Fit::Crop { short_px: 96 },
        false,
    );
    let all = Compared {
        images: 3,
        tensors: 4,
    };
    assert_eq!(found, all);
}

#[test]
fn padded_views_equal_transformers_and_the_original_in_every_byte() {
    let fit = Fit::Pad {
        colour: PAD_COLOUR,
        short_px: 56,
    };
    let all = |tensors| Compared { images: 3, tensors };
    assert_eq!(compare("llava-clip-llama3-full", "pad", fit, false), all(4));
    assert_eq!(compare("llava-original", "pad", fit, false), all(6));
}

/// The fixture names its treatment after the model, not after its processor.
#[test]
fn squashed_views_equal_transformers_in_every_byte() {
    let all = Compared {
        images: 3,
        tensors: 4,
    };
    assert_eq!(
        compare("llava-siglip-qwen2", "crop", Fit::Squash, false),
        all
    );
}

#[test]
fn several_pictures_and_videos_equal_transformers_in_every_byte() {
    let name = "llava-onevision-siglip-qwen2";
    let grey = Fit::Pad {
        colour: [127; 3],
        short_px: 48,
    };
    assert_eq!(
        compare(name, "square", grey, true),
        Compared {
            images: 3,
            tensors: 0
        }
    );
    assert_eq!(
        compare(name, "video", Fit::Squash, true),
        Compared {
            images: 1,
            tensors: 0
        }
    );
}

#[test]
fn views_of_the_pattern_equal_transformers_in_every_byte() {
    let sizes = Sizes::read();
    let mut compared = 0;
    for treatment in ["crop", "pad", "squash"] {
        for (view_px, short_px, filter, [height, width], hash) in sizes.views(treatment) {
            let fit = match treatment {
                "crop" => Fit::Crop { short_px },
                "pad" => Fit::Pad {
                    colour: PAD_COLOUR,
                    short_px,
                },
                _ => Fit::Squash,
            };
            let views = view(&pattern(width, height), fit, view_px, filter);
            assert_eq!(
                sha256(&views),
                hash,
                "{fit:?}, {height} x {width}, {filter:?}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 112);
}

#[test]
fn a_square_without_a_cut_is_that_of_inf_llava() {
    for (height, width) in [(9, 30), (30, 9), (56, 56), (1, 1)] {
        let picture = pattern(width, height);
        let fit = Fit::Pad {
            colour: PAD_COLOUR,
            short_px: 56,
        };
        let found = view(&picture, fit, 56, Filter::Bicubic);
        assert_eq!(found, square_u8(&picture, 56));
    }
}

#[test]
fn what_is_cut_off_has_no_limits() {
    // A million columns, were they computed.
    let found = view(
        &pattern(16_384, 1),
        Fit::Crop { short_px: 336 },
        336,
        Filter::Bicubic,
    );
    assert!(
        found
            .chunks_exact(336 * 3)
            .all(|row| row == &found[..336 * 3])
    );
    let huge = Fit::Crop { short_px: 1 << 40 };
    view(&pattern(3, 2), huge, 8, Filter::Bilinear);
    let huge = Fit::Pad {
        colour: [1; 3],
        short_px: 1 << 40,
    };
    let middle = view(&pattern(9, 1), huge, 8, Filter::Bilinear);
    assert_eq!(middle, pattern(9, 1).rgb[4 * 3..5 * 3].repeat(64));
}

#[test]
fn what_has_no_view_is_refused() {
    let fits = |short_px| {
        let colour = [0; 3];
        [
            Fit::Squash,
            Fit::Crop { short_px },
            Fit::Pad { colour, short_px },
        ]
    };
    let code = |picture: &Picture, fit, view_px| {
        let found = single(picture, fit, view_px, Filter::Bicubic, &StopFlag::default());
        found.err().map_or("a view", |error| error.code())
    };
    let picture = pattern(5, 4);
    let damaged = Picture {
        width: 4,
        ..picture.clone()
    };
    for fit in fits(8) {
        assert_eq!(code(&picture, fit, 8), "a view");
        assert_eq!(code(&picture, fit, 0), "image-damaged", "{fit:?}");
        assert_eq!(code(&damaged, fit, 8), "image-damaged", "{fit:?}");
        assert_eq!(code(&picture, fit, 1 << 15), "image-too-large", "{fit:?}");
        assert_eq!(
            code(&picture, fit, usize::MAX),
            "image-too-large",
            "{fit:?}"
        );
    }
    for fit in &fits(0)[1..] {
        assert_eq!(code(&picture, *fit, 8), "image-damaged", "{fit:?}");
    }
    for fit in &fits(usize::MAX)[1..] {
        assert_eq!(
            code(&picture, *fit, usize::MAX),
            "image-too-large",
            "{fit:?}"
        );
    }
    let stop = StopFlag::default();
    stop.stop();
    for fit in fits(8) {
        assert_eq!(
            single(&picture, fit, 8, Filter::Bicubic, &stop),
            Err(Error::Stopped)
        );
    }
}

/// The square that `Pad` puts a picture on.
fn on_a_square(picture: &Picture, colour: [u8; 3]) -> Picture {
    let side = picture.width.max(picture.height);
    let [top, left] = [(side - picture.height) / 2, (side - picture.width) / 2];
    let mut rgb = colour.repeat(side * side);
    for (y, row) in picture.rgb.chunks_exact(picture.width * 3).enumerate() {
        rgb[((top + y) * side + left) * 3..][..row.len()].copy_from_slice(row);
    }
    Picture {
        width: side,
        height: side,
        rgb,
        notices: Vec::new(),
    }
}

proptest! {
    /// A part is what the whole has there.
    #[test]
    fn cut_views_are_parts_of_the_whole(
        width in 1_usize..50, height in 1_usize..50, short_px in 1_usize..50, view_px in 1_usize..50, colour in any::<[u8; 3]>(),
        wide in 0_usize..8,
    ) {
        let stop = StopFlag::default();
        let picture = if wide == 0 { pattern(1, 100 + height) } else { pattern(width, height) };
        let size_px = [picture.height, picture.width];
        let square = on_a_square(&picture, colour);
        let wholes = [
            (Fit::Crop { short_px }, resize(&picture, shortest_edge_px(size_px, short_px), Filter::Bicubic, &stop)),
            (Fit::Pad { colour, short_px }, resize(&square, [short_px; 2], Filter::Bicubic, &stop)),
        ];
        for (fit, whole) in wholes {
            let whole = whole.expect("resized");
            let found = view(&picture, fit, view_px, Filter::Bicubic);
            // Where pixel (y, x) of the view is in the whole, if it is.
            let place = |at: usize, side: usize| match side >= view_px {
                true => Some(at + (side - view_px) / 2),
                false => at.checked_sub((view_px - side).div_ceil(2)).filter(|at| *at < side),
            };
            for (index, pixel) in found.chunks_exact(3).enumerate() {
                let place = [place(index / view_px, whole.height), place(index % view_px, whole.width)];
                let expected = match place {
                    [Some(y), Some(x)] => &whole.rgb[(y * whole.width + x) * 3..][..3],
                    _ => &[0; 3],
                };
                prop_assert_eq!(pixel, expected, "{:?}, {}", fit, index);
            }
        }
    }

    #[test]
    fn the_shorter_side_becomes_what_is_asked_for(
        height in 0_usize..=u32::MAX as usize, width in 0_usize..=u32::MAX as usize, short_px in 0_usize..3000,
    ) {
        let [high, wide] = shortest_edge_px([height, width], short_px);
        prop_assert_eq!(high.min(wide), short_px);
        let shorter = match width <= height { true => wide, false => high };
        prop_assert_eq!(shorter, short_px);
        let [long, short] = [height.max(width).max(1) as u128, height.min(width).max(1) as u128];
        // Truncated; doubles hold 53 bits of it.
        let exact = short_px as u128 * long / short;
        let found = high.max(wide) as u128;
        prop_assert!(found.abs_diff(exact) <= exact >> 52, "{found} {exact}");
    }
}
