//! Frames of videos that ffmpeg reads: MP4, WebM, Matroska, AVI and others.
//!
//! ffprobe says how large and how long a video is; ffmpeg then decodes each frame that is looked at, by its time, and
//! hands it over in a pipe. Both see a file as hostile as it is, so they are run with the kinds of files that are videos,
//! and may open no other file and no address: a playlist that is called `.mp4` would otherwise fetch what it names.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde::Deserialize;

use super::super::Picture;
use super::kept::{Clip, Kept};
use super::options::{ClipOptions, Tools};
use super::process::{Done, Failure, run};
use crate::error::{Error, Result};
use crate::progress::StopFlag;

/// The kinds of files that are read, by ffmpeg's names.
const KINDS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,rm,ivf,m4v,h264,hevc,obu,av1,dv,mjpeg,mxf,nut,yuv4mpegpipe";
/// What ffprobe may say of a video, and of all its packets.
const MOST_FACTS_BYTES: u64 = 1 << 20;
const MOST_PACKETS_BYTES: u64 = 64 << 20;
/// A rate above this is none: of some files it is the unit of their clock.
const MOST_FPS: f64 = 1000.0;
/// What a file without any rate is taken to have.
const USUAL_FPS: f64 = 25.0;
/// What is told of ffmpeg's messages.
const MOST_TOLD_CHARS: usize = 300;
/// A video may end before its last frame should have begun. Then these are tried: so many frames earlier.
const EARLIER: [f64; 5] = [0.0, 1.0, 4.0, 16.0, 64.0];

/// A frame of the video, as a PPM, to the pipe. Covers of music are no videos: a capital V.
const ONE_FRAME: &str =
    "-map 0:V:0 -frames:v 1 -an -sn -dn -c:v ppm -pix_fmt rgb24 -f image2pipe pipe:1";

/// What is known of a video before anything is decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Facts {
    size: (u32, u32),
    frames: usize,
    fps: f64,
    seconds: f64,
}

/// ffprobe's answer.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize)]
struct Stream {
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    avg_frame_rate: String,
    #[serde(default)]
    r_frame_rate: String,
    #[serde(default)]
    nb_frames: String,
    #[serde(default)]
    duration: String,
}

#[derive(Default, Deserialize)]
struct Format {
    #[serde(default)]
    duration: String,
}

/// The programs, and what they are run for.
struct Reader<'a> {
    path: &'a Path,
    file: &'a str,
    tools: &'a Tools,
    until: Instant,
    stop: &'a StopFlag,
}

/// The frames of a video that are looked at.
///
/// # Errors
/// As [`super::open`].
pub(super) fn read(
    path: &Path,
    file: &str,
    options: &ClipOptions,
    stop: &StopFlag,
) -> Result<Clip> {
    let now = Instant::now();
    let reader = Reader {
        path,
        file,
        tools: &options.tools,
        until: now.checked_add(options.tools.within).unwrap_or(now),
        stop,
    };
    let facts = reader.facts()?;
    options.limits.check(file, facts.size)?;
    let Facts {
        frames,
        fps,
        seconds,
        ..
    } = facts;
    let wanted = options.choice.frames(frames, fps, seconds);
    let mut kept = Kept::new(file, options, wanted.len(), frames, seconds)?;
    kept.check(facts.size)?;
    for frame in wanted {
        let picture = reader.frame(frame as f64, fps, options)?;
        kept.push(picture, frame as f64 / fps)?;
    }
    Ok(kept.done())
}

/// A fraction as ffprobe writes it, `30000/1001`; none of `0/0`.
fn rate(text: &str) -> Option<f64> {
    let (part, whole) = text.split_once('/').unwrap_or((text, "1"));
    let rate = number(part)? / number(whole)?;
    (rate.is_finite() && rate > 0.0 && rate <= MOST_FPS).then_some(rate)
}

/// A number that is one, and above 0.
fn number(text: &str) -> Option<f64> {
    let number = text.trim().parse::<f64>().ok()?;
    (number.is_finite() && number > 0.0).then_some(number)
}

impl Stream {
    /// What follows from it; none where it does not say how long it takes.
    fn facts(&self, format: &Format) -> Option<Facts> {
        let counted = number(&self.nb_frames);
        let fps = rate(&self.avg_frame_rate).or_else(|| rate(&self.r_frame_rate));
        let stated = number(&self.duration).or_else(|| number(&format.duration));
        let fps = fps.or_else(|| Some(counted? / stated?));
        let fps = fps.unwrap_or(USUAL_FPS).min(MOST_FPS);
        let seconds = stated.or_else(|| Some(counted? / fps))?;
        let frames = counted.unwrap_or((seconds * fps).round()).max(1.0);
        Some(Facts {
            size: (self.width, self.height),
            frames: frames as usize,
            fps,
            seconds,
        })
    }

