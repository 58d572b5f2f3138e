//! Scenes are told from photographs, however they arrive.

use image::codecs::jpeg::JpegEncoder;
use inf_llava::image::{FIGURES, Limits, Picture, decode, looks_drawn, square_u8};
use inf_llava_cli::scenes::{Colour, SceneOptions, Split, scene};

const SCENES: u64 = 60;

fn resized(picture: &Picture, side: usize) -> Picture {
    Picture {
        width: side,
        height: side,
        rgb: square_u8(picture, side),
        notices: Vec::new(),
    }
}

fn as_jpeg(picture: &Picture) -> Picture {
    let mut bytes = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    JpegEncoder::new_with_quality(&mut bytes, 80)
        .encode(&picture.rgb, width, height, image::ExtendedColorType::Rgb8)
        .expect("a JPEG");
    decode("scene.jpg", &bytes, &Limits::NATIVE).expect("a picture")
}

/// `looks_drawn` states the rates that were measured on more of them.
#[test]
fn scenes_are_drawings_however_they_arrive() {
    for split in Split::ALL {
        let options = SceneOptions {
            split,
            ..SceneOptions::default()
        };
        for index in 0..SCENES {
            let drawn = scene(23, index, &options).draw();
            let small = resized(&drawn, 250);
            let ways = [
                ("as drawn", &drawn),
                ("as a JPEG", &as_jpeg(&drawn)),
                ("at 250 px", &small),
                ("at 250 px as a JPEG", &as_jpeg(&small)),
                ("at 800 px", &resized(&drawn, 800)),
            ];
            for (way, picture) in ways {
                assert!(looks_drawn(picture), "{} {index} {way}", split.name());
            }
        }
    }
}

#[test]
fn the_figures_have_the_scenes_colours() {
    let named = Colour::ALL.map(|colour| colour.rgb().map(f32::from));
    assert_eq!(named, FIGURES);
}
