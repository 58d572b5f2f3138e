//! An animated picture, and the frames of a video that a browser decoded: they are read or refused within the memory that
//! the limits allow.
#![no_main]

#[path = "shared/memory.rs"]
mod memory;

use inf_llava_core::image::Limits;
use inf_llava_core::image::clip::{Choice, ClipOptions, animation, is_reel, reel};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::spec::Video;
use libfuzzer_sys::fuzz_target;

/// Small, so that exceeding them is detected, and that the most frames that are decoded take no time.
const LIMITS: Limits = Limits {
    max_pixels: 1 << 16,
    max_side: 1024,
};
/// Frames that are looked at.
const FRAMES: usize = 5;

fuzz_target!(|data: &[u8]| {
    let options = ClipOptions {
        limits: LIMITS,
        ..ClipOptions::new(Choice::new(Video::Pooled, FRAMES))
    };
    let stop = StopFlag::default();
    let read = if is_reel(data) { reel } else { animation };
    let (result, taken) = memory::measured(|| read("clip", data, &options, &stop));
    let most = options.most_bytes(data.len());
    assert!(taken.peak as u64 <= most, "{} bytes of {most}", taken.peak);
    let Ok(clip) = result else {
        return;
    };
    assert!(!clip.frames.is_empty());
    assert!(is_reel(data) || clip.frames.len() <= FRAMES);
    assert!(clip.of >= clip.frames.len());
    assert_eq!(clip.frames.len(), clip.times_s.len());
    assert!(clip.times_s.is_sorted() && clip.times_s.iter().all(|&time| time <= clip.seconds));
    for frame in &clip.frames {
        let pixels = frame.width as u64 * frame.height as u64;
        assert!((1..=LIMITS.max_pixels).contains(&pixels));
        assert_eq!(frame.rgb.len() as u64, 3 * pixels);
    }
});