    /// The same from when each packet is shown, one a line; some say no time.
    fn facts_of_packets(&self, times: &str) -> Option<Facts> {
        let (mut frames, mut timed) = (0_usize, 0_usize);
        let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
        for line in times.lines().filter(|line| !line.trim().is_empty()) {
            frames += 1;
            let time = line.trim().trim_end_matches(',').parse::<f64>();
            if let Some(time) = time.ok().filter(|time| time.is_finite()) {
                timed += 1;
                first = first.min(time);
                last = last.max(time);
            }
        }
        let stated = rate(&self.avg_frame_rate).unwrap_or(USUAL_FPS);
        let fps = match (timed, last - first) {
            (2.., taken) if taken > 0.0 => ((timed - 1) as f64 / taken).min(MOST_FPS),
            _ => stated,
        };
        if frames == 0 {
            return None;
        }
        Some(Facts {
            size: (self.width, self.height),
            frames,
            fps,
            seconds: frames as f64 / fps,
        })
    }
}

impl Reader<'_> {
    fn refused(&self, reason: String) -> Error {
        Error::ImageFormat {
            file: self.file.into(),
            reason,
        }
    }

    /// The error for a program that did not do it; `messages` are its own.
    fn failed(&self, what: &str, messages: &str) -> Error {
        let says = |line: &&str| !line.trim().is_empty() && !line.contains("message repeated");
        let last = messages.lines().rev().find(says);
        let said: String = last.map_or_else(
            || "it says nothing".into(),
            |line| line.trim().chars().take(MOST_TOLD_CHARS).collect(),
        );
        Error::ImageDamaged {
            file: self.file.into(),
            reason: format!("{what} ({said}); is it a video, and whole?"),
        }
    }

    /// Runs one of the programs: what is told in front of the file, and behind it.
    fn run(
        &self,
        program: &Path,
        before: &[&str],
        behind: &[&str],
        most_bytes: u64,
    ) -> Result<Done> {
        let mut file = OsString::from("file:");
        file.push(self.path);
        let mut command = Command::new(program);
        command
            .args(["-v", "error", "-hide_banner"])
            .args(["-protocol_whitelist", "file", "-format_whitelist", KINDS])
            .args(before)
            .arg("-i")
            .arg(file)
            .args(behind)
            .env("AV_LOG_FORCE_NOCOLOR", "1");
        let name = program.display();
        run(&mut command, most_bytes, self.until, self.stop).map_err(|failure| match failure {
            Failure::Stopped => Error::Stopped,
            Failure::Missing => self.refused(format!(
                "videos of this kind are read by ffmpeg, and there is no {name} here; install it (apt install ffmpeg, brew install ffmpeg, winget install ffmpeg), or give an animated GIF, WebP or PNG, or a folder of frames"
            )),
            Failure::Unable(error) => self.refused(format!("{name} cannot be run: {error}")),
            Failure::TooMuch => self.refused(format!(
                "{name} gives more than {} MB where less was asked for; scale the video down first",
                most_bytes / 1_000_000
            )),
            Failure::TooLong => self.refused(format!(
                "{name} is not done after {} s; cut the part to look at out of it, or scale it down first",
                self.tools.within.as_secs()
            )),
        })
    }

    /// What ffprobe knows. Where a file does not say how long it is (what browsers record does not), its packets are
    /// counted.
    fn facts(&self) -> Result<Facts> {
        let probe = &self.tools.ffprobe;
        let fields =
            "stream=width,height,avg_frame_rate,r_frame_rate,nb_frames,duration:format=duration";
        let told = self.run(
            probe,
            &["-select_streams", "V:0", "-show_entries", fields],
            &["-of", "json"],
            MOST_FACTS_BYTES,
        )?;
        let no_video = |messages: &str| self.failed("ffprobe finds no video in it", messages);
        if !told.is_ok {
            return Err(no_video(&told.messages));
        }
        let answer: Result<Answer, _> = serde_json::from_slice(&told.output);
        let answer = answer.map_err(|error| no_video(&error.to_string()))?;
        let stream = answer.streams.first();
        let stream = stream.ok_or_else(|| no_video(&told.messages))?;
        if let Some(facts) = stream.facts(&answer.format) {
            return Ok(facts);
        }
        let times = self.run(
            probe,
            &["-select_streams", "V:0", "-show_entries", "packet=pts_time"],
            &["-of", "csv=p=0"],
            MOST_PACKETS_BYTES,
        )?;
        let facts = stream.facts_of_packets(&String::from_utf8_lossy(&times.output));
        facts.ok_or_else(|| no_video(&times.messages))
    }

    /// A frame by its number.
    fn frame(&self, frame: f64, fps: f64, options: &ClipOptions) -> Result<Picture> {
        let most_bytes = options.limits.max_pixels.saturating_mul(3) + HEAD_BYTES as u64;
        // Between it and the one before it, so that rounding does not matter.
        let time = |earlier: f64| ((frame - earlier - 0.5) / fps).max(0.0);
        let mut messages = String::new();
        for earlier in EARLIER {
            let time = time(earlier);
            let seek = ["-ss".to_string(), format!("{time:.6}")];
            // Some files that can be read from the beginning cannot be sought in.
            let seek = if time > 0.0 { &seek[..] } else { &[] };
            match self.decoded(seek, &[], most_bytes)? {
                Ok(picture) => return self.checked(picture, options),
                Err(told) => messages = told,
            }
            if time == 0.0 {
                break;
            }
        }
        // Decodes everything in front of it too.
        let skip = ["-ss".to_string(), format!("{:.6}", time(0.0))];
        match self.decoded(&[], &skip, most_bytes)? {
            Ok(picture) => return self.checked(picture, options),
            Err(told) if messages.is_empty() => messages = told,
            Err(_) => {}
        }
        let second = frame / fps;
        let what = format!("ffmpeg finds no frame at {second:.1} s");
        Err(self.failed(&what, &messages))
    }

    /// The first frame, of what is left when `seek` was told in front of the file and `skip` behind it; else messages.
    fn decoded(
        &self,
        seek: &[String],
        skip: &[String],
        most_bytes: u64,
    ) -> Result<Result<Picture, String>> {
        self.stop.check()?;
        let seek = seek.iter().map(String::as_str);
        let before: Vec<&str> = ["-nostdin"].into_iter().chain(seek).collect();
        let skip = skip.iter().map(String::as_str);
        let behind: Vec<&str> = skip.chain(ONE_FRAME.split(' ')).collect();
        let done = self.run(&self.tools.ffmpeg, &before, &behind, most_bytes)?;
        if done.output.is_empty() {
            return Ok(Err(done.messages));
        }
        match from_ppm(done.output) {
            Some(picture) => Ok(Ok(picture)),
            None => Err(self.failed("ffmpeg's frame is not what was asked for", &done.messages)),
        }
    }

    /// The picture, if it is not too large: ffprobe may have said otherwise.
    fn checked(&self, picture: Picture, options: &ClipOptions) -> Result<Picture> {
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let size = (side(picture.width), side(picture.height));
        options.limits.check(self.file, size)?;
        Ok(picture)
    }
}

