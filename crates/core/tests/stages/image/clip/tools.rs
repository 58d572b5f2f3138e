//! ffmpeg, by programs that stand in for it: what it is asked, and what is made of its answers.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use inf_llava_core::image::Limits;
use inf_llava_core::image::clip::{Clip, ClipOptions, Tools, open};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::{Error, Result};
use tempfile::TempDir;

use super::{at_most, timed};

/// A folder with a video and with programs.
struct Place(TempDir);

/// What ffprobe says of a video of 100 frames, 10 a second.
const FACTS: &str = r#"{"programs": [], "streams": [{"width": 2, "height": 1, "r_frame_rate": "10/1",
    "avg_frame_rate": "10/1", "nb_frames": "100", "duration": "10.000000"}], "format": {"duration": "10.2"}}"#;
/// A program that gives a frame whose red is the second that was asked for.
const FRAME: &str = r#"
after=; second=0
for word; do [ "$after" = -ss ] && second=${word%%.*}; after=$word; done
printf 'P6\n2 1\n255\n'
printf "\\$(printf %03o "$second")12345""#;

impl Place {
    /// With programs that do so.
    fn new(ffprobe: &str, ffmpeg: &str) -> Self {
        let place = Place(tempfile::tempdir().expect("a folder"));
        for (name, text) in [("ffprobe", ffprobe), ("ffmpeg", ffmpeg)] {
            // Each notes what it is asked for, a word a line.
            let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >> \"$0.asked\"\n{text}\n");
            place.install(name, &script);
        }
        fs::write(place.file(), "a video").expect("a file");
        place
    }

    /// A program is written by a program of its own: a file that this process has open for writing, also in a child
    /// that another test is about to begin, cannot be run.
    fn install(&self, name: &str, script: &str) {
        let from = self.0.path().join(format!("{name}.script"));
        fs::write(&from, script).expect("a file");
        let copied = Command::new("cp")
            .args([&from, &self.0.path().join(name)])
            .status();
        assert!(copied.expect("cp").success());
        let to = self.0.path().join(name);
        let made = Command::new("chmod").arg("+x").arg(to).status();
        assert!(made.expect("chmod").success());
    }

    /// A name that a shell would take apart, and that begins like an option.
    fn file(&self) -> PathBuf {
        self.0.path().join("-i $(x) 'a' \"b\".mp4")
    }

    fn options(&self, options: ClipOptions) -> ClipOptions {
        let tools = Tools {
            ffmpeg: self.0.path().join("ffmpeg"),
            ffprobe: self.0.path().join("ffprobe"),
            ..Tools::default()
        };
        ClipOptions { tools, ..options }
    }

    fn read(&self, options: ClipOptions) -> Result<Clip> {
        open(&self.file(), &self.options(options), &StopFlag::default())
    }

    /// What a program was asked, a line a word.
    fn asked(&self, program: &str) -> String {
        let asked = self.0.path().join(format!("{program}.asked"));
        fs::read_to_string(asked).unwrap_or_default()
    }
}

fn probe(facts: &str) -> String {
    format!("cat <<'END'\n{facts}\nEND")
}

