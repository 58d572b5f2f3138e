//! Videos in a conversation, against PyTorch and beside pictures.

use std::rc::Rc;

use inf_llava::Error;
use inf_llava::image::clip::Clip;
use inf_llava::model::Model;
use inf_llava::progress::{StopFlag, Watch};
use inf_llava::session::{Answer, Session};
use inf_llava::spec::plan::Coverage;
use serde_json::Value;

use crate::load_folder;
use crate::session::greedy;

const ONEVISION: &str = "llava-onevision-siglip-qwen2";

fn model(fixture: &str) -> Rc<Model> {
    load_folder(&crate::fixture("family").join(fixture), "cpu")
}

fn expected(fixture: &str) -> Value {
    let file = crate::fixture("family").join(fixture).join("expected.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn bytes(fixture: &str, file: &str) -> Vec<u8> {
    std::fs::read(crate::fixture("family").join(fixture).join(file)).unwrap()
}

/// The fixture's video.
fn clip(fixture: &str, model: &Model) -> Clip {
    let expected = expected(fixture);
    let images = expected["images"].as_array().unwrap();
    let mut videos = images.iter().filter(|image| image["treatment"] == "video");
    let video = videos.next().expect("a video");
    let files = video["files"].as_array().unwrap().iter();
    let frames: Vec<_> = files
        .map(|file| {
            let file = file.as_str().unwrap();
            model.decode_picture(file, &bytes(fixture, file)).unwrap()
        })
        .collect();
    let times = video["timestamps_s"].as_array();
    let times_s = match times {
        Some(times) => times.iter().map(|time| time.as_f64().unwrap()).collect(),
        None => (0..frames.len()).map(|second| second as f64).collect(),
    };
    Clip {
        seconds: video["duration_s"].as_f64().unwrap_or(3.0),
        of: frames.len(),
        times_s,
        frames,
        notices: Vec::new(),
    }
}

fn session(model: &Rc<Model>) -> Session {
    Session::new(model.clone(), Coverage::Live)
}

fn ask(session: &mut Session, question: &str) -> Answer {
    crate::block_on(session.ask(question, &greedy(12), &mut Watch::nobody())).unwrap()
}

fn watch_clip(session: &mut Session, clip: &Clip) {
    let info = crate::block_on(session.add_video(clip, 0.0, &mut Watch::nobody())).unwrap();
    assert_eq!(info.vision_passes, clip.frames.len());
    assert_eq!(info.width, clip.frames[0].width);
}

#[test]
fn a_video_is_asked_about_as_in_pytorch() {
    for (fixture, name) in [
        ("smolvlm-tiny", "video"),
        (ONEVISION, "video"),
        (ONEVISION, "video_multi_turn"),
    ] {
        let (model, expected) = (model(fixture), expected(fixture));
        let cases = expected["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        let mut session = session(&model);
        watch_clip(&mut session, &clip(fixture, &model));
        let turns = case["turns"].as_array().unwrap();
        let (last, before) = turns.split_last().unwrap();
        for turn in before {
            let (question, answer) = (turn[0].as_str().unwrap(), turn[1].as_str().unwrap());
            crate::block_on(session.restore_turn(question, answer)).unwrap();
        }
        let answer = ask(&mut session, last[0].as_str().unwrap());
        let ids = case["greedy_ids"].as_array().unwrap();
        let mut ids: Vec<u64> = ids.iter().map(|id| id.as_u64().unwrap()).collect();
        if let Some(stop) = case["stops_at"].as_u64() {
            ids.truncate(stop as usize + 1);
        }
        let found: Vec<u64> = answer.token_ids.iter().map(|&id| id.into()).collect();
        assert_eq!(found, ids, "{fixture}, {name}");
        assert_eq!(
            answer.image_tokens, case["image_token_counts"][0],
            "{fixture}"
        );
        assert_eq!(answer.vision_passes, 3);
        // It is looked at once.
        let next = ask(&mut session, "And then?");
        assert_eq!(
            (next.vision_passes, next.image_tokens),
            (0, answer.image_tokens)
        );
    }
}

/// A picture beside a video is the only picture, and is divided as such; a second picture changes that, and the video
/// stays as it is.
#[test]
fn a_video_is_no_picture_to_other_pictures() {
    let model = model(ONEVISION);
    let picture = bytes(ONEVISION, "images/0.png");
    let other = bytes(ONEVISION, "images/1.png");
    let add = |session: &mut Session, bytes: &[u8]| {
        let watch = &mut Watch::nobody();
        let added = session.add_image("0.png", bytes, watch);
        crate::block_on(added).unwrap();
    };
    let tokens = |session: &mut Session| ask(session, "What is it?").image_tokens;
    let clip = clip(ONEVISION, &model);

    let mut alone = session(&model);
    add(&mut alone, &picture);
    let alone = tokens(&mut alone);
    let mut both = session(&model);
    add(&mut both, &picture);
    add(&mut both, &other);
    let both = tokens(&mut both);

    for is_first in [false, true] {
        let mut session = session(&model);
        if is_first {
            watch_clip(&mut session, &clip);
        }
        add(&mut session, &picture);
        if !is_first {
            watch_clip(&mut session, &clip);
        }
        assert_eq!(tokens(&mut session), alone + 13);
        add(&mut session, &other);
        assert_eq!(tokens(&mut session), both + 13);
    }
}

#[test]
fn what_cannot_be_looked_at_is_refused_before_the_tower_runs() {
    let fixture = "smolvlm-tiny";
    let model = model(fixture);
    let mut session = session(&model);
    let mut long = clip(fixture, &model);
    let frames = model.context_tokens / 4 + 1;
    long.frames = vec![long.frames[0].clone(); frames];
    long.times_s = vec![0.0; frames];
    let mut events = 0;
    let mut watch = Watch::new(StopFlag::default(), |_| events += 1);
    let refused = crate::block_on(session.add_video(&long, 0.0, &mut watch));
    drop(watch);
    assert!(matches!(refused, Err(Error::Option { .. })), "{refused:?}");
    assert_eq!(events, 0);

    let stop = StopFlag::default();
    stop.stop();
    let mut watch = Watch::new(stop, |_| {});
    let clip = clip(fixture, &model);
    let stopped = crate::block_on(session.add_video(&clip, 0.0, &mut watch));
    assert_eq!(stopped.err(), Some(Error::Stopped));
    assert_eq!(ask(&mut session, "Hi").image_tokens, 0, "nothing is shown");

    let pictures_only = crate::load("tiny", "cpu");
    let error = self::session(&pictures_only).clip_options(None, 1.0);
    let error = error.expect_err("no videos").to_string();
    assert!(error.contains("pictures only"), "{error}");
}
