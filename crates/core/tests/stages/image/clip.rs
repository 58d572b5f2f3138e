//! Videos: animated pictures, folders of pictures, and what ffmpeg reads.

mod folder;
mod hostile;
mod made;
mod reel;
#[cfg(unix)]
mod tools;

use inf_llava_core::image::clip::{Choice, Clip, ClipOptions, MOST_HELD, animation};
use inf_llava_core::image::{Limits, WHITE, decode, decode_on};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::spec::{GridSpec, Sampling, TimedSpec, Video};
use inf_llava_core::{Error, Result};

use self::made::{FrameOfGif, apng, gif, twice_png, twice_webp};
use super::kinds::{Right, pack};

/// All frames, as far as they are held.
fn all() -> ClipOptions {
    at_most(MOST_HELD)
}

/// So many frames, evenly spaced.
fn at_most(frames: usize) -> ClipOptions {
    ClipOptions::new(Choice::new(Video::Pooled, frames))
}

/// As SmolVLM2 looks at videos: so many frames a second.
fn timed(fps: f64, max_frames: usize) -> ClipOptions {
    let video = Video::Timed(TimedSpec {
        sampling: Sampling { fps, max_frames },
        grid: GridSpec {
            longest_px: 64,
            tile_px: 64,
            splits: false,
        },
    });
    ClipOptions::new(Choice::new(video, max_frames))
}

fn read(bytes: &[u8], options: &ClipOptions) -> Result<Clip> {
    animation("test.file", bytes, options, &StopFlag::default())
}

/// The furthest that a channel is from another, of 255.
fn far(one: &[u8], other: &[u8]) -> u8 {
    assert_eq!(one.len(), other.len());
    let far = one.iter().zip(other).map(|(a, b)| a.abs_diff(*b));
    far.max().unwrap_or(0)
}

