//! What the program writes: data on stdout, talk on stderr. The one place where strangers' text (of a model, a hub, a
//! data set, a file's name) comes to a terminal, and where a stdout that cannot be written ends the program.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::process::exit;

use serde::Serialize;

use super::terminal::show_typing;
use crate::printable::{is_harmless, one_line, printable};

/// The output cannot be written.
const EXIT_OUTPUT: i32 = 7;
/// The reader of the output has gone.
const EXIT_NO_READER: i32 = 141;

/// One line of data for a person, whatever it names.
pub(super) fn say(line: impl Display) {
    put(&format!("{}\n", one_line(&line.to_string())));
}

/// Several lines of this program's own.
pub(super) fn say_lines(lines: impl Display) {
    put(&format!("{}\n", printable(&lines.to_string())));
}

/// One line of data for a program. What no terminal should be shown is written by its number, which JSON reads as the
/// same.
pub(super) fn say_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(json) => put(&(escaped(&json) + "\n")),
        Err(error) => lose(&error.into()),
    }
}

/// A piece of an answer, at once. Files and pipes get it as it is.
pub(super) fn say_piece(text: &str) {
    match stdout().is_terminal() {
        true => put(&printable(text)),
        false => put(text),
    }
}

fn put(text: &str) {
    let mut out = stdout();
    let written = out.write_all(text.as_bytes());
    if let Err(error) = written.and_then(|()| out.flush()) {
        lose(&error);
    }
}

/// Ends the program if there is something left that cannot be written.
pub(super) fn flush() {
    if let Err(error) = stdout().flush() {
        lose(&error);
    }
}

/// Ends the program: a reader that has gone (`| head`) has what it wanted, else the data is not where it should be.
pub(super) fn lose(error: &io::Error) -> ! {
    show_typing();
    if error.kind() == ErrorKind::BrokenPipe {
        exit(EXIT_NO_READER);
    }
    talk_line(format_args!("error: stdout cannot be written: {error}"));
    exit(EXIT_OUTPUT);
}

/// One line of talk, whatever it names: nobody's file is called `x`, line break, `error: forged`, and looks like two.
pub(super) fn talk_line(line: fmt::Arguments<'_>) {
    talk(format_args!("{}\n", one_line(&line.to_string())));
}

/// Talk. A stderr that cannot be written (`2> /dev/full`, `2>&1 | head`) is no reason to end: what is done is done
/// without a word.
pub(super) fn talk(text: fmt::Arguments<'_>) {
    let _ = stderr().write_all(printable(&text.to_string()).as_bytes());
}

/// "1 answer", "2 answers".
pub(super) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// JSON of the same value, without characters that are not harmless; those are within its texts only.
fn escaped(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        match is_harmless(c) {
            true => safe.push(c),
            false => safe += &format!("\\u{:04x}", u32::from(c)),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::{counted, escaped};

    #[test]
    fn one_is_not_several() {
        let told = [0, 1, 2].map(|count| counted(count, "picture"));
        assert_eq!(told, ["0 pictures", "1 picture", "2 pictures"]);
    }

    #[test]
    fn json_stays_what_it_is() {
        let value = serde_json::json!({"a\u{9b}2J": ["\u{202e}b", "\x1b", "\u{7f}", "\n\"é\\"]});
        let json = escaped(&value.to_string());
        assert!(json.chars().all(crate::printable::is_harmless), "{json:?}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&json).expect("JSON"),
            value
        );
    }
}
