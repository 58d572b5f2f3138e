//! Drawing or photograph: scenes must not be called photographs, photographs must not be called scenes.

use inf_llava_core::image::{Limits, Picture, decode, looks_drawn};
use proptest::prelude::*;

fn photograph(name: &str) -> Picture {
    let file = crate::fixture("photographs").join(name);
    let bytes = std::fs::read(&file).expect("fixture");
    decode(name, &bytes, &Limits::NATIVE).expect("a picture")
}

fn plain(width: usize, height: usize, rgb: [u8; 3]) -> Picture {
    Picture {
        width,
        height,
        rgb: rgb.repeat(width * height),
        notices: Vec::new(),
    }
}

#[test]
fn photographs_and_their_parts_are_no_drawings() {
    for name in ["astronaut.jpg", "camera.jpg", "chelsea.jpg"] {
        let whole = photograph(name);
        assert!(!looks_drawn(&whole), "{name}");
        // Nine overlapping parts of half the sides.
        for part in 0..9 {
            let (width, height) = (whole.width / 2, whole.height / 2);
            let (left, top) = (part % 3 * width / 2, part / 3 * height / 2);
            let row = |y: usize| &whole.rgb[(y * whole.width + left) * 3..][..width * 3];
            let part = Picture {
                width,
                height,
                rgb: (top..top + height).flat_map(row).copied().collect(),
                notices: Vec::new(),
            };
            assert!(!looks_drawn(&part), "{name} from {left}, {top}");
        }
    }
}

#[test]
fn other_drawings_are_not_of_the_kind() {
    for picture in ["0.png", "1.png", "3.png", "4.png"] {
        let file = crate::fixture("tiny").join("images").join(picture);
        let bytes = std::fs::read(file).expect("fixture");
        let picture = decode(picture, &bytes, &Limits::NATIVE).expect("a picture");
        assert!(!looks_drawn(&picture));
    }
    // An empty wall, white paper, and a thumbnail.
    for picture in [
        plain(336, 336, [178, 181, 186]),
        plain(336, 336, [255; 3]),
        plain(20, 20, [178, 181, 186]),
    ] {
        assert!(!looks_drawn(&picture));
    }
}

#[test]
fn a_muted_ground_with_plain_figures_is_a_drawing() {
    let mut picture = plain(300, 200, [178, 181, 186]);
    for y in 50..90 {
        for x in 60..100 {
            picture.rgb[(y * 300 + x) * 3..][..3].copy_from_slice(&[217, 38, 43]);
        }
    }
    assert!(looks_drawn(&picture));
    picture.rgb.truncate(100); // what is not there is not looked at
    assert!(!looks_drawn(&picture));
}

proptest! {
    #[test]
    fn any_picture_has_an_answer(width in 0..200_usize, height in 0..200_usize, seed: [u8; 7]) {
        let rgb = seed.iter().cycle().take(width * height * 3).copied().collect();
        looks_drawn(&Picture { width, height, rgb, notices: Vec::new() });
    }
}
