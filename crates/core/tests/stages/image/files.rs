//! Image files of every kind, whole, odd, broken and hostile: what the decoder makes of them.

use std::io::Cursor;
use std::time::Instant;

use ::image::codecs::jpeg::JpegEncoder;
use ::image::{DynamicImage, GrayAlphaImage, ImageBuffer, ImageFormat, Luma, LumaA};
use ::image::{Rgb, RgbImage, Rgba, RgbaImage};
use inf_llava_core::Error;
use inf_llava_core::image::{Limits, PAD_COLOUR, decode, square_u8};
use proptest::prelude::*;

use super::{pattern, read};

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    digits
        .map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap())
        .collect()
}

/// An image as a file of `format`.
fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("encode");
    bytes.into_inner()
}

proptest! {
    #[test]
    fn no_bytes_upset_the_decoder(
        start in 0_usize..6, noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let starts: [&[u8]; 6] = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a",
            b"RIFF\x40\0\0\0WEBPVP8 ", b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0"];
        let _ = read(&[starts[start], &noise].concat());
    }
}

#[test]
fn what_is_no_picture_is_named() {
    let reason = |bytes: &[u8]| match read(bytes) {
        Err(Error::ImageFormat { file, reason }) => {
            assert_eq!(file, "test.file");
            reason
        }
        other => panic!("{other:?}"),
    };
    assert!(reason(b"").contains("empty"));
    assert!(reason(b"BMW builds cars, and this is a text.").contains("no picture"));
    assert!(reason(b"\0\0\0\x18ftypheic\0\0\0\0mif1").contains("HEIC"));
    assert!(reason(b"\0\0\0\x18ftypavif\0\0\0\0mif1").contains("AVIF"));
    assert!(reason(b"II*\0\x08\0\0\0").contains("TIFF"));
    assert!(reason(b"<?xml version='1.0'?>\n<svg xmlns='x'/>").contains("SVG"));
    assert!(reason(b"%PDF-1.7\n").contains("PDF"));
    assert!(reason(b"<!DOCTYPE html><html>login</html>").contains("web page"));
}

/// A PNG that ends after its IHDR chunk.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let ihdr = [
        b"IHDR",
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[8, 2, 0, 0, 0],
    ];
    [
        b"\x89PNG\r\n\x1a\n",
        &13_u32.to_be_bytes()[..],
        &ihdr.concat(),
        &[0; 4],
    ]
    .concat()
}

#[test]
fn a_bomb_is_refused_from_its_header() {
    let start = Instant::now();
    let Err(Error::ImageTooLarge {
        width,
        height,
        max_megapixels,
        max_side,
        ..
    }) = read(&png_header(20_000, 20_000))
    else {
        panic!("a 20000 x 20000 PNG was not refused");
    };
    assert_eq!(
        (width, height, max_megapixels, max_side),
        (20_000, 20_000, 64, 16_384)
    );
    assert!(start.elapsed().as_millis() < 100);
    let too_large = |bytes: &[u8], limits: &Limits| {
        matches!(decode("x", bytes, limits), Err(Error::ImageTooLarge { .. }))
    };
    assert!(
        too_large(&png_header(1, 100_000), &Limits::NATIVE),
        "one side alone"
    );
    assert!(too_large(&png_header(8000, 4000), &Limits::BROWSER));
    assert!(!too_large(&png_header(8000, 4000), &Limits::NATIVE));
    assert!(too_large(b"GIF89a\xff\xff\xff\xff\0\0\0", &Limits::NATIVE));
    // Every format is held to the same limit.
    let limits = Limits {
        max_pixels: 200,
        max_side: 100,
    };
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
    ] {
        assert!(
            too_large(&encoded(RgbImage::new(20, 20), format), &limits),
            "{format:?}"
        );
    }
    assert!(too_large(
        &encoded(RgbImage::new(20, 20), ImageFormat::Bmp),
        &limits
    ));
    assert!(matches!(
        read(&png_header(0, 5)),
        Err(Error::ImageDamaged { .. })
    ));
}

#[test]
fn half_a_picture_is_damaged_in_every_format() {
    let image = RgbImage::from_raw(50, 40, pattern(50, 40).rgb).unwrap();
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
        ImageFormat::Bmp,
    ] {
        let whole = encoded(image.clone(), format);
        assert!(read(&whole).is_ok(), "{format:?}");
        for keep in [whole.len() / 2, whole.len() * 9 / 10] {
            let result = read(&whole[..keep]);
            assert!(
                matches!(result, Err(Error::ImageDamaged { .. })),
                "{format:?}: {result:?}"
            );
        }
    }
}

