//! Animations that are broken, or made to take more than they may: each is refused in words.

use std::time::Instant;

use inf_llava_core::image::Limits;
use inf_llava_core::image::clip::{Clip, ClipOptions, animation};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::{Error, Result};
use proptest::prelude::*;

use super::super::kinds::{broken, pack};
use super::made::{FrameOfGif, PIXEL, apng, apng_chunks, chunk, control, data, gif, gif_of_frames};
use super::{all, at_most, read};

/// Small, so that exceeding them takes little.
const SMALL: Limits = Limits {
    max_pixels: 1000,
    max_side: 200,
};

fn small(frames: usize) -> ClipOptions {
    ClipOptions {
        limits: SMALL,
        ..at_most(frames)
    }
}

fn reason(result: Result<Clip>) -> String {
    match result {
        Err(Error::ImageDamaged { reason, .. } | Error::ImageFormat { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_million_frames_are_refused_and_many_are_read_quickly() {
    let told = reason(read(
        &gif_of_frames(1_000_000, (1, 1), (1, 1), &PIXEL),
        &all(),
    ));
    assert!(told.contains("more than 100000 frames"), "{told}");
    // Every frame of these is laid on a canvas of four megapixels, of which it covers one pixel.
    let clip = read(
        &gif_of_frames(100_000, (2000, 2000), (1, 1), &PIXEL),
        &at_most(4),
    )
    .expect("a clip");
    assert_eq!((clip.of, clip.frames.len()), (100_000, 4));
    assert_eq!(clip.times_s, [0.0, 3333.3, 6666.6, 9999.9]);
}

#[test]
fn frames_that_would_take_too_much_memory_are_refused_before_any_is_decoded() {
    // 25 bytes for each of 1000 pixels: 8 frames of 1000 pixels.
    let bytes = gif((50, 20), vec![FrameOfGif::filled(50, 20, 7); 30]);
    assert_eq!(read(&bytes, &small(8)).expect("a clip").frames.len(), 8);
    let hollow = gif_of_frames(30, (50, 20), (50, 20), &[99, 1, 0, 0]);
    assert!(reason(read(&hollow, &small(8))).contains("damaged"));
    let told = reason(read(&hollow, &small(9)));
    assert!(
        told.contains("9 frames of 50 x 20 pixels") && told.contains("look at fewer"),
        "{told}"
    );
}

#[test]
fn frames_that_would_take_too_long_are_refused_before_any_is_decoded() {
    // 256 pictures' pixels: 256,000.
    let hollow = gif_of_frames(257, (50, 20), (50, 20), &[99, 1, 0, 0]);
    let told = reason(read(&hollow, &small(2)));
    assert!(told.contains("megapixels together"), "{told}");
    let bytes = gif((50, 20), vec![FrameOfGif::filled(50, 20, 7); 257]);
    assert!(read(&bytes, &small(2)).is_err());
    assert!(read(&bytes, &small(1)).is_ok(), "the first alone is quick");
}

#[test]
fn a_canvas_or_a_layer_that_is_too_large_is_refused() {
    let too_large = |bytes: &[u8]| {
        let result = read(bytes, &small(1));
        assert!(
            matches!(result, Err(Error::ImageTooLarge { .. })),
            "{result:?}"
        );
    };
    too_large(&gif((60, 20), [FrameOfGif::filled(1, 1, 7)]));
    too_large(&gif((1, 1), [FrameOfGif::filled(60, 20, 7)]));
    // Beyond the canvas, where nothing of it is seen.
    let beyond = FrameOfGif {
        at: (60_000, 60_000),
        ..FrameOfGif::filled(60, 20, 7)
    };
    too_large(&gif((3, 3), [FrameOfGif::filled(3, 3, 7), beyond]));
    too_large(&apng(40, 30, &[(1, 10); 2], &[]));
    let start = Instant::now();
    let header = apng(60_000, 1, &[(1, 10)], &[]);
    assert!(matches!(
        read(&header, &all()),
        Err(Error::ImageTooLarge { .. })
    ));
    assert!(start.elapsed().as_secs() < 10);
}

#[test]
fn a_file_that_breaks_off_is_damaged_wherever_it_does() {
    let gif = gif((9, 8), vec![FrameOfGif::filled(9, 8, 7); 3]);
    let webp = pack("clip", 40).into_iter();
    let webp = webp.filter(|case| case.name.starts_with("webp"));
    let files = webp
        .take(3)
        .map(|case| case.bytes)
        .chain([gif.clone(), apng(9, 8, &[(1, 10); 3], &[])]);
    for bytes in files {
        assert!(read(&bytes, &all()).is_ok());
        for end in 12..bytes.len() - 1 {
            match read(&bytes[..end], &all()) {
                Err(Error::ImageDamaged { .. }) => {}
                Ok(clip) => {
                    // A GIF may end between two blocks.
                    assert!(bytes == gif && clip.of < 4, "{end} of {}", bytes.len());
                    assert!([0x21, 0x2C, 0x3B].contains(&bytes[end]), "{end}");
                }
                // There is no frame yet.
                Err(Error::ImageFormat { reason, .. }) => {
                    assert!(bytes == gif && reason.contains("not animated"), "{reason}");
                }
                Err(error) => panic!("{end}: {error}"),
            }
        }
    }
}

#[test]
fn parts_of_a_png_that_contradict_one_another_are_told() {
    let whole = || apng_chunks(9, 8, &[(1, 10); 3], &[]);
    let damaged = |chunks: Vec<Vec<u8>>, words: &str| match read(&chunks.concat(), &all()) {
        Err(Error::ImageDamaged { reason, .. }) => {
            assert!(reason.contains(words), "{words}: {reason}");
        }
        other => panic!("{words}: {other:?}"),
    };
    // Signature, IHDR, acTL, fcTL, IDAT, fcTL, fdAT, fcTL, fdAT, IEND.
    let with = |place: usize, chunk: Vec<u8>| {
        let mut chunks = whole();
        chunks[place] = chunk;
        chunks
    };
    let states = |count: u32| with(2, chunk(b"acTL", &[count.to_be_bytes(), [0; 4]].concat()));
    damaged(states(4), "states 4 frames, and has 3");
    damaged(states(u32::MAX), "frames, and has 3");
    // Fewer are an animation, of which the rest is no part.
    assert_eq!(read(&states(2).concat(), &all()).expect("a clip").of, 2);
    let none = read(&states(0).concat(), &all());
    assert!(reason(none).contains("no frame"));
    for place in [
        [1, 0, 9, 8],
        [0, 1, 9, 8],
        [0, 0, 10, 8],
        [0, 0, 0, 8],
        [0, 0, 9, 0],
        [u32::MAX, 0, 9, 8],
        [9, 8, 1, 1],
    ] {
        damaged(with(5, control(1, place, (1, 10))), "contradict");
    }
    damaged(with(5, control(7, [0, 0, 9, 8], (1, 10))), "contradict");
    damaged(with(5, chunk(b"fcTL", &[0, 0, 0, 1])), "contradict");
    damaged(with(5, chunk(b"fcTL", b"")), "contradict");
    damaged(with(1, chunk(b"IHDR", &[0; 12])), "contradict");
    damaged(with(1, chunk(b"PLTE", &[0; 13])), "contradict");
    // A frame without data, and one with too few of them.
    damaged(with(6, chunk(b"teXt", b"")), "contradict");
    damaged(with(6, chunk(b"fdAT", &2_u32.to_be_bytes())), "damaged");
    let little = [&2_u32.to_be_bytes()[..], &data(9, 7)].concat();
    damaged(with(6, chunk(b"fdAT", &little)), "damaged");
    // Checksums.
    for (place, name) in [(1, "IHDR"), (2, "acTL"), (5, "fcTL"), (6, "fdAT")] {
        let mut chunks = whole();
        let last = chunks[place].last_mut().expect("a checksum");
        *last ^= 1;
        damaged(chunks, &format!("the checksum of its part {name} is wrong"));
    }
}

#[test]
fn parts_of_a_webp_that_contradict_one_another_are_told() {
    let case = pack("clip", 40).into_iter();
    let case = case.rev().find(|case| case.name.starts_with("webp"));
    let bytes = case.expect("a WebP").bytes;
    let frame = bytes.windows(4).position(|name| name == b"ANMF");
    let frame = frame.expect("a frame");
    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = bytes.clone();
        change(&mut changed);
        match read(&changed, &all()) {
            Err(Error::ImageDamaged { reason, .. }) => {
                assert!(reason.contains("WebP"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    };
    // To the right of the canvas, wider than its data, wider than the canvas.
    damaged(&|file| file[frame + 8] = 1);
    damaged(&|file| file[frame + 14] -= 1);
    damaged(&|file| file[frame + 14] = 255);
    // A frame without a picture; no frame.
    damaged(&|file| {
        let picture = file.windows(4).position(|name| name == b"VP8 ");
        file[picture.expect("a picture")] = b'X';
    });
    damaged(&|file| {
        file.truncate(frame);
        let length = file.len() as u32 - 8;
        file[4..8].copy_from_slice(&length.to_le_bytes());
    });
    // What is behind the file is no part of it.
    let longer = [&bytes[..], b"junk"].concat();
    assert_eq!(read(&longer, &all()).expect("a clip").of, 6);
}

#[test]
fn a_stop_is_heard_before_a_frame_is_decoded() {
    let stop = StopFlag::default();
    stop.stop();
    let bytes = gif((9, 8), [FrameOfGif::filled(9, 8, 7)]);
    let stopped = animation("x", &bytes, &all(), &stop);
    assert_eq!(stopped, Err(Error::Stopped));
}

/// In the words of this program, not of a decoder.
#[test]
fn damage_is_told_in_words() {
    let mut refused = 0;
    for case in pack("clip", 40) {
        for bytes in broken(&case.bytes) {
            let Err(error) = read(&bytes, &all()) else {
                continue; // nothing that shows was hit
            };
            let (Error::ImageDamaged { reason, .. } | Error::ImageFormat { reason, .. }) = &error
            else {
                assert!(matches!(error, Error::ImageTooLarge { .. }), "{error}");
                continue;
            };
            let inside = ["{", "[", "\"", "_", "::", "Some", "0x", "rror"];
            let inside = inside.iter().find(|&&word| reason.contains(word));
            assert_eq!(inside, None, "{}: {reason}", case.name);
            refused += 1;
        }
    }
    assert!(refused > 500, "{refused}");
}

proptest! {
    #[test]
    fn no_bytes_upset_the_reader(
        file in 0_usize..40,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        // Read once: each case changes its own copy.
        thread_local!(static FILES: Vec<Vec<u8>> = pack("clip", 40).into_iter().map(|case| case.bytes).collect());
        let mut bytes = FILES.with(|files| files[file].clone());
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(clip) = read(&bytes, &small(9)) {
            prop_assert!((1..=9).contains(&clip.frames.len()));
            prop_assert_eq!(clip.frames.len(), clip.times_s.len());
            prop_assert!(clip.times_s.is_sorted());
            for frame in &clip.frames {
                prop_assert!(frame.width * frame.height <= SMALL.max_pixels as usize);
                prop_assert_eq!(frame.rgb.len(), 3 * frame.width * frame.height);
            }
        }
    }
}
