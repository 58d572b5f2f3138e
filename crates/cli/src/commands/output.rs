//! The program's output: data on stdout, messages on stderr. This is the only place where untrusted
//! text (of a model, a hub, a data set, a file name) is written to a terminal, and where a write
//! error of stdout ends the program.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::process::exit;

use serde::Serialize;

use super::terminal::show_typing;
use inf_llava::printable::{is_harmless, one_line, printable};

/// Exit code if the output cannot be written.
const EXIT_OUTPUT: i32 = 7;
/// Exit code if the reader of the output has gone.
const EXIT_NO_READER: i32 = 141;

/// Writes one line of data for people, with any text in it.
pub(super) fn say(line: impl Display) {
    put(&format!("{}\n", one_line(&line.to_string())));
}

/// Writes several lines of this program's own text.
pub(super) fn say_lines(lines: impl Display) {
    put(&format!("{}\n", printable(&lines.to_string())));
}

/// Writes one line of JSON. Characters that are unsafe on a terminal are escaped, which does not
/// change the value.
pub(super) fn say_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(json) => put(&(escaped(&json) + "\n")),
        Err(error) => lose(&error.into()),
    }
}

/// Writes a piece of an answer at once. Files and pipes get it unchanged.
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

/// Writes the remaining output, and ends the program if that fails.
pub(super) fn flush() {
    if let Err(error) = stdout().flush() {
        lose(&error);
    }
}

/// Ends the program: quietly if the reader has gone (`| head`), otherwise with an error, since data
/// is missing.
pub(super) fn lose(error: &io::Error) -> ! {
    show_typing();
    if error.kind() == ErrorKind::BrokenPipe {
        exit(EXIT_NO_READER);
    }
    talk_line(format_args!("error: stdout cannot be written: {error}"));
    exit(EXIT_OUTPUT);
}

/// Writes one message line with any text in it: a file name with a line break cannot imitate a
/// second message.
pub(super) fn talk_line(line: fmt::Arguments<'_>) {
    talk(format_args!("{}\n", one_line(&line.to_string())));
}

/// Writes a message. If stderr cannot be written (`2> /dev/full`, `2>&1 | head`), the program
/// continues without it.
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

/// The same JSON value, with unsafe characters escaped; they occur inside its strings only.
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
        assert!(
            json.chars().all(inf_llava::printable::is_harmless),
            "{json:?}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&json).expect("JSON"),
            value
        );
    }
}