#[test]
fn lossless_formats_give_back_the_pixels() {
    let image = RgbImage::from_raw(31, 17, pattern(31, 17).rgb).unwrap();
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp] {
        let picture = read(&encoded(image.clone(), format)).expect("decode");
        assert_eq!((picture.width, picture.height), (31, 17));
        assert_eq!(&picture.rgb, image.as_raw(), "{format:?}");
    }
}

#[test]
fn sixteen_bits_keep_the_upper_byte() {
    let deep = ImageBuffer::from_raw(2, 1, vec![0x00ff_u16, 0x0180, 0x7fff, 1, 0x80ff, 65535]);
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> = deep.unwrap();
    let picture = read(&encoded(deep, ImageFormat::Png)).expect("decode");
    assert_eq!(picture.rgb, [0, 1, 127, 0, 128, 255]); // what Pillow 12.2.0 gives
    let grey = ImageBuffer::from_raw(2, 1, vec![0x1234_u16, 0xfedc]).unwrap();
    let grey: ImageBuffer<Luma<u16>, Vec<u16>> = grey;
    let picture = read(&encoded(grey, ImageFormat::Png)).expect("decode");
    assert_eq!(picture.rgb, [0x12, 0x12, 0x12, 0xfe, 0xfe, 0xfe]);
}

#[test]
fn transparency_shows_the_padding_colour() {
    let mut image = RgbaImage::from_pixel(3, 1, Rgba([10, 20, 30, 0]));
    image.put_pixel(1, 0, Rgba([10, 20, 30, 255]));
    image.put_pixel(2, 0, Rgba([0, 255, 104, 128]));
    let picture = read(&encoded(image, ImageFormat::Png)).expect("decode");
    // (0 * 128 + 122 * 127) / 255 = 60.8; (255 * 128 + 116 * 127) / 255 = 185.8
    assert_eq!(picture.rgb, [122, 116, 104, 10, 20, 30, 61, 186, 104]);
    let mut image = GrayAlphaImage::from_pixel(2, 1, LumaA([200, 255]));
    image.put_pixel(1, 0, LumaA([200, 0]));
    let picture = read(&encoded(image, ImageFormat::Png)).expect("decode");
    assert_eq!(picture.rgb, [200, 200, 200, 122, 116, 104]);
}

#[test]
fn long_thin_pictures_are_fine() {
    let image = RgbImage::from_pixel(1, 3000, Rgb([255, 0, 0]));
    let picture = read(&encoded(image, ImageFormat::Png)).expect("decode");
    let square = square_u8(&picture, 168);
    assert_eq!(&square[..3], PAD_COLOUR);
    // One of 3000 columns lies in the middle and leaves a trace there.
    let middle = &square[(84 * 168 + 84) * 3..][..3];
    assert!(
        middle[0] > PAD_COLOUR[0] && middle[1] < PAD_COLOUR[1],
        "{middle:?}"
    );
}

// Made by Pillow 12.2.0: two frames, red then green, of 3 x 2 pixels, and red alone.
const GIF_ANIMATED: &str = "47494638376103000200810000ff00000000000000000000002c00000000030002000008060001081c18100021f90401000001002c00000000030002008100ff0000000000000000000008060001081c1810003b";
const GIF_STILL: &str =
    "47494638376103000200810000ff00000000000000000000002c00000000030002000008060001081c1810003b";
const PNG_ANIMATED: &str = "89504e470d0a1a0a0000000d49484452000000030000000208020000001216f14d000000086163544c0000000200000000f38d93700000001a6663544c00000000000000030000000200000000000000000000000100000e839a090000001049444154789c63fccf00054c3006030013290103f0d807840000001a6663544c000000010000000300000002000000000000000000000001000095f070dd000000156664415400000002789c6364f8cf00014c0c300000122a0103c0dd3bec0000000049454e44ae426082";
const WEBP_ANIMATED: &str = "524946468400000057454250565038580a00000002000000020000010000414e494d06000000000000000000414e4d4628000000000000000000020000010000000000025650384c0f0000002f024000000710fd8ffe0722a2ff0100414e4d4628000000000000000000020000010000000000005650384c0f0000002f0240000007d0ff88fe0722a2ff0100";

#[test]
fn the_first_frame_of_an_animation_is_taken_and_told() {
    for file in [GIF_ANIMATED, PNG_ANIMATED, WEBP_ANIMATED] {
        let picture = read(&hex(file)).expect("decode");
        assert_eq!(picture.rgb, [255, 0, 0].repeat(6));
        assert_eq!(
            picture.notices,
            ["test.file is animated: the first frame is used"]
        );
    }
    assert!(read(&hex(GIF_STILL)).expect("decode").notices.is_empty());
}

