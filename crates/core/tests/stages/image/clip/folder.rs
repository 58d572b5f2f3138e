//! Folders of pictures as videos, and what a name may stand for.

use std::fs;
use std::path::Path;

use inf_llava_core::image::clip::{Clip, ClipOptions, Tools, open};
use inf_llava_core::image::{Filter, Limits, WHITE, decode_on, single, tiles};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::spec::Fit;
use inf_llava_core::{Error, Result};
use tempfile::TempDir;

use super::super::{expected, sha256};
use super::made::{FrameOfGif, gif};
use super::{all, at_most, timed};

fn read(path: &Path, options: &ClipOptions) -> Result<Clip> {
    open(path, options, &StopFlag::default())
}

/// A folder of one-frame GIFs of these names; the grey of each is its place in the list.
fn folder(names: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (grey, name) in names.iter().enumerate() {
        let frame = FrameOfGif::filled(2, 2, grey as u8);
        fs::write(dir.path().join(name), gif((2, 2), [frame])).expect("a file");
    }
    dir
}

fn greys(clip: &Clip) -> Vec<u8> {
    clip.frames.iter().map(|frame| frame.rgb[0]).collect()
}

#[test]
fn frames_are_in_the_order_of_their_numbers() {
    let dir = folder(&["f10.png", "f9.jpg", "f100.GIF", "f1.webp", "f08.bmp"]);
    // None of these is a frame.
    fs::write(dir.path().join(".f2.png"), "x").expect("a file");
    fs::write(dir.path().join("notes.txt"), "x").expect("a file");
    fs::write(dir.path().join("Thumbs.db"), "x").expect("a file");
    let clip = read(dir.path(), &all()).expect("a clip");
    // A file is what its first bytes say.
    assert_eq!(greys(&clip), [3, 4, 1, 0, 2]);
    assert_eq!(clip.times_s, [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert_eq!((clip.of, clip.seconds), (5, 5.0));

    let faster = ClipOptions {
        folder_fps: 2.0,
        ..at_most(2)
    };
    let clip = read(dir.path(), &faster).expect("a clip");
    assert_eq!((greys(&clip), clip.seconds), (vec![3, 2], 2.5));
    assert_eq!(clip.times_s, [0.0, 2.0]);
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let none = ClipOptions {
            folder_fps: rate,
            ..all()
        };
        let error = read(dir.path(), &none).expect_err("no rate");
        assert!(
            matches!(&error, Error::Option { option, .. } if option == "fps"),
            "{error}"
        );
    }
}

/// The views of both fixtures' videos, from a folder of their frames to what the tower reads.
#[test]
fn the_fixtures_videos_are_seen_as_by_transformers() {
    for fixture in ["smolvlm-tiny", "llava-onevision-siglip-qwen2"] {
        let name = format!("family/{fixture}");
        let expected = expected(&name);
        let images = expected["images"].as_array().expect("images");
        let video = images.iter().find(|image| image["treatment"] == "video");
        let video = video.expect("a video");
        let files = video["files"].as_array().expect("files");
        let dir = tempfile::tempdir().expect("a folder");
        for file in files {
            let file = Path::new(file.as_str().expect("a name"));
            let to = dir.path().join(file.file_name().expect("a name"));
            fs::copy(crate::fixture(&name).join(file), to).expect("a copy");
        }
        let options = match fixture {
            "smolvlm-tiny" => ClipOptions {
                ground: WHITE,
                folder_fps: 3.0 / 62.0,
                ..timed(1.0, 64)
            },
            _ => ClipOptions {
                ground: WHITE,
                ..at_most(32)
            },
        };
        let clip = read(dir.path(), &options).expect("a clip");
        assert_eq!(clip.frames.len(), 3);
        let stop = StopFlag::default();
        let views = clip.frames.iter().flat_map(|frame| {
            assert_eq!(video["width"], frame.width);
            assert_eq!(video["height"], frame.height);
            let size = |key: &str| {
                let side = |at: usize| video[key][at].as_u64().expect("a side") as usize;
                [side(1), side(0)]
            };
            let view = match fixture {
                "smolvlm-tiny" => {
                    let seen = tiles(frame, size("first_size"), size("second_size"), 64, &stop);
                    seen.map(|tiles| tiles.whole)
                }
                _ => single(frame, Fit::Squash, view_px(&name), Filter::Bicubic, &stop),
            };
            view.expect("a view").rgb
        });
        let views: Vec<u8> = views.collect();
        assert_eq!(video["views_u8_sha256"], sha256(&views), "{fixture}");
    }
}

fn view_px(fixture: &str) -> usize {
    let json = fs::read(crate::fixture(fixture).join("config.json")).expect("a file");
    let config: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let side = config["vision_config"]["image_size"].as_u64();
    side.expect("a side") as usize
}

#[test]
fn frames_may_differ_in_size_and_only_those_that_are_looked_at_are_read() {
    let dir = folder(&["0.png", "1.png", "2.png"]);
    let path = dir.path().join("2.png");
    let other = gif(
        (5, 7),
        [FrameOfGif::filled(5, 7, 9), FrameOfGif::filled(1, 1, 9)],
    );
    fs::write(&path, &other).expect("a file");
    fs::write(dir.path().join("1.png"), "no picture").expect("a file");
    let clip = read(dir.path(), &at_most(2)).expect("the first and the last");
    assert_eq!((clip.frames[0].width, clip.frames[1].width), (2, 5));
    assert_eq!(clip.frames[1].rgb, {
        let name = path.display().to_string();
        decode_on(&name, &other, &Limits::NATIVE, WHITE)
            .expect("a picture")
            .rgb
    });
    assert_eq!(clip.notices.len(), 1);
    assert!(clip.notices[0].contains("2.png is animated"));
    match read(dir.path(), &all()) {
        Err(Error::ImageFormat { file, .. }) => assert!(file.ends_with("1.png"), "{file}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_that_stands_for_no_video_is_refused_in_words() {
    // None of these needs ffmpeg to be told.
    let nowhere = ClipOptions {
        tools: Tools {
            ffmpeg: "/nowhere/ffmpeg".into(),
            ffprobe: "/nowhere/ffprobe".into(),
            ..Tools::default()
        },
        ..all()
    };
    let dir = tempfile::tempdir().expect("a folder");
    let named = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).expect("a file");
        read(&path, &nowhere).expect_err("no video").to_string()
    };
    assert!(named("empty.mp4", b"").contains("an empty file"));
    assert!(named("a.mp4", b"%PDF-1.7\n").contains("PDF"));
    assert!(named("b.mp4", b"<!DOCTYPE html><html>").contains("web page"));
    assert!(named("c.mp4", b"\xff\xd8\xff\xe0rest").contains("a JPEG that is not animated"));
    let missing = named("d.mp4", b"\0\0\0\x18ftypisom\0\0\0\x01isom");
    for word in [
        "/nowhere/ffprobe",
        "install it",
        "GIF, WebP or PNG",
        "folder of frames",
    ] {
        assert!(missing.contains(word), "{missing}");
    }
    assert!(named("e.txt", b"Some words.").contains("install it"));

    let empty = dir.path().join("folder");
    fs::create_dir(&empty).expect("a folder");
    fs::write(empty.join("notes.txt"), "x").expect("a file");
    let told = read(&empty, &all()).expect_err("no frames").to_string();
    assert!(
        told.contains("no picture") && told.contains(".webp"),
        "{told}"
    );
    let told = read(&dir.path().join("gone.gif"), &all());
    assert!(matches!(told, Err(Error::FileAccess { .. })), "{told:?}");

    // Names say nothing.
    let path = dir.path().join("animation.mp4");
    fs::write(&path, gif((2, 2), vec![FrameOfGif::filled(2, 2, 5); 3])).expect("a file");
    assert_eq!(read(&path, &nowhere).expect("a clip").of, 3);
}

#[test]
fn a_stop_is_heard_while_a_folder_is_read() {
    let dir = folder(&["0.png"]);
    let stop = StopFlag::default();
    stop.stop();
    assert_eq!(open(dir.path(), &all(), &stop), Err(Error::Stopped));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_not_waited_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let pipe = dir.path().join("pipe.gif");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let told = read(&pipe, &all()).expect_err("a pipe").to_string();
    assert!(told.contains("a pipe"), "{told}");
    // As a frame of a folder too.
    let told = read(dir.path(), &all()).expect_err("a pipe").to_string();
    assert!(told.contains("a pipe"), "{told}");
}