#[test]
fn every_frame_of_every_animation_equals_pillow() {
    let mut wrong = Vec::new();
    for case in pack("clip", 40) {
        let Right::Shown(width, _, rgb) = &case.right else {
            panic!("{} is refused", case.name);
        };
        let clip = read(&case.bytes, &all());
        let clip = clip.unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!((clip.of, clip.frames.len()), (6, 6), "{}", case.name);
        let frames: Vec<u8> = clip
            .frames
            .iter()
            .flat_map(|frame| {
                assert_eq!(frame.width, *width, "{}", case.name);
                frame.rgb.clone()
            })
            .collect();
        // Half transparent layers are added up with another rounding, up to six of them.
        let tolerance = match case.name {
            ref name if name.contains("(60, 180)") => 2,
            ref name => u8::from(name.starts_with("webp")),
        };
        let far = far(&frames, rgb);
        if far > tolerance {
            wrong.push(format!("{}: a channel is {far} off", case.name));
        }
        assert!(clip.times_s.is_sorted() && clip.times_s[0] == 0.0);
        assert!(clip.seconds > clip.times_s[5]);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Colours of 1 to 16 bits, tables, interlaced rows, transparency: a layer may be of every kind that a picture may be of.
#[test]
fn every_kind_of_picture_may_be_a_layer() {
    let mut compared = 0;
    for (name, tolerance) in [("png", 0), ("webp", 1)] {
        for case in pack(name, 40) {
            let Right::Shown(width, height, rgb) = &case.right else {
                continue;
            };
            let twice = match name {
                _ if case.name.contains("animated") => continue,
                "png" => twice_png(&case.bytes),
                _ => twice_webp(&case.bytes, (*width as u32, *height as u32)),
            };
            let clip = read(&twice, &all());
            let clip = clip.unwrap_or_else(|error| panic!("{}: {error}", case.name));
            assert_eq!(clip.frames.len(), 2, "{}", case.name);
            for frame in &clip.frames {
                let far = far(&frame.rgb, rgb);
                assert!(far <= tolerance, "{}: {far}", case.name);
            }
            compared += 1;
        }
    }
    assert!(compared > 80, "{compared}");
}

/// Whether a video or a picture is asked for, its first frame is the same.
#[test]
fn the_first_frame_is_the_picture_that_others_see() {
    let mut compared = 0;
    for name in ["gif", "webp", "clip"] {
        for case in pack(name, 40) {
            // Some PNG have a picture of their own for those who show no animation.
            let is_animated = case.name.contains("animated") || name == "clip";
            if !is_animated || case.name.starts_with("png") {
                continue;
            }
            for ground in [WHITE, [122, 116, 104]] {
                let clip = read(
                    &case.bytes,
                    &ClipOptions {
                        ground,
                        ..at_most(1)
                    },
                );
                let clip = clip.unwrap_or_else(|error| panic!("{}: {error}", case.name));
                let picture = decode_on("x", &case.bytes, &Limits::NATIVE, ground);
                let picture = picture.expect("a picture");
                let frame = &clip.frames[0];
                assert_eq!(
                    (frame.width, frame.height),
                    (picture.width, picture.height),
                    "{}",
                    case.name
                );
                let far = far(&frame.rgb, &picture.rgb);
                assert!(far <= u8::from(name != "gif"), "{}: {far}", case.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn the_frames_that_are_looked_at_are_those_that_the_model_wants() {
    // 40 frames of a quarter of a second, each of its own grey.
    let frames = (0..40).map(|grey| FrameOfGif {
        delay: 25,
        ..FrameOfGif::filled(4, 3, grey)
    });
    let bytes = gif((4, 3), frames);
    let greys = |clip: &Clip| -> Vec<u8> { clip.frames.iter().map(|frame| frame.rgb[0]).collect() };

    let clip = read(&bytes, &at_most(5)).expect("a clip");
    assert_eq!(greys(&clip), [0, 10, 20, 29, 39]);
    assert_eq!(clip.times_s, [0.0, 2.5, 5.0, 7.25, 9.75]);
    assert_eq!((clip.of, clip.seconds), (40, 10.0));
    assert!(clip.notices.is_empty());
    assert_eq!(greys(&read(&bytes, &at_most(1)).expect("a clip")), [0]);
    assert_eq!(greys(&read(&bytes, &at_most(0)).expect("a clip")), [0]);
    assert_eq!(read(&bytes, &all()).expect("a clip").frames.len(), 40);

    // One a second, from the first to the last; of a video that is too long for all, its ends are left out.
    let clip = read(&bytes, &timed(1.0, 64)).expect("a clip");
    assert_eq!(greys(&clip), [0, 4, 8, 13, 17, 21, 26, 30, 34, 39]);
    let clip = read(&bytes, &timed(1.0, 3)).expect("a clip");
    assert_eq!(greys(&clip), [4, 20, 36]);
    assert_eq!(clip.times_s, [1.0, 5.0, 9.0]);
}

#[test]
fn a_frame_that_should_take_no_time_takes_as_long_as_in_browsers() {
    let delays = [0_u16, 1, 2, 10, u16::MAX];
    let frames = delays.iter().map(|&delay| FrameOfGif {
        delay,
        ..FrameOfGif::filled(1, 1, 9)
    });
    let clip = read(&gif((1, 1), frames), &all()).expect("a clip");
    assert_eq!(clip.times_s, [0.0, 0.1, 0.2, 0.22, 0.32]);
    assert_eq!(clip.seconds, 655.67);

    // A delay of 65535 / 1 s, one without a second number (hundredths), and none.
    let delays = [(u16::MAX, 1), (7, 0), (0, 1000), (1, 1000), (11, 1000)];
    let clip = read(&apng(2, 2, &delays, &[]), &all()).expect("a clip");
    assert_eq!(
        clip.times_s,
        [0.0, 65_535.0, 65_535.07, 65_535.17, 65_535.27]
    );
    assert_eq!(clip.seconds, 65_535.281);
    // Days are a length like others; no number overflows.
    let days = read(&apng(1, 1, &[(u16::MAX, 1); 500], &[]), &timed(1.0, 64));
    let days = days.expect("a clip");
    assert_eq!(days.frames.len(), 64);
    assert_eq!(days.seconds, 500.0 * 65_535.0);
}

#[test]
fn layers_beyond_a_gifs_canvas_are_not_seen() {
    let beyond = FrameOfGif {
        at: (2, 1),
        ..FrameOfGif::filled(9, 9, 200)
    };
    let clip = read(&gif((3, 2), [FrameOfGif::filled(3, 2, 50), beyond]), &all());
    let clip = clip.expect("a clip");
    let greys: Vec<u8> = clip.frames[1].rgb.iter().copied().step_by(3).collect();
    assert_eq!(greys, [50, 50, 50, 50, 50, 200]);
    // The first one makes the canvas larger.
    let clip = read(&gif((3, 2), [FrameOfGif::filled(5, 4, 50)]), &all()).expect("a clip");
    assert_eq!((clip.frames[0].width, clip.frames[0].height), (5, 4));
}

/// The way in which the camera was held is said once, for all frames.
#[test]
fn frames_are_turned_upright() {
    // Exif: little-endian, one entry, orientation 6 (a quarter to the right).
    let exif = [
        &b"II*\0\x08\0\0\0\x01\0"[..],
        &[0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0],
        &[0; 4],
    ];
    let bytes = apng(4, 3, &[(1, 10), (1, 10)], &exif.concat());
    let clip = read(&bytes, &all()).expect("a clip");
    let picture = decode("x", &bytes, &Limits::NATIVE).expect("a picture");
    for frame in &clip.frames {
        assert_eq!((frame.width, frame.height), (3, 4));
    }
    assert_eq!(clip.frames[0].rgb, picture.rgb);
}

#[test]
fn a_picture_is_no_video() {
    let still = |bytes: &[u8], word: &str| match read(bytes, &all()) {
        Err(Error::ImageFormat { file, reason }) => {
            assert_eq!(file, "test.file");
            assert!(reason.contains(word), "{reason}");
        }
        other => panic!("{word}: {other:?}"),
    };
    let images = crate::fixture("tiny").join("images");
    let picture = |name: &str| std::fs::read(images.join(name)).expect("a picture");
    still(&picture("0.png"), "a PNG that is not animated");
    for (pack_name, word) in [("jpeg", "JPEG"), ("bmp", "BMP")] {
        let whole = pack(pack_name, 40).into_iter();
        let mut whole = whole.filter(|case| matches!(case.right, Right::Shown(..)));
        still(
            &whole.next().expect("one").bytes,
            &format!("a {word} that is not animated"),
        );
    }
    let webp = pack("webp", 40).into_iter().next().expect("one");
    still(&webp.bytes, "a WebP that is not animated");
    still(&gif((3, 2), []), "a GIF that is not animated");
    still(b"", "empty");
    still(b"%PDF-1.7\n", "PDF");
}