/// Pillow's 8 x 8 CMYK JPEG: the left half (0, 200, 200, 0), the right (200, 0, 0, 50).
const CMYK: &str = "ffd8ffee000e41646f626500640000000000ffdb00430006040506050406060506070706080a100a0a09090a140e0f0c1017141818171416161a1d251f1a1b231c1616202c20232627292a29191f2d302d283025282928ffc000140800080008044311004d11005911004b1100ffc4001f0000010501010101010100000000000000000102030405060708090a0bffc400b5100002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda000e0443004d0059004b00003f00e93f6b5ff9957fedefff0068d749fb257fccd5ff006e9ffb5aba4fd92bfe66affb74ff00dad5f4478b7fe5d3fe07ff00b2d7ffd9";

#[test]
fn a_cmyk_jpeg_has_its_colours() {
    let picture = read(&hex(CMYK)).expect("decode");
    // As Pillow gives them.
    for (x, wanted) in [(1, [254, 56, 56]), (6, [45, 204, 204])] {
        let found = &picture.rgb[(4 * 8 + x) * 3..][..3];
        let near = found == wanted;
        assert!(near, "{found:?} for {wanted:?}");
    }
}

/// A TIFF block with nothing but the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0".to_vec();
    block[19] = orientation;
    block
}

#[test]
fn the_exif_orientation_is_applied() {
    // Blue in the upper left quarter of 32 x 16 on red; JPEG blurs, so look at quarters' middles.
    let image = RgbImage::from_fn(32, 16, |x, y| match x < 16 && y < 8 {
        true => Rgb([0, 0, 255]),
        false => Rgb([255, 0, 0]),
    });
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 95)
        .encode_image(&image)
        .expect("encode");
    // (orientation, the blue quarter: right?, lower?)
    let cases = [
        (1, false, false),
        (2, true, false),
        (3, true, true),
        (4, false, true),
        (5, false, false),
        (6, true, false),
        (7, true, true),
        (8, false, true),
        (9, false, false),
    ];
    for (orientation, right, lower) in cases {
        let block = [b"Exif\0\0", &exif(orientation)[..]].concat();
        let length = (block.len() as u16 + 2).to_be_bytes();
        let turned = [&jpeg[..2], &[0xFF, 0xE1], &length, &block, &jpeg[2..]].concat();
        let picture = read(&turned).expect("decode");
        let sideways = (5..=8).contains(&orientation);
        let size = if sideways { (16, 32) } else { (32, 16) };
        assert_eq!((picture.width, picture.height), size, "{orientation}");
        for (at_right, at_lower) in [(false, false), (true, false), (false, true), (true, true)] {
            let x = picture.width * (1 + 2 * usize::from(at_right)) / 4;
            let y = picture.height * (1 + 2 * usize::from(at_lower)) / 4;
            let blue = picture.rgb[(y * picture.width + x) * 3 + 2] > 128;
            assert_eq!(
                blue,
                (at_right, at_lower) == (right, lower),
                "{orientation} {x} {y}"
            );
        }
    }
}

/// Pillow's lossless 3 x 2 WebP, blue at (0, 0) on red, but for the EXIF chunk.
const WEBP: &str = "524946465400000057454250565038580a000000080000000200000100005650384c130000002f024000000f10f3bffff31f0e6e7010d1ff1000";

#[test]
fn webp_orientation_is_found_with_and_without_a_prefix() {
    for prefix in [&b""[..], b"Exif\0\0"] {
        let block = [prefix, &exif(6)].concat();
        let mut file = hex(WEBP);
        file.extend([b"EXIF", &(block.len() as u32).to_le_bytes()[..], &block].concat());
        let length = (file.len() as u32 - 8).to_le_bytes();
        file[4..8].copy_from_slice(&length);
        let picture = read(&file).expect("decode");
        assert_eq!((picture.width, picture.height), (2, 3));
        assert_eq!(
            picture.rgb[3..6],
            [0, 0, 255],
            "the upper left is the upper right now"
        );
    }
}

