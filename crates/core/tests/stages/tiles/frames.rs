//! The frames of a video that are looked at, and what SmolVLM is told about them.

use inf_llava_core::spec::{
    AFTER_FRAMES, Sampling, before_frame, before_frames, evenly, pooled_side, video_tokens,
};
use proptest::prelude::*;

use super::family::Sizes;
use super::size;
use crate::image::expected;

#[test]
fn smolvlms_frames_equal_transformers() {
    let rows = Sizes::read().frames;
    assert_eq!(rows.len(), 120);
    let mut long = 0;
    for (frames, native_fps, seconds, fps, max_frames, expected) in rows {
        let sampling = Sampling { fps, max_frames };
        let found = sampling.frames(frames, native_fps, seconds);
        assert_eq!(
            found, expected,
            "{frames}, {native_fps}, {seconds}, {sampling:?}"
        );
        long += usize::from(found[0] > 0);
    }
    assert!(long > 20, "{long}");
}

#[test]
fn smolvlms_words_equal_transformers() {
    let rows = Sizes::read().intros;
    assert_eq!(rows.len(), 153);
    for (frames, seconds, count, time) in rows {
        let expected = format!(
            "You are provided the following series of {count} frames from a {time} [H:MM:SS] video.\n"
        );
        assert_eq!(before_frames(frames, seconds), expected);
    }
    // What nobody has.
    assert!(before_frames(usize::MAX, f64::NAN).contains(&usize::MAX.to_string()));
    assert!(before_frames(1, f64::INFINITY).contains(" days, "));
    assert_eq!(before_frame(-1.0), "\nFrame from 00:00:");
    assert_eq!(before_frame(6059.9), "\nFrame from 100:59:");
}

#[test]
fn the_text_of_a_video_equals_transformers() {
    let expected = expected("family/smolvlm-tiny");
    let images = expected["images"].as_array().expect("images");
    let video = images.iter().find(|image| image["files"].is_array());
    let video = video.expect("a video");
    let times = video["timestamps_s"].as_array().expect("times");
    let image = "<fake_token_around_image><global-img><image><image><image><image><fake_token_around_image>";
    let frames: String = times
        .iter()
        .map(|time| before_frame(time.as_f64().expect("seconds")) + image)
        .collect();
    let seconds = video["duration_s"].as_f64().expect("seconds");
    let text = before_frames(times.len(), seconds) + &frames + AFTER_FRAMES;
    assert_eq!(video["text"], text);
}

/// The released OneVision: 32 frames, 14 x 14 tokens each.
#[test]
fn frames_have_pooled_tokens() {
    assert_eq!([1, 2, 3, 26, 27].map(pooled_side), [1, 1, 2, 13, 14]);
    assert_eq!(video_tokens(32, 27), 6273);
    assert_eq!(video_tokens(usize::MAX, usize::MAX), usize::MAX);
    let expected = expected("family/llava-onevision-siglip-qwen2");
    let images = expected["images"].as_array().expect("images");
    let videos = images.iter().filter(|image| image["treatment"] == "video");
    for video in videos {
        let frames = video["files"].as_array().expect("files").len();
        assert_eq!(size(&video["num_tokens"]), video_tokens(frames, 3));
    }
}

#[test]
fn even_frames_round_halves_to_even() {
    assert_eq!(evenly(10, 4), [0, 3, 6, 9]);
    // 1.5 and 4.5.
    assert_eq!(evenly(7, 5), [0, 2, 3, 4, 6]);
    assert_eq!(evenly(6, 3), [0, 2, 5]);
    assert_eq!(evenly(4, 3), [0, 2, 3]);
    assert_eq!(evenly(9, 1), [0]);
    assert_eq!(evenly(9, 0), [0; 0]);
    assert_eq!(evenly(0, 5), [0; 0]);
    assert_eq!(evenly(3, 5), [0, 1, 2]);
}

#[test]
fn videos_without_sense_have_frames_too() {
    let sampling = Sampling {
        fps: 1.0,
        max_frames: 64,
    };
    assert_eq!(sampling.frames(0, 25.0, 3.0), [0; 0]);
    for seconds in [f64::NAN, -3.0, 0.0, 0.4] {
        assert_eq!(sampling.frames(9, 25.0, seconds), [0], "{seconds}");
    }
    let all = Sampling {
        max_frames: usize::MAX,
        ..sampling
    };
    assert_eq!(all.frames(3, f64::NAN, f64::INFINITY), [0, 1, 2]);
    let none = Sampling {
        max_frames: 0,
        ..sampling
    };
    assert_eq!(none.frames(3, 25.0, 1.0), [0]);
    // More is left out than there is: nothing is.
    assert_eq!(sampling.frames(100, 60.0, 500.0).last(), Some(&99));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn frames_are_spaced_evenly(
        frames in 1_usize..4000, wanted in 2_usize..100, fps in 0.1_f64..4.0, native_fps in 0.1_f64..130.0, seconds in 0.0_f64..4000.0,
    ) {
        let even = evenly(frames, wanted);
        let sampled = Sampling { fps, max_frames: wanted }.frames(frames, native_fps, seconds);
        prop_assert_eq!(even.len(), wanted.min(frames));
        prop_assert_eq!([even[0], even[even.len() - 1]], [0, frames - 1]);
        let count = ((fps * seconds).round_ties_even() as usize).min(wanted).max(1);
        prop_assert!((1..=count).contains(&sampled.len()));
        // Ascending, each once, within the video; neighbours as far from one another, but for a rounding.
        for found in [even, sampled] {
            let gaps: Vec<usize> = found.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let [least, most] = [gaps.iter().min(), gaps.iter().max()];
            prop_assert!(least.is_none_or(|least| *least > 0 && most.expect("a gap") - least <= 1));
            prop_assert!(found.last().is_some_and(|last| *last < frames));
        }
    }

    #[test]
    fn no_video_upsets_a_sampling(
        frames in 0_usize..500, numbers in any::<[f64; 3]>(), max_frames in any::<usize>(), wanted in any::<usize>(),
        large in any::<usize>(),
    ) {
        let [fps, native_fps, seconds] = numbers;
        let sampling = Sampling { fps, max_frames };
        let found = sampling.frames(frames, native_fps, seconds);
        prop_assert!(found.len() <= frames && found.is_empty() == (frames == 0));
        prop_assert!(evenly(frames, wanted).len() <= frames);
        // As many frames as there are numbers, of which few are taken.
        let few = Sampling { max_frames: max_frames % 9, ..sampling };
        prop_assert!(few.frames(large, native_fps, seconds).len() <= 8);
        prop_assert!(evenly(large, max_frames % 9).iter().all(|frame| *frame < large));
    }
}
