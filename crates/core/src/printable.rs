//! Makes untrusted text safe to show on a terminal.
//!
//! In: text of a model, a hub, a file, a data set. Out: the same text without characters that
//! control a terminal or change the visible order of the text.

use sha2::{Digest, Sha256};

/// Most characters of an untrusted value that [`quoted`] shows.
const QUOTED_CHARS: usize = 100;

/// Whether `c` is safe on a terminal: no control character (C0, DEL, C1) except line breaks and
/// tabs, none of Unicode's bidirectional controls, and no other kind of line break.
pub fn is_harmless(c: char) -> bool {
    let turns = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    matches!(c, '\n' | '\t') || !(c.is_control() || turns || breaks)
}

/// `text` with unsafe characters replaced by U+FFFD, so that no answer and no file name can move
/// the cursor, rename the window or write to the clipboard.
pub fn printable(text: &str) -> String {
    let shown = |c| match is_harmless(c) {
        true => c,
        false => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(shown).collect()
}

/// Like [`printable`], but in one line: a line break is shown as `
/// `, so that a path or another value in a message cannot imitate a separate message.
pub fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

/// An untrusted value for a message: in quotation marks, in one line, and truncated if it is long.
/// Characters that are not printable are shown by their code points.
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_CHARS).collect();
    let rest = text.chars().count().saturating_sub(QUOTED_CHARS);
    shown = format!("{shown:?}");
    match rest {
        0 => shown,
        _ => format!("{shown} and {rest} more characters"),
    }
}

/// The SHA-256 of `bytes`, as 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_cannot_command_the_terminal() {
        let shown = printable("a\x1b]52;c;cm0=\x07b\u{9b}2J\r\n\tc");
        assert_eq!(shown, "a\u{fffd}]52;c;cm0=\u{fffd}b\u{fffd}2J\u{fffd}\n\tc");
    }

    #[test]
    fn no_name_begins_a_line() {
        assert_eq!(
            one_line("a\nerror: b\r\n\u{2028}c\x1b"),
            "a\\nerror: b\u{fffd}\\n\u{fffd}c\u{fffd}"
        );
    }

    #[test]
    fn no_text_turns_what_follows_it() {
        assert_eq!(
            printable("a\u{202e}b\u{2066}c\u{2028}d"),
            "a\u{fffd}b\u{fffd}c\u{fffd}d"
        );
        let other_writing = "שלום \u{200d}👩\u{200d}💻 été";
        assert_eq!(printable(other_writing), other_writing);
    }

    #[test]
    fn a_value_is_quoted_in_one_short_line() {
        assert_eq!(quoted("a\u{202e}\x1b\n\"b"), r#""a\u{202e}\u{1b}\n\"b""#);
        assert_eq!(
            quoted(&"x".repeat(107)),
            format!("{:?} and 7 more characters", "x".repeat(100))
        );
    }
}
