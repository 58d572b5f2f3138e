//! Pictures of every kind that other programs write, against Pillow (libjpeg, libwebp): each is right, or refused in words
//! that name its kind. `tests/fixtures/pictures` says where the files come from.

use std::io::Cursor;

use ::image::{GrayImage, ImageFormat, ImageReader};
use inf_llava_core::Error;

use super::read;

/// How far a channel may be from Pillow's, of 255.
const JPEG_TOLERANCE: u8 = 0; // transform, enlargement and colours are libjpeg's, bit for bit
const GIF_TOLERANCE: u8 = 0; // indices
const PNG_TOLERANCE: u8 = 0; // lossless
const WEBP_TOLERANCE: u8 = 1; // a frame is laid on its canvas with another rounding
const BMP_TOLERANCE: u8 = 1; // five and six bits are spread over eight with another rounding

/// A file, and what is right.
pub(super) struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    pub right: Right,
}

pub(super) enum Right {
    /// Width, height and RGB.
    Shown(usize, usize, Vec<u8>),
    /// Words of the refusal.
    Refused(String),
}

/// The files of a pack; at least so many, since none would prove nothing.
pub(super) fn pack(name: &str, at_least: usize) -> Vec<Case> {
    let file = crate::fixture("pictures").join(format!("{name}.pack.png"));
    let png = std::fs::read(file).expect("pack");
    let reader = ImageReader::with_format(Cursor::new(png), ImageFormat::Png);
    let grey: GrayImage = reader.decode().expect("PNG").into_luma8();
    let whole = grey.into_raw();
    let mut at = 0;
    let mut take = |count: usize| {
        at += count;
        &whole[at - count..at]
    };
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let count = number(take(4));
    assert!(count >= at_least, "{name}: {count} files");
    let mut heads = Vec::new();
    for _ in 0..count {
        let lengths = take(10);
        let [name, word] = [lengths[0], lengths[1]].map(usize::from);
        let size = (number(&lengths[6..8]), number(&lengths[8..]));
        let length = number(&lengths[2..6]);
        heads.push((text(take(name)), text(take(word)), length, size));
    }
    let bodies: Vec<_> = heads.iter().map(|&(_, _, n, _)| take(n).to_vec()).collect();
    let with_body = heads.into_iter().zip(bodies);
    with_body
        .map(|((name, word, _, (width, height)), bytes)| {
            let right = match word.is_empty() {
                true => Right::Shown(width, height, take(3 * width * height).to_vec()),
                false => Right::Refused(word),
            };
            Case { name, bytes, right }
        })
        .collect()
}

/// What is wrong with a case, if anything.
fn fault(case: &Case, tolerance: u8) -> Option<String> {
    match (read(&case.bytes), &case.right) {
        (Ok(picture), Right::Shown(width, height, rgb)) => {
            let size = (picture.width, picture.height);
            if size != (*width, *height) {
                return Some(format!("{size:?} for {width} x {height}"));
            }
            let far = picture.rgb.iter().zip(rgb).map(|(a, b)| a.abs_diff(*b));
            let far = far.max().unwrap_or(0);
            (far > tolerance).then(|| format!("a channel is {far} off"))
        }
        (Err(error), Right::Refused(word)) => {
            let said = error.to_string();
            let in_words = !said.contains(['{', '[', '"', '_']) && said.contains("save it");
            let right = said.contains(word.as_str()) && in_words;
            (!right).then(|| format!("said {said:?}"))
        }
        (Ok(_), Right::Refused(word)) => Some(format!("is read, not refused: {word}")),
        (Err(error), Right::Shown(..)) => Some(error.to_string()),
    }
}

fn check(cases: &[Case], tolerance: u8) {
    assert!(!cases.is_empty());
    let faults = cases.iter().filter_map(|case| {
        let fault = fault(case, tolerance)?;
        Some(format!("{}: {fault}", case.name))
    });
    let faults: Vec<_> = faults.collect();
    let (wrong, count) = (faults.len(), cases.len());
    assert!(
        faults.is_empty(),
        "{wrong} of {count}:\n{}",
        faults.join("\n")
    );
}

/// The cases of a pack whose names begin so.
fn beginning(pack: Vec<Case>, beginning: &str, at_least: usize) -> Vec<Case> {
    let mut cases = pack;
    cases.retain(|case| case.name.starts_with(beginning));
    assert!(cases.len() >= at_least, "{beginning}: {}", cases.len());
    cases
}

#[test]
fn a_jpeg_of_any_sampling_and_any_order_of_scans_equals_libjpeg() {
    check(&beginning(pack("jpeg", 500), "ycc ", 400), JPEG_TOLERANCE);
}

#[test]
fn a_grey_jpeg_of_any_sampling_equals_libjpeg() {
    check(&beginning(pack("jpeg", 500), "grey ", 16), JPEG_TOLERANCE);
}

#[test]
fn a_jpeg_in_rgb_equals_libjpeg() {
    check(&beginning(pack("jpeg", 500), "rgb ", 20), JPEG_TOLERANCE);
}

#[test]
fn a_jpeg_in_cmyk_or_ycck_equals_pillow() {
    check(&beginning(pack("jpeg", 500), "cmyk ", 30), JPEG_TOLERANCE);
    check(&beginning(pack("jpeg", 500), "ycck ", 30), JPEG_TOLERANCE);
}

#[test]
fn a_jpeg_with_something_about_it_is_right_or_refused_by_its_kind() {
    let mut cases = pack("jpeg", 500);
    let ordinary = ["ycc ", "grey ", "rgb ", "cmyk ", "ycck "];
    cases.retain(|case| !ordinary.iter().any(|&name| case.name.starts_with(name)));
    assert!(cases.len() >= 20, "{}", cases.len());
    check(&cases, JPEG_TOLERANCE);
}