/// A progressive JPEG takes two bytes a pixel for each of its channels beside the result, which no limit is asked for.
#[test]
fn a_jpeg_that_would_take_more_than_the_limits_promise_is_refused() {
    // Start, a frame of 7,600 x 7,600 with so many channels, a scan without data, end.
    let header = |marker: u8, channels: u8| {
        let mut bytes = vec![0xFF, 0xD8, 0xFF, marker, 0, 8 + 3 * channels, 8];
        bytes.extend(7600_u16.to_be_bytes());
        bytes.extend(7600_u16.to_be_bytes());
        bytes.push(channels);
        for channel in 1..=channels {
            bytes.extend([channel, 0x11, 0]);
        }
        bytes.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0, 0xFF, 0xD9]);
        bytes
    };
    for marker in [0xC0, 0xC2] {
        let result = decode("x.jpg", &header(marker, 4), &Limits::NATIVE);
        assert!(
            matches!(
                &result,
                Err(Error::ImageTooLarge {
                    width: 7600,
                    height: 7600,
                    max_megapixels: 52,
                    ..
                })
            ),
            "{result:?}"
        );
        // In three channels it may be as large; that there is nothing in it is another matter.
        let result = decode("x.jpg", &header(marker, 3), &Limits::NATIVE);
        assert!(
            matches!(&result, Err(Error::ImageDamaged { .. })),
            "{result:?}"
        );
    }
    assert_eq!(Limits::NATIVE.most_bytes(1000), 579_110_864);
}

/// A chunk of a WebP.
fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut bytes = [name.as_slice(), &(data.len() as u32).to_le_bytes(), data].concat();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

/// Found by fuzzing: the decoder made room for the size in a frame's data, 400 MB for 16383 x 16383, though the file states
/// 24 x 17; in an animation with transparency it then panicked.
#[test]
fn a_webp_whose_frame_is_larger_than_its_canvas_is_refused() {
    let small = |n: u32| n.to_le_bytes()[..3].to_vec();
    let canvas = |flags: u8| [&[flags, 0, 0, 0][..], &small(23), &small(16)].concat();
    let mut frame = vec![0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A];
    frame.extend(16_383_u16.to_le_bytes());
    frame.extend(16_383_u16.to_le_bytes());
    frame.extend([0; 64]);
    let file = |chunks: &[Vec<u8>]| {
        let chunks = [b"WEBP".to_vec(), chunks.concat()].concat();
        chunk(b"RIFF", &chunks)
    };
    let alpha = chunk(b"ALPH", &[&[0][..], &[0; 24 * 17]].concat());
    let animated = |inner: Vec<u8>| {
        let head = [small(0), small(0), small(23), small(16), small(1), vec![0]].concat();
        let frame = chunk(b"ANMF", &[head, inner].concat());
        file(&[
            chunk(b"VP8X", &canvas(0x12)),
            chunk(b"ANIM", &[0; 6]),
            frame,
        ])
    };
    for bytes in [
        file(&[chunk(b"VP8X", &canvas(0)), chunk(b"VP8 ", &frame)]),
        file(&[
            chunk(b"VP8X", &canvas(0x10)),
            alpha.clone(),
            chunk(b"VP8 ", &frame),
        ]),
        animated(chunk(b"VP8 ", &frame)),
        animated([alpha.clone(), chunk(b"VP8 ", &frame)].concat()),
        animated([alpha, chunk(b"abcd", &frame)].concat()),
    ] {
        let result = decode("x.webp", &bytes, &Limits::BROWSER);
        assert!(
            matches!(&result, Err(Error::ImageDamaged { reason, .. })
                if reason.contains("24 x 17") && reason.contains("16383 x 16383")),
            "{result:?}"
        );
    }
}

/// Found by fuzzing: a GIF's first frame may state another size than the file, and takes room beside it.
#[test]
fn a_gif_whose_frame_is_over_the_limits_is_refused() {
    let mut bytes = encoded(RgbImage::new(24, 17), ImageFormat::Gif);
    let table = 3 << ((bytes[10] & 7) + 1);
    let mut at = 13 + if bytes[10] & 0x80 == 0 { 0 } else { table };
    while bytes[at] == 0x21 {
        at += 2;
        while bytes[at] != 0 {
            at += 1 + usize::from(bytes[at]);
        }
        at += 1;
    }
    assert_eq!(bytes[at..at + 9], [0x2C, 0, 0, 0, 0, 24, 0, 17, 0]);
    assert!(decode("x.gif", &bytes, &Limits::NATIVE).is_ok());
    bytes[at + 5..at + 9].copy_from_slice(&[0xFF, 0x3F, 0xFF, 0x3F]);
    let result = decode("x.gif", &bytes, &Limits::NATIVE);
    assert!(
        matches!(
            &result,
            Err(Error::ImageTooLarge {
                width: 16_383,
                height: 16_383,
                ..
            })
        ),
        "{result:?}"
    );
}
