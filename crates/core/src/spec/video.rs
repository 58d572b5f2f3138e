//! How videos are seen: what stands for one in a prompt, computed from counts and times.

use super::frames::Sampling;
use super::grid::GridSpec;
use super::run::{Run, Runs};

/// The most frames of a video whose number is said in words.
pub const MOST_TIMED: usize = 999;

/// How a model sees a video.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Video {
    /// SmolVLM2: each frame as a picture of one tile, with its time in words.
    Timed(TimedSpec),
    /// LLaVA-OneVision: each frame as a view whose map of tokens is reduced, without words.
    Pooled,
}

/// SmolVLM2's videos.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedSpec {
    /// Which frames are looked at.
    pub sampling: Sampling,
    /// How a frame becomes a tile; it is not split.
    pub grid: GridSpec,
}

impl TimedSpec {
    /// What stands in a prompt for a video that takes `seconds`, whose frames are from `times_s` and have `tokens`
    /// visual tokens each (transformers' `SmolVLMProcessor`, `expand_text_with_video_tokens`). At most [`MOST_TIMED`]
    /// frames can be said.
    pub fn runs(&self, times_s: &[f64], seconds: f64, tokens: usize) -> Vec<Run> {
        let count = in_words(times_s.len());
        let length = clock(seconds);
        let mut runs = Runs::default();
        runs.words(&format!(
            "You are provided the following series of {count} frames from a {length} [H:MM:SS] video.\n"
        ));
        for &time in times_s {
            // Casts truncate, and saturate; no number is 0.
            let time = time as u64;
            let (minutes, rest) = (time / 60, time % 60);
            runs.words(&format!("\nFrame from {minutes:02}:{rest:02}:"));
            let whole = self.grid.grid([1, 1]);
            for run in whole.runs(tokens) {
                match run {
                    Run::Words(words) => runs.words(&words),
                    Run::Tokens(tokens) => runs.tokens(tokens),
                }
            }
        }
        runs.words("\n\n");
        runs.into_list()
    }
}

/// Python's `str(timedelta(seconds=int(seconds)))`.
fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        _ => format!("{days} days, {clock}"),
    }
}

/// A number up to [`MOST_TIMED`] in English words, as Python's `num2words`; larger ones in digits.
fn in_words(number: usize) -> String {
    const SMALL: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 10] = [
        "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    match (number, number / 100, number % 100) {
        (0..=19, ..) => SMALL[number].into(),
        (20..=99, ..) if number.is_multiple_of(10) => TENS[number / 10].into(),
        (20..=99, ..) => format!("{}-{}", TENS[number / 10], SMALL[number % 10]),
        (100..=MOST_TIMED, hundreds, 0) => format!("{} hundred", SMALL[hundreds]),
        (100..=MOST_TIMED, hundreds, rest) => {
            format!("{} hundred and {}", SMALL[hundreds], in_words(rest))
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_num2words_says_them() {
        for (number, words) in [
            (1, "one"),
            (13, "thirteen"),
            (20, "twenty"),
            (64, "sixty-four"),
            (90, "ninety"),
            (100, "one hundred"),
            (101, "one hundred and one"),
            (215, "two hundred and fifteen"),
            (999, "nine hundred and ninety-nine"),
            (1000, "1000"),
        ] {
            assert_eq!(in_words(number), words);
        }
    }

    #[test]
    fn lengths_are_said_as_python_says_them() {
        for (seconds, words) in [
            (0.0, "0:00:00"),
            (62.9, "0:01:02"),
            (36_000.0, "10:00:00"),
            (86_399.0, "23:59:59"),
            (90_061.0, "1 day, 1:01:01"),
            (200_000.0, "2 days, 7:33:20"),
            (f64::NAN, "0:00:00"),
            (-1.0, "0:00:00"),
        ] {
            assert_eq!(clock(seconds), words);
        }
    }
}