fn reason(result: Result<Clip>) -> String {
    match result {
        Err(Error::ImageDamaged { reason, .. } | Error::ImageFormat { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

fn reds(clip: &Clip) -> Vec<u8> {
    clip.frames.iter().map(|frame| frame.rgb[0]).collect()
}

#[test]
fn frames_are_asked_for_by_their_times() {
    let place = Place::new(&probe(FACTS), FRAME);
    let clip = place.read(at_most(4)).expect("a clip");
    assert_eq!(clip.times_s, [0.0, 3.3, 6.6, 9.9]);
    // Between the frame and the one before it.
    assert_eq!(reds(&clip), [0, 3, 6, 9]);
    assert_eq!(clip.frames[0].rgb, *b"\x0012345");
    assert_eq!((clip.of, clip.seconds), (100, 10.0));
    let clip = place.read(timed(1.0, 4)).expect("a clip");
    assert_eq!(clip.times_s, [1.0, 3.6, 6.3, 9.0]);

    let file = format!("\nfile:{}\n", place.file().display());
    for program in ["ffprobe", "ffmpeg"] {
        let asked = place.asked(program);
        assert!(asked.contains(&file), "{asked}");
        // No playlist, no list of files, no address.
        assert!(asked.contains("\n-protocol_whitelist\nfile\n"), "{asked}");
        assert!(asked.contains("\n-format_whitelist\nmov,mp4,"), "{asked}");
        let kinds = asked.split("\n-format_whitelist\n").nth(1).expect("kinds");
        let kinds = kinds.lines().next().expect("a line");
        for kind in ["hls", "concat", "dash", "image2", "tty", "lavfi"] {
            assert!(!kinds.contains(kind), "{kind}: {kinds}");
        }
    }
    let asked = place.asked("ffmpeg");
    let seeks = asked.matches("\n-ss\n").count();
    assert_eq!(seeks, 7, "the first frame needs none: {asked}");
    assert!(asked.contains("\n-ss\n3.250000\n-i\n"), "{asked}");
    assert!(asked.starts_with("-v\nerror\n"), "{asked}");
}

#[test]
fn a_video_that_does_not_say_how_long_it_is_is_measured() {
    // As browsers record: neither length nor number of frames.
    let facts =
        r#"{"streams": [{"width": 2, "height": 1, "avg_frame_rate": "1000/1"}], "format": {}}"#;
    let packets = "case \"$*\" in *packet=*) printf '0.0\\n0.5,\\n1.0\\n\\n1.5\\n';; *) ";
    let place = Place::new(&format!("{packets} {}\n;; esac", probe(facts)), FRAME);
    let clip = place.read(at_most(9)).expect("a clip");
    assert_eq!((clip.of, clip.seconds), (4, 2.0));
    assert_eq!(clip.times_s, [0.0, 0.5, 1.0, 1.5]);
    // Nor any time: frames of the stated rate.
    let packets = "case \"$*\" in *packet=*) printf 'N/A\\nN/A\\n';; *) ";
    let facts = facts.replace("1000/1", "4/1");
    let place = Place::new(&format!("{packets} {}\n;; esac", probe(&facts)), FRAME);
    let clip = place.read(at_most(9)).expect("a clip");
    assert_eq!((clip.of, clip.seconds), (2, 0.5));
    // Nor any packet.
    let packets = "case \"$*\" in *packet=*) ;; *) ";
    let place = Place::new(&format!("{packets} {}\n;; esac", probe(&facts)), FRAME);
    assert!(reason(place.read(at_most(9))).contains("no video"));
}

#[test]
fn a_frame_behind_the_end_is_one_that_is_nearest_to_it() {
    // Of 10 seconds there are 9.
    let short = format!("case \"$*\" in *'-ss 9.'*) exit 0;; esac\n{FRAME}");
    let place = Place::new(&probe(FACTS), &short);
    let clip = place.read(at_most(2)).expect("a clip");
    assert_eq!((reds(&clip), clip.times_s), (vec![0, 8], vec![0.0, 9.9]));
    // A file in which seeking gives nothing is read from the beginning: the time stands behind the file.
    let unsought = format!("case \"$*\" in *'-ss '*' -i '*) exit 1;; esac\n{FRAME}");
    let place = Place::new(&probe(FACTS), &unsought);
    let clip = place.read(at_most(2)).expect("a clip");
    assert_eq!(reds(&clip), [0, 9]);
    // No frame at all.
    let none = "echo 'first' >&2; echo 'moov atom not found' >&2; exit 1";
    let place = Place::new(&probe(FACTS), none);
    let told = reason(place.read(at_most(2)));
    assert!(
        told.contains("no frame at 0.0 s (moov atom not found)"),
        "{told}"
    );
}

#[test]
fn answers_that_are_not_what_was_asked_for_are_refused() {
    let refused = |ffprobe: &str, ffmpeg: &str, words: &str| {
        let place = Place::new(ffprobe, ffmpeg);
        let told = reason(place.read(at_most(2)));
        assert!(told.contains(words), "{told}");
    };
    refused(
        "echo 'no such kind' >&2; exit 1",
        FRAME,
        "no video in it (no such kind)",
    );
    refused("kill -SEGV $$", FRAME, "no video in it (it says nothing)");
    refused("echo '{'", FRAME, "no video");
    refused(&probe(r#"{"streams": []}"#), FRAME, "no video");
    refused("yes", FRAME, "more than 1 MB");
    for frame in [
        "printf 'P6\\n2 1\\n255\\n12345'",
        "printf 'P6\\n2 1\\n255\\n1234567'",
        "printf 'P6\\n0 1\\n255\\n'",
        "printf 'P5\\n2 1\\n255\\n12'",
        "printf 'P6\\n2 1\\n65535\\n123456123456'",
        "printf 'P6\\n4294967296 4294967296\\n255\\n123456'",
        "printf 'P6'",
        "echo x",
    ] {
        refused(&probe(FACTS), frame, "not what was asked for");
    }
    let large = FACTS.replace("\"width\": 2", "\"width\": 20000");
    let result = Place::new(&probe(&large), FRAME).read(at_most(2));
    assert!(
        matches!(result, Err(Error::ImageTooLarge { .. })),
        "{result:?}"
    );
    let none = FACTS.replace("\"width\": 2", "\"width\": 0");
    assert!(matches!(
        Place::new(&probe(&none), FRAME).read(at_most(2)),
        Err(Error::ImageDamaged { .. })
    ));
    // More than ffprobe has said, and than the limits allow.
    let limits = Limits {
        max_pixels: 2,
        max_side: 2,
    };
    let small = |options| ClipOptions { limits, ..options };
    let place = Place::new(&probe(FACTS), "yes");
    assert!(reason(place.read(small(at_most(2)))).contains("where less was asked for"));
    // Six frames of six bytes would fit into fifty, nine do not.
    let place = Place::new(&probe(FACTS), FRAME);
    assert_eq!(
        place.read(small(at_most(8))).expect("a clip").frames.len(),
        8
    );
    let told = reason(place.read(small(at_most(9))));
    assert!(told.contains("9 frames of 2 x 1 pixels"), "{told}");
}

/// Whether a process is there.
fn lives(pid: &str) -> bool {
    let asked = Command::new("kill")
        .args(["-0", pid])
        .stderr(Stdio::null())
        .status();
    asked.expect("kill").success()
}

/// The number of a program that notes it, once it does.
fn noted(place: &Place) -> String {
    let start = Instant::now();
    loop {
        let note = fs::read_to_string(place.0.path().join("pid")).unwrap_or_default();
        if let Some(pid) = note.strip_suffix('\n') {
            return pid.into();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it never began");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Notes its number, and takes ten minutes.
const SLOW: &str = "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 600";

#[test]
fn a_program_that_takes_too_long_is_ended() {
    let place = Place::new(&probe(FACTS), SLOW);
    let mut options = place.options(at_most(2));
    options.tools.within = Duration::from_millis(1500);
    let start = Instant::now();
    let told = reason(open(&place.file(), &options, &StopFlag::default()));
    assert!(told.contains("not done after 1 s"), "{told}");
    assert!(start.elapsed() < Duration::from_secs(300));
    let note = fs::read_to_string(place.0.path().join("pid")).unwrap_or_default();
    assert!(note.is_empty() || !lives(note.trim()), "{note}");
}

#[test]
fn a_stop_ends_the_program() {
    let place = Place::new(&probe(FACTS), SLOW);
    let stop = StopFlag::default();
    let (file, options) = (place.file(), place.options(at_most(2)));
    let reading = thread::spawn({
        let stop = stop.clone();
        move || open(&file, &options, &stop)
    });
    let pid = noted(&place);
    assert!(lives(&pid));
    stop.stop();
    assert_eq!(reading.join().expect("no panic"), Err(Error::Stopped));
    assert!(!lives(&pid));
    // A program that closes its output and goes on is no better.
    let place = Place::new(&probe(FACTS), &format!("exec >&- 2>&-; {SLOW}"));
    let stop = StopFlag::default();
    let (file, options) = (place.file(), place.options(at_most(2)));
    let reading = thread::spawn({
        let stop = stop.clone();
        move || open(&file, &options, &stop)
    });
    let pid = noted(&place);
    stop.stop();
    assert_eq!(reading.join().expect("no panic"), Err(Error::Stopped));
    assert!(!lives(&pid));
}

#[test]
fn many_messages_do_not_hold_a_program_up() {
    let talks = format!(
        "i=0; while [ $i -lt 4000 ]; do echo 'a message of some length, again and again' >&2; i=$((i+1)); done\n{FRAME}"
    );
    let place = Place::new(&probe(FACTS), &talks);
    assert_eq!(place.read(at_most(1)).expect("a clip").frames.len(), 1);
}
