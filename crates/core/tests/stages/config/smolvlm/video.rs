//! SmolVLM2's videos: what stands for one in a prompt, and what the files say of them.

use inf_llava_core::spec::{Run, Video};
use serde_json::json;

use super::{Files, vision};

#[test]
fn a_video_is_told_as_in_transformers() {
    let config = Files::of("smolvlm-tiny").read().expect("tiny");
    let expected = crate::config::family::expected("smolvlm-tiny");
    let images = expected["images"].as_array().expect("images");
    let video = images.iter().find(|image| image["treatment"] == "video");
    let video = video.expect("a video");
    let times = video["timestamps_s"].as_array().expect("times");
    let times: Vec<f64> = times
        .iter()
        .map(|time| time.as_f64().expect("a time"))
        .collect();
    let seconds = video["duration_s"].as_f64().expect("a duration");
    let layout = vision(&config)
        .video_layout(&times, seconds)
        .expect("a layout");
    assert_eq!(layout.passes(), 3);
    assert_eq!(json!(layout.tokens), video["num_tokens"]);
    let text: String = layout
        .runs
        .iter()
        .map(|run| match run {
            Run::Words(words) => words.clone(),
            Run::Tokens(tokens) => "<image>".repeat(*tokens),
        })
        .collect();
    assert_eq!(json!(text), video["text"]);

    let Some(Video::Timed(spec)) = vision(&config).video else {
        panic!("{:?}", vision(&config).video);
    };
    assert_eq!((spec.sampling.fps, spec.sampling.max_frames), (1.0, 64));
    assert_eq!(
        (spec.grid.longest_px, spec.grid.tile_px, spec.grid.splits),
        (64, 64, false)
    );
    assert_eq!(spec.sampling.frames(620, 10.0, 62.0).len(), 62);
    // Where no file says how, there are no videos; transformers 5 may say it among the settings of videos.
    let files = Files::of("smolvlm-tiny").without("preprocessor/video_sampling");
    let none = files.read().expect("pictures only");
    assert_eq!(vision(&none).video, None);
    let error = vision(&none)
        .video_layout(&[0.0], 1.0)
        .expect_err("no videos");
    assert!(error.to_string().contains("pictures only"), "{error}");
    let moved = files.with(
        "processor/video_processor",
        json!({"video_sampling": {"fps": 2}}),
    );
    let Some(Video::Timed(spec)) = vision(&moved.read().expect("moved")).video else {
        panic!("no video");
    };
    assert_eq!(
        (
            spec.sampling.fps,
            spec.sampling.max_frames,
            spec.grid.longest_px
        ),
        (2.0, 64, 64)
    );
    let files = Files::of("smolvlm-tiny");
    for (key, value) in [
        ("fps", json!(0)),
        ("fps", json!("1")),
        ("max_frames", json!(0)),
        ("max_frames", json!(1025)),
        ("video_size", json!({"longest_edge": 5000})),
        ("video_size", json!({"height": 64, "width": 64})),
    ] {
        let spoilt = files.with(&format!("preprocessor/video_sampling/{key}"), value);
        spoilt.refused(&["preprocessor_config.json", "video_sampling", key]);
    }
    let count = |frames: usize| {
        vision(&config)
            .video_layout(&vec![0.0; frames], 1.0)
            .map(|video| video.tokens)
    };
    assert_eq!(count(1024), Ok(1024 * 4));
    for frames in [0, 1025] {
        let error = count(frames).expect_err("too few or too many").to_string();
        assert!(error.contains("1 to 1024"), "{error}");
    }
}

/// As many frames as the files say, as was asked for, or as the context holds.
#[test]
fn a_small_context_looks_at_fewer_frames() {
    let config = Files::of("smolvlm-tiny").read().expect("tiny");
    let vision = vision(&config);
    // Of a video of 200 seconds, at 10 frames a second.
    let frames = |most, room| {
        let choice = vision.choice(most, room).expect("a model that sees videos");
        choice.frames(2000, 10.0, 200.0).len()
    };
    assert_eq!(frames(None, 8192), 64);
    assert_eq!(frames(Some(9), 8192), 9);
    // What is asked for is taken as it is, up to what is held.
    assert_eq!(frames(Some(100), 10), 100);
    assert_eq!(vision.choice(Some(5000), 10), vision.choice(Some(1024), 10));
    // A frame has 4 tokens and up to 24 of words, all of them up to 48.
    assert_eq!(frames(None, 48 + 10 * 28), 10);
    assert_eq!(frames(None, 48 + 10 * 28 - 1), 9);
    assert_eq!(frames(None, 0), 1);

    let check = |frames, context| vision.check_frames(&vec![0.0; frames], 9.0, context);
    assert_eq!(check(64, 257), Ok(()));
    let error = check(64, 256).expect_err("too many").to_string();
    for words in [
        "frames: 64 frames take 256 tokens",
        "holds 256",
        "; 2 would",
    ] {
        assert!(error.contains(words), "{error}");
    }

    let files = Files::of("smolvlm-tiny").without("preprocessor/video_sampling");
    let none = files.read().expect("pictures only");
    let error = super::vision(&none)
        .choice(None, 8192)
        .expect_err("no videos");
    assert!(error.to_string().contains("pictures only"), "{error}");
}
