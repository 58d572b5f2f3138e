//! Strangers' text on a terminal: what of it may be shown as it stands.
//!
//! In: text of a model, a hub, a file, a data set. Out: the same text without what commands a terminal, or makes
//! a person read another order of characters than there is.

/// Characters of somebody else's text that [`quoted`] shows.
const QUOTED_CHARS: usize = 100;

/// Whether a terminal may be shown `c`: no control character (C0, DEL, C1) but line breaks and tabs, no character
/// that turns the direction of what follows (Unicode's bidirectional controls), and no line break of other kinds.
pub fn is_harmless(c: char) -> bool {
    let turns = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    matches!(c, '\n' | '\t') || !(c.is_control() || turns || breaks)
}

/// `text` as a terminal may be shown it: what is not harmless is U+FFFD instead, so that no answer and no file's
/// name can move the cursor, rename the window or write to the clipboard.
pub fn printable(text: &str) -> String {
    let shown = |c| match is_harmless(c) {
        true => c,
        false => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(shown).collect()
}

/// `text` as [`printable`] and of one line: a line break is shown as `\n`, so that nothing that a message names, a path
/// above all, looks like a message of its own.
pub fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

/// A stranger's value within a message: in quotation marks, of one line, and cut short if it is long. What is not
/// printable is told by its number.
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_CHARS).collect();
    let rest = text.chars().count().saturating_sub(QUOTED_CHARS);
    shown = format!("{shown:?}");
    match rest {
        0 => shown,
        _ => format!("{shown} and {rest} more characters"),
    }
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
