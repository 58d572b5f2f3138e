//! The line editor of a terminal: arrow keys, history, completion, pasted text as one input.
//!
//! The history is kept in memory only; questions are never written to disk.

use std::borrow::Cow;
use std::io::{self, BufRead, IsTerminal, stdin};

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::config::{Behavior, BellStyle, CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use super::lines::COMMANDS;
use inf_llava::printable::{is_harmless, printable};

const PROMPT: &str = "> ";
/// Length of the history in lines.
const HISTORY_LINES: usize = 1000;

/// The result of reading a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line, or a pasted text of several.
    Line(String),
    /// Ctrl-C was pressed.
    Interrupted,
    /// Ctrl-D was pressed, or the input ended.
    End,
}

/// The source of lines.
pub(super) enum Lines {
    /// A terminal with cursor movement.
    Edited(Box<Editor<Assistant, MemHistory>>),
    /// Another terminal.
    Typed,
    /// A file or a program.
    Piped,
}

impl Lines {
    /// The source for stdin.
    pub(super) fn of_stdin() -> Self {
        if !stdin().is_terminal() {
            return Lines::Piped;
        }
        // rustyline would write its prompt to stdout, which is for answers.
        let is_dumb = std::env::var_os("TERM")
            .is_some_and(|term| term == "dumb" || term == "cons25" || term == "emacs");
        match (is_dumb, editor()) {
            (false, Ok(editor)) => Lines::Edited(Box::new(editor)),
            _ => Lines::Typed,
        }
    }

    /// Whether the input is a terminal.
    pub(super) fn on_terminal(&self) -> bool {
        !matches!(self, Lines::Piped)
    }

    /// Whether the terminal itself echoes what is typed.
    pub(super) fn echoes(&self) -> bool {
        matches!(self, Lines::Typed)
    }

    /// Reads the next line.
    ///
    /// # Errors
    /// The system's error.
    pub(super) fn next(&mut self) -> io::Result<Typed> {
        match self {
            Lines::Edited(editor) => edited(editor),
            Lines::Typed => {
                eprint!("{PROMPT}");
                read()
            }
            Lines::Piped => read(),
        }
    }
}

fn editor() -> rustyline::Result<Editor<Assistant, MemHistory>> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .bell_style(BellStyle::None)
        // stdout may be redirected to a file.
        .behavior(Behavior::PreferTerm)
        .bracketed_paste(true)
        .build();
    let mut editor = Editor::with_history(config.clone(), MemHistory::with_config(&config))?;
    editor.set_helper(Some(Assistant {
        files: FilenameCompleter::new(),
    }));
    Ok(editor)
}

fn edited(editor: &mut Editor<Assistant, MemHistory>) -> io::Result<Typed> {
    match editor.readline(PROMPT) {
        Ok(line) => {
            if !line.trim().is_empty() {
                // The line is answered even if it cannot be added to the history.
                let _ = editor.add_history_entry(&line);
            }
            Ok(Typed::Line(line))
        }
        Err(ReadlineError::Interrupted) => Ok(Typed::Interrupted),
        Err(ReadlineError::Eof) => Ok(Typed::End),
        Err(ReadlineError::Io(error)) => Err(error),
        Err(other) => Err(io::Error::other(other.to_string())),
    }
}

/// Reads a line of stdin. Invalid UTF-8 gives replacement characters, not an end.
fn read() -> io::Result<Typed> {
    let mut line = Vec::new();
    match stdin().lock().read_until(b'\n', &mut line)? {
        0 => Ok(Typed::End),
        _ => Ok(Typed::Line(String::from_utf8_lossy(&line).into_owned())),
    }
}

/// Completes commands, and file names after commands that take one; shows printable text only.
pub(super) struct Assistant {
    files: FilenameCompleter,
}

impl Helper for Assistant {}
impl Hinter for Assistant {
    type Hint = String;
}
impl Validator for Assistant {}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        match line.chars().all(is_harmless) {
            true => Cow::Borrowed(line),
            false => Cow::Owned(printable(line)),
        }
    }

    fn highlight_char(&self, line: &str, _pos: usize, _kind: CmdKind) -> bool {
        !line.chars().all(is_harmless)
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..pos];
        if !before.starts_with('/') {
            return Ok((pos, Vec::new()));
        }
        if before.contains(char::is_whitespace) {
            let takes_a_file = ["/image", "/save", "/video"].iter().any(|command| {
                let rest = before.strip_prefix(command);
                rest.is_some_and(|rest| rest.starts_with(char::is_whitespace))
            });
            return match takes_a_file {
                true => self.files(line, pos),
                false => Ok((pos, Vec::new())),
            };
        }
        let commands = COMMANDS.iter().filter(|name| name.starts_with(before));
        let pair = |name: &&str| Pair {
            display: (*name).to_string(),
            replacement: format!("{name} "),
        };
        Ok((0, commands.map(pair).collect()))
    }
}

impl Assistant {
    /// Completes file names, except those with terminal control sequences.
    fn files(&self, line: &str, pos: usize) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, mut found) = self.files.complete_path(line, pos)?;
        found.retain(|pair| {
            let mut shown = pair.display.chars().chain(pair.replacement.chars());
            shown.all(|c| is_harmless(c) && c != '\n')
        });
        Ok((start, found))
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use rustyline::Context;
    use rustyline::completion::{Completer, FilenameCompleter};
    use rustyline::highlight::Highlighter;
    use rustyline::history::MemHistory;

    use super::{Assistant, COMMANDS};

    fn assistant() -> Assistant {
        Assistant {
            files: FilenameCompleter::new(),
        }
    }

    /// The completions of `line`.
    fn completed(line: &str) -> Vec<String> {
        let history = MemHistory::new();
        let context = Context::new(&history);
        let (start, found) = assistant().complete(line, line.len(), &context).unwrap();
        found
            .into_iter()
            .map(|pair| format!("{}{}", &line[..start], pair.replacement))
            .collect()
    }

    #[test]
    fn commands_and_files_are_completed() {
        assert_eq!(completed("/im"), ["/image "]);
        assert_eq!(completed("/").len(), COMMANDS.len());
        assert_eq!(completed("What is /im"), Vec::<String>::new());
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a b.png"), "x").unwrap();
        std::fs::write(dir.path().join("a\u{1b}[2J.png"), "x").unwrap();
        let at = dir.path().display();
        for command in ["/image", "/save", "/video"] {
            assert_eq!(
                completed(&format!("{command} {at}/a")),
                [format!("{command} {at}/a\\ b.png")]
            );
            assert_eq!(
                completed(&format!("{command} '{at}/a")),
                [format!("{command} '{at}/a b.png")]
            );
        }
        assert_eq!(completed(&format!("/new {at}/a")), Vec::<String>::new());
    }

    #[test]
    fn what_is_pasted_cannot_command_the_terminal() {
        let shown = assistant().highlight("a\u{9b}2J\u{202e}b", 0).into_owned();
        assert_eq!(shown, "a\u{fffd}2J\u{fffd}b");
    }
}
