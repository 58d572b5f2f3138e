//! What SmolVLM is told about the frames of a video.
//!
//! In: counts and seconds. Out: the text before the frames, and before each. It must not know which
//! frames are looked at, or what a template makes of them.

/// What follows the last frame.
pub const AFTER_FRAMES: &str = "\n\n";

/// Seconds of a day.
const DAY: u64 = 24 * 3600;

/// What stands before so many frames of a video that takes `seconds`, as transformers'
/// `SmolVLMProcessor` writes it: the number in words, the time truncated to seconds. A time that is
/// no number counts as 0.
pub fn before_frames(frames: usize, seconds: f64) -> String {
    let (count, time) = (in_words(frames), clock(seconds as u64)); // truncates, and saturates
    format!(
        "You are provided the following series of {count} frames from a {time} [H:MM:SS] video.\n"
    )
}

/// What stands before the frame at `second`: minutes, which may exceed 59, and seconds. The frame's
/// picture follows at once.
pub fn before_frame(second: f64) -> String {
    let second = second as u64; // truncates, and saturates
    format!("\nFrame from {:02}:{:02}:", second / 60, second % 60)
}

/// `H:MM:SS`, with the days before it if there are any: Python's `str(timedelta)`.
fn clock(seconds: u64) -> String {
    let (days, rest) = (seconds / DAY, seconds % DAY);
    let time = format!("{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => time,
        1 => format!("1 day, {time}"),
        _ => format!("{days} days, {time}"),
    }
}

/// A number in English words as Python's num2words has it: `sixty-four`, `one hundred and one`, `one thousand, two
/// hundred and thirty-four`; in digits from a million on, which no video has frames.
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
    let after = |joint: &str, rest: usize| match rest {
        0 => String::new(),
        _ => format!("{joint}{}", in_words(rest)),
    };
    let Some(word) = SMALL.get(number) else {
        return match number {
            20..=99 => format!("{}{}", TENS[number / 10], after("-", number % 10)),
            100..=999 => {
                let hundreds = SMALL[number / 100];
                format!("{hundreds} hundred{}", after(" and ", number % 100))
            }
            1000..=999_999 => {
                let (thousands, rest) = (in_words(number / 1000), number % 1000);
                let joint = if rest < 100 { " and " } else { ", " };
                format!("{thousands} thousand{}", after(joint, rest))
            }
            _ => number.to_string(),
        };
    };
    (*word).into()
}