#[test]
fn a_gif_has_the_canvas_and_the_colours_that_pillow_gives_it() {
    check(&pack("gif", 40), GIF_TOLERANCE);
}

#[test]
fn a_png_of_any_kind_is_right_or_refused_in_words() {
    check(&pack("png", 60), PNG_TOLERANCE);
}

#[test]
fn a_webp_of_any_kind_equals_pillow() {
    check(&pack("webp", 50), WEBP_TOLERANCE);
}

#[test]
fn a_bmp_of_any_kind_equals_pillow() {
    check(&pack("bmp", 100), BMP_TOLERANCE);
}

/// Files that other programs take for pictures, or that were saved in their place.
#[test]
fn a_format_that_is_not_read_is_named_with_what_to_do() {
    let cases: [(&[u8], &str, &str); 23] = [
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF", "convert it"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic", "HEIC", "export it"),
        (
            b"\0\0\0\x18ftypcrx \0\0\0\x01crx ",
            "camera raw",
            "develop it",
        ),
        (
            b"\0\0\0\x18ftypisom\0\0\0\x01isom",
            "video",
            "still picture",
        ),
        (b"RIFF\0\0\0\0AVI LIST", "video", "still picture"),
        (b"MM\0*\0\0\0\x08", "TIFF", "convert it"),
        (b"II+\0\x08\0\0\0", "TIFF", "convert it"),
        (b"\xFF\x0A\xFA\x7F", "JPEG XL", "convert it"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", "convert it"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", "convert it"),
        (b"\0\0\x01\0\x01\0", "ICO", "save it"),
        (b"\0\0\x02\0\x01\0", "CUR", "save it"),
        (b"\0\0\x02\0\0\0\0\0\0\0\0\0", "TGA", "convert it"),
        (b"qoif\0\0\0\x01", "QOI", "convert it"),
        (b"P6\n3 2\n255\n", "PPM", "convert it"),
        (b"DDS \x7c\0\0\0", "DDS", "convert it"),
        (b"8BPS\0\x01", "Photoshop", "export it"),
        (b"gimp xcf v011\0", "GIMP", "export it"),
        (b"\xEF\xBB\xBF<svg xmlns='x'/>", "SVG", "export it"),
        (b"\x1F\x8B\x08\0", "gzip", "export it"),
        (b"PK\x03\x04\x14\0", "ZIP", "take the picture out"),
        (
            b"data:image/png;base64,iVBORw0KGgo=",
            "data: address",
            "save the picture",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "Git LFS",
            "git lfs pull",
        ),
    ];
    for (bytes, name, what_to_do) in cases {
        let Err(Error::ImageFormat { reason, .. }) = read(bytes) else {
            panic!("{name} was not refused as another format");
        };
        assert!(
            reason.contains(name) && reason.contains(what_to_do),
            "{reason}"
        );
    }
}

/// Each damage that a library tells of in its own words, and so none of these words reaches anybody.
#[test]
fn damage_is_told_in_words() {
    for (name, every) in [
        ("jpeg", 40),
        ("gif", 1),
        ("png", 1),
        ("webp", 1),
        ("bmp", 4),
    ] {
        for case in pack(name, 40).iter().step_by(every) {
            for broken in broken(&case.bytes) {
                let Err(error) = read(&broken) else {
                    continue; // nothing that shows was hit
                };
                let (Error::ImageDamaged { reason, .. } | Error::ImageFormat { reason, .. }) =
                    &error
                else {
                    assert!(matches!(error, Error::ImageTooLarge { .. }), "{error}");
                    continue;
                };
                let inside = ["{", "[", "\"", "_", "::", "Some", "0x", "rror"];
                let inside = inside.iter().find(|&&word| reason.contains(word));
                assert_eq!(inside, None, "{}: {reason}", case.name);
            }
        }
    }
}

/// A file cut off in places, and with a byte changed in others.
pub(super) fn broken(bytes: &[u8]) -> Vec<Vec<u8>> {
    let places = (8..bytes.len()).step_by(bytes.len() / 24 + 1);
    let mut broken = Vec::new();
    for (number, place) in places.enumerate() {
        broken.push(bytes[..place].to_vec());
        let mut changed = bytes.to_vec();
        changed[place] ^= [0x01, 0x80, 0xFF, 0x10][number % 4];
        broken.push(changed);
    }
    broken
}

/// The bytes of a resize depend on the version, so all places must mean the one that the fixtures are from.
#[test]
fn one_version_of_pillow_is_named_everywhere() {
    let text = |file: &str| std::fs::read_to_string(crate::root().join(file)).expect("file");
    let requirements = text("tests/reference/requirements.txt");
    let pinned = requirements
        .lines()
        .find_map(|line| line.strip_prefix("pillow=="));
    let pinned = pinned.expect("a pinned Pillow");
    let mut named = 0;
    for file in [
        "tests/fixtures/README.md",
        "crates/core/tests/stages/image.rs",
        "crates/core/tests/stages/image/files.rs",
    ] {
        for (at, before) in text(file).match_indices("Pillow ") {
            let text = text(file);
            let version = text[at + before.len()..].split([',', ' ', ';', ':', '\n', '.']);
            let digits: Vec<_> = version.take(3).collect();
            if digits.iter().all(|part| part.parse::<u32>().is_ok()) {
                assert_eq!(digits.join("."), pinned, "{file}");
                named += 1;
            }
        }
    }
    assert!(named >= 4, "{named}");
    let checked = |script: &str| text(script).contains("\ncheck_pillow()");
    assert!(checked("tests/reference/preprocess.py"));
    assert!(text("tests/fixtures/pictures/write.py").contains("    check_pillow()"));
}
