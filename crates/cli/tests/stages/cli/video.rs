//! Videos on the command line.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{ids, json, refused, run, run_with_input, stdout, text, tiny};

const ONEVISION: &str = "family/llava-onevision-siglip-qwen2";

fn model(fixture: &str) -> String {
    crate::fixture(fixture).display().to_string()
}

/// The frames of the fixture's video, by names whose order is that of their numbers.
fn frames(fixture: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (index, name) in ["9.png", "10.png", "100.png"].iter().enumerate() {
        let from = crate::fixture(fixture).join(format!("images/3_{index}.png"));
        fs::copy(from, dir.path().join(name)).expect("a frame");
    }
    dir
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

/// A chat with a model of the family, greedy.
fn asked<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["chat", "--device", "cpu", "--temperature", "0"];
    let most = ["--max-new-tokens", "12", "--model", model];
    [&args[..], &most, more].concat()
}

#[test]
fn a_folder_of_frames_is_asked_about_as_in_pytorch() {
    let file = crate::fixture(ONEVISION).join("expected.json");
    let expected = json(&fs::read_to_string(file).expect("expected.json"));
    let cases = expected["cases"].as_array().expect("cases");
    let case = cases.iter().find(|case| case["name"] == "video");
    let case = case.expect("a video");
    let (model, dir) = (model(ONEVISION), frames(ONEVISION));
    let (folder, question) = (
        name(dir.path()),
        case["turns"][0][0].as_str().expect("text"),
    );
    let args = asked(&model, &["--video", &folder, "--prompt", question]);
    let answer = json(&stdout(&[&args[..], &["--json"]].concat()));
    let mut wanted = ids(&case["greedy_ids"]);
    if let Some(stop) = case["stops_at"].as_u64() {
        wanted.truncate(stop as usize + 1);
    }
    assert_eq!(ids(&answer["token_ids"]), wanted);
    assert_eq!(answer["image_tokens"], case["image_token_counts"][0]);
    assert_eq!(answer["vision_passes"], 3);
    let fewer = json(&stdout(&[&args[..], &["--json", "--frames", "2"]].concat()));
    assert_eq!(fewer["vision_passes"], 2);

    // In a conversation too, where it is told once how much of it is looked at.
    let whole = stdout(&args);
    let lines = format!("/video {folder}\n{question}\n");
    let args = asked(&model, &["--verbose"]);
    let output = run_with_input(&args, lines.as_bytes());
    assert_eq!(text(&output.stdout), whole, "{}", text(&output.stderr));
    let told = format!("{folder}: 3 of 3 frames are looked at (3.0 s)");
    assert!(
        text(&output.stderr).contains(&told),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn an_animation_is_looked_at_by_its_times() {
    let smolvlm = "family/smolvlm-tiny";
    let model = model(smolvlm);
    let clip = name(&crate::root().join("fuzz/seeds/picture/animated.gif"));
    let answered = |more: &[&str]| -> Value {
        let args = asked(&model, &["--video", &clip, "--prompt", "Hi", "--json"]);
        json(&stdout(&[&args[..], more].concat()))
    };
    let passes = answered(&[])["vision_passes"].as_u64().expect("a number");
    assert!(passes >= 1, "{passes}");
    assert_eq!(answered(&["--frames", "1"])["vision_passes"], 1);

    // A folder at one a second, and at four: of 3/4 of a second one frame is looked at.
    let dir = frames(smolvlm);
    let folder = name(dir.path());
    let passes = |fps: &str| {
        let args = asked(
            &model,
            &["--video", &folder, "--fps", fps, "--prompt", "Hi", "--json"],
        );
        json(&stdout(&args))["vision_passes"].clone()
    };
    assert_eq!((passes("1"), passes("4")), (3.into(), 1.into()));

    let out = name(&dir.path().join("out.safetensors"));
    let args = [
        "stages", "--device", "cpu", "--model", &model, "--video", &folder, "--prompt", "Hi",
        "--out", &out,
    ];
    stdout(&args);
    let file = fs::read(&out).expect("stages");
    let stages = safetensors::SafeTensors::deserialize(&file).expect("safetensors");
    for stage in [
        "canvas0_u8",
        "canvas2_u8",
        "features",
        "prompt_logits_last8",
    ] {
        assert!(
            stages.tensor(stage).is_ok(),
            "{stage}: {:?}",
            stages.names()
        );
    }
}

#[test]
fn a_model_that_sees_no_videos_says_so_before_one_is_read() {
    let model = tiny();
    // It would need ffmpeg, and is no video either.
    let file = format!("{model}/config.json");
    for args in [
        asked(&model, &["--video", &file, "--prompt", "Hi"]),
        vec![
            "stages", "--device", "cpu", "--model", &model, "--video", &file, "--prompt", "Hi",
            "--out", "x",
        ],
    ] {
        refused(&args, 2, &["pictures only", "frames as pictures"]);
    }
    let line = format!("/video {file}\n");
    let output = run_with_input(&asked(&model, &[]), line.as_bytes());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("pictures only"));
}

#[test]
fn what_is_no_video_is_refused_by_name() {
    let onevision = model(ONEVISION);
    let picture = name(&crate::fixture(ONEVISION).join("images/0.png"));
    let config = name(&crate::fixture(ONEVISION).join("config.json"));
    let refused_as = |video: &str, code: i32, words: &[&str]| {
        let args = asked(&onevision, &["--video", video, "--prompt", "Hi"]);
        refused(&args, code, words);
    };
    refused_as("-", 2, &["--video -", "stdin"]);
    refused_as("no such file.mp4", 4, &["no such file.mp4"]);
    refused_as("https://example.com/a.mp4", 4, &["an address", "download"]);
    refused_as(&picture, 4, &["0.png", "not animated"]);
    refused_as(&config, 4, &["config.json"]);
    for (option, value) in [
        ("--frames", "0"),
        ("--fps", "0"),
        ("--fps", "-1"),
        ("--fps", "x"),
    ] {
        let args = asked(
            &onevision,
            &["--video", &picture, option, value, "--prompt", "Hi"],
        );
        assert_eq!(run(&args).status.code(), Some(2), "{option} {value}");
    }
    let both = [
        "stages", "--model", &onevision, "--video", &picture, "--image", &picture, "--prompt",
        "Hi", "--out", "x",
    ];
    assert_eq!(run(&both).status.code(), Some(2));
}
