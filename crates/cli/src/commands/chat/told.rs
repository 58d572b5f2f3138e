//! What is told of an answer on stderr.

use inf_llava::config::RemarkCode;
use inf_llava::session::Answer;

/// With fewer tokens than this, their speed is not meaningful.
const FEWEST_TIMED_TOKENS: usize = 16;

/// What an answer took: the time, and all other figures if `in_full`.
pub(super) fn told(answer: &Answer, in_full: bool) -> String {
    let times = &answer.timings_ms;
    let parts = [
        ("reading the picture", times.image),
        ("looking at it", times.vision),
        ("reading the question", times.prefill),
        ("answering", times.decode),
    ];
    let seconds = parts.iter().map(|(_, ms)| ms).sum::<f64>() / 1000.0;
    let mut told = match seconds < 1.0 {
        true => format!("{seconds:.2} s"),
        false => format!("{seconds:.1} s"),
    };
    if !in_full {
        return told;
    }
    let parts = parts.iter().filter(|(_, ms)| *ms > 0.0);
    let parts: Vec<String> = parts
        .map(|(what, ms)| format!("{what} {:.3} s", ms / 1000.0))
        .collect();
    told += &format!(": {}; {} tokens", parts.join(", "), answer.answer_tokens);
    if answer.answer_tokens >= FEWEST_TIMED_TOKENS {
        told += &format!(", {:.1} a second", answer.tokens_per_second);
    }
    told += &format!(
        "; {} of the prompt's {} tokens computed, {} passes of the vision tower",
        answer.new_prompt_tokens, answer.prompt_tokens, answer.vision_passes
    );
    told
}

/// Shows a remark beside an answer. In place of an answer it was already shown, except for how to
/// give a picture here.
pub(super) fn say_remark(answer: &Answer, takes_a_picture: &str) {
    let Some(remark) = &answer.remark else {
        return;
    };
    if remark.code == RemarkCode::NeedsPicture {
        eprintln!("{takes_a_picture} gives it a picture.");
    } else if remark.answered {
        eprintln!("{}", remark.text);
    }
}
