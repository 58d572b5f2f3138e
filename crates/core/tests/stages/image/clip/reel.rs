//! The frames of a video that a browser has decoded.

use inf_llava_core::error::Result;
use inf_llava_core::image::clip::{Choice, Clip, ClipOptions, MOST_HELD, is_reel, reel};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::spec::Video;

const MAGIC: &[u8; 8] = b"\x89ILREEL\n";

fn png(side: u32, grey: u8) -> Vec<u8> {
    let image = image::RgbImage::from_pixel(side, side, image::Rgb([grey; 3]));
    let mut file = std::io::Cursor::new(Vec::new());
    image
        .write_to(&mut file, image::ImageFormat::Png)
        .expect("a PNG");
    file.into_inner()
}

fn written(head: &str, rest: &[u8]) -> Vec<u8> {
    let length = (head.len() as u32).to_le_bytes();
    [MAGIC, &length[..], head.as_bytes(), rest].concat()
}

fn read(bytes: &[u8]) -> Result<Clip> {
    let options = ClipOptions::new(Choice::new(Video::Pooled, 8));
    reel("a film", bytes, &options, &StopFlag::default())
}

#[test]
fn its_frames_are_what_was_put_in() {
    let files = [png(3, 10), png(3, 200)];
    let head = format!(
        r#"{{"seconds":2.5,"of":75,"frames":[{{"time_s":0,"bytes":{}}},{{"time_s":1.5,"bytes":{}}}]}}"#,
        files[0].len(),
        files[1].len()
    );
    let bytes = written(&head, &files.concat());
    assert!(is_reel(&bytes) && !is_reel(&files[0]));
    let clip = read(&bytes).expect("a clip");
    assert_eq!(
        (clip.of, clip.seconds, &clip.times_s[..]),
        (75, 2.5, &[0.0, 1.5][..])
    );
    let greys: Vec<u8> = clip.frames.iter().map(|frame| frame.rgb[0]).collect();
    assert_eq!(greys, [10, 200]);
}

#[test]
fn a_damaged_one_is_refused_whatever_it_says() {
    let file = png(2, 0);
    let frame = |time: &str, bytes: usize| {
        let head = format!(r#"{{"seconds":1,"frames":[{{"time_s":{time},"bytes":{bytes}}}]}}"#);
        written(&head, &file)
    };
    let good = frame("0", file.len());
    assert!(read(&good).is_ok());
    for length in 0..good.len() {
        assert!(read(&good[..length]).is_err(), "{length} bytes");
    }
    let cases = [
        frame("0", file.len() - 1),
        frame("0", usize::MAX),
        frame("-1", file.len()),
        frame("1e9", file.len()),
        written("{}", &file),
        written("[]", &file),
        written(r#"{"seconds":1e99,"frames":[]}"#, &file),
        [&MAGIC[..], &u32::MAX.to_le_bytes(), &file].concat(),
    ];
    for case in cases {
        let error = read(&case).expect_err("refused").to_string();
        assert!(error.starts_with("a film"), "{error}");
    }
    let many = vec![r#"{"time_s":0,"bytes":0}"#; MOST_HELD + 1].join(",");
    let many = written(&format!(r#"{{"seconds":1,"frames":[{many}]}}"#), &[]);
    assert!(
        read(&many)
            .expect_err("refused")
            .to_string()
            .contains("1025 frames")
    );
}
