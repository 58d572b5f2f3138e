//! What transparent pixels are blended with.

use std::io::Cursor;

use ::image::{DynamicImage, GrayAlphaImage, ImageFormat, RgbaImage};
use inf_llava_core::image::{Limits, PAD_COLOUR, WHITE, decode, decode_on, decode_watched_on};
use inf_llava_core::progress::StopFlag;

/// Every value under every alpha, as Pillow 12.2.0 lays it on white (`alpha_composite`).
#[test]
fn transparency_shows_the_ground_that_is_asked_for() {
    let file = |image: DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).expect("encoded");
        bytes.into_inner()
    };
    let on = |bytes: &[u8], ground| {
        decode_on("x", bytes, &Limits::NATIVE, ground)
            .expect("a picture")
            .rgb
    };
    let on_white = |value: u8, alpha: u8| {
        let [value, alpha] = [value, alpha].map(f64::from);
        ((value * alpha + 255.0 * (255.0 - alpha)) / 255.0).round() as u8
    };
    let all = || (0..=255).flat_map(|alpha| (0..=255).map(move |value| [value, alpha]));
    let rgba = all()
        .flat_map(|[value, alpha]| [value, 255 - value, 7, alpha])
        .collect();
    let rgba = RgbaImage::from_raw(256, 256, rgba).expect("pixels");
    let expected: Vec<u8> = all()
        .flat_map(|[value, alpha]| [value, 255 - value, 7].map(|value| on_white(value, alpha)))
        .collect();
    let bytes = file(rgba.into(), ImageFormat::Png);
    assert!(on(&bytes, WHITE) == expected);
    let watched = decode_watched_on("x", &bytes, &Limits::NATIVE, WHITE, &StopFlag::default());
    assert!(watched.expect("a picture").rgb == expected);
    // Otherwise it is the padding's.
    let padded = decode("x", &bytes, &Limits::NATIVE).expect("a picture").rgb;
    assert!(padded == on(&bytes, PAD_COLOUR) && padded != expected);

    let grey = GrayAlphaImage::from_raw(256, 256, all().flatten().collect()).expect("pixels");
    let expected: Vec<u8> = all()
        .flat_map(|[value, alpha]| [on_white(value, alpha); 3])
        .collect();
    assert!(on(&file(grey.into(), ImageFormat::Png), WHITE) == expected);

    let pixels = vec![10, 20, 30, 255, 0, 0, 0, 0];
    let gif = RgbaImage::from_raw(2, 1, pixels).expect("pixels");
    let gif = file(gif.into(), ImageFormat::Gif);
    assert_eq!(on(&gif, WHITE)[3..], WHITE);
    assert_eq!(on(&gif, PAD_COLOUR)[3..], PAD_COLOUR);
}