/// More than the head of a PPM has.
const HEAD_BYTES: usize = 64;

/// A PPM as ffmpeg writes it: `P6`, width, height and 255, white space behind each, then RGB.
fn from_ppm(mut ppm: Vec<u8>) -> Option<Picture> {
    let head = &ppm[..ppm.len().min(HEAD_BYTES)];
    let mut at = 0;
    let mut word = || {
        let rest = head.get(at..)?;
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        at += end + 1;
        std::str::from_utf8(&rest[..end]).ok()
    };
    if word()? != "P6" {
        return None;
    }
    let width: usize = word()?.parse().ok()?;
    let height: usize = word()?.parse().ok()?;
    if word()? != "255" {
        return None;
    }
    ppm.drain(..at);
    let bytes = width.checked_mul(height)?.checked_mul(3)?;
    (bytes > 0 && ppm.len() == bytes).then_some(Picture {
        width,
        height,
        rgb: ppm,
        notices: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_fractions_and_some_are_none() {
        assert_eq!(rate("30000/1001"), Some(30_000.0 / 1001.0));
        assert_eq!(rate("25"), Some(25.0));
        for none in [
            "0/0",
            "0/1",
            "1/0",
            "-25/1",
            "90000/1",
            "",
            "x",
            "1/2/3",
            "inf",
            "NaN/1",
            "1e300/1e-300",
        ] {
            assert_eq!(rate(none), None, "{none}");
        }
    }

    #[test]
    fn what_a_file_does_not_say_follows_from_the_rest() {
        let facts = |stream: &str, whole: &str| {
            let answer = format!(r#"{{"streams": [{{{stream}}}], "format": {{{whole}}}}}"#);
            let answer: Answer = serde_json::from_str(&answer).expect("an answer");
            let facts = answer.streams[0].facts(&answer.format)?;
            Some((facts.frames, facts.fps, facts.seconds))
        };
        let (rate, count) = (r#""avg_frame_rate": "10/1""#, r#""nb_frames": "50""#);
        let (own, whole) = (r#""duration": "5.0""#, r#""duration": "6.0""#);
        assert_eq!(
            facts(&[rate, count, own].join(","), whole),
            Some((50, 10.0, 5.0))
        );
        assert_eq!(facts(rate, whole), Some((60, 10.0, 6.0)));
        assert_eq!(facts(&[rate, count].join(","), ""), Some((50, 10.0, 5.0)));
        assert_eq!(facts(&[count, own].join(","), ""), Some((50, 10.0, 5.0)));
        let other = r#""avg_frame_rate": "0/0", "r_frame_rate": "20/1""#;
        assert_eq!(facts(other, whole), Some((120, 20.0, 6.0)));
        assert_eq!(facts("", whole), Some((150, USUAL_FPS, 6.0)));
        assert_eq!(facts(rate, ""), None);
        assert_eq!(facts("", r#""duration": "N/A""#), None);
        // Numbers that no video has.
        let absurd = facts(rate, r#""duration": "1e300""#).expect("facts");
        assert_eq!(absurd.0, usize::MAX);
        let short = facts(rate, r#""duration": "0.001""#).expect("facts");
        assert_eq!(short.0, 1);
    }
}
