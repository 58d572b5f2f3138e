//! File names as users write them. A shell expands `~/a\ b.png`, but there is no shell in a
//! conversation, not every shell expands `--image=~/a.png`, and files dropped on a terminal arrive
//! with quotation marks, with backslashes or as an address.
//!
//! In: the user's text. Out: a path. A file with exactly that name takes precedence.

use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use percent_encoding::percent_decode_str;

/// Parses an argument that names a file or folder: unchanged, except for `~` at its start and
/// `file:` addresses.
pub(super) fn parser() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(argument)
}

/// The path of an argument, see [`parser`].
pub(super) fn argument(path: PathBuf) -> PathBuf {
    if path.exists() {
        return path;
    }
    let text = path.to_str();
    text.and_then(|text| address(text).or_else(|| at_home(text)))
        .unwrap_or(path)
}

/// Parses the rest of a line that names a file, as a shell would: quotation marks, backslashes,
/// `~`. Spaces in a name need neither.
pub(super) fn typed(text: &str) -> PathBuf {
    let text = trimmed(text);
    if Path::new(text).exists() {
        return text.into();
    }
    if let Some(path) = address(text) {
        return path;
    }
    let home = text == "~" || text.starts_with("~/");
    let unquoted = unquoted(text).unwrap_or_else(|| text.to_string());
    match at_home(&unquoted).filter(|_| home) {
        Some(path) => path,
        None => address(&unquoted).unwrap_or_else(|| unquoted.into()),
    }
}

/// The file that a whole line names, if it has the form of a path and the file exists: one that was
/// dropped on the terminal.
pub(super) fn dropped(line: &str) -> Option<PathBuf> {
    let begins = ["/", "~/", "'", "\"", "file:", "./", "../"];
    let is_path = begins.iter().any(|begin| line.starts_with(begin))
        || cfg!(windows) && line.chars().nth(1) == Some(':');
    Some(typed(line)).filter(|path| is_path && path.is_file())
}

/// Removes surrounding spaces, except an escaped one at the end.
fn trimmed(text: &str) -> &str {
    let start = text.trim_start();
    let whole = start.trim_end();
    let backslashes = whole.len() - whole.trim_end_matches('\\').len();
    match cfg!(unix) && backslashes % 2 == 1 && start.len() > whole.len() {
        true => &start[..=whole.len()],
        false => whole,
    }
}

/// Expands `~` and `~/…`.
fn at_home(text: &str) -> Option<PathBuf> {
    let below = match text {
        "~" => "",
        _ => text.strip_prefix("~/")?,
    };
    Some(dirs::home_dir()?.join(below))
}

/// Parses `file:///a%20b` and `file://localhost/a`, for this machine only.
fn address(text: &str) -> Option<PathBuf> {
    let (scheme, rest) = text.split_at_checked("file:".len())?;
    if !scheme.eq_ignore_ascii_case("file:") {
        return None;
    }
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    };
    if !path.starts_with('/') {
        return None;
    }
    let decoded = percent_decode_str(path);
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let bytes: Vec<u8> = decoded.collect();
        Some(std::ffi::OsString::from_vec(bytes).into())
    }
    #[cfg(not(unix))]
    {
        let text = decoded.decode_utf8_lossy();
        // `/C:/a`
        let has_drive = text.chars().nth(2) == Some(':');
        Some(text[usize::from(has_drive)..].into())
    }
}

/// Resolves quotation marks and backslashes as a shell does; one at the start of the name may be
/// unclosed. `None` if another one is unclosed: then it is part of a name.
fn unquoted(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            // On systems where a backslash is not a path separator.
            (None, '\\') if cfg!(unix) => plain.push(chars.next().unwrap_or('\\')),
            (Some('"'), '\\') if cfg!(unix) => match chars.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => plain.push(c),
                Some(c) => plain.extend(['\\', c]),
                None => return None,
            },
            (_, c) => plain.push(c),
        }
    }
    let begins =
        quote.is_some_and(|open| text.starts_with(open) && text.matches(open).count() == 1);
    (quote.is_none() || begins).then_some(plain)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{argument, dropped, typed};

    fn home() -> PathBuf {
        dirs::home_dir().unwrap()
    }

    #[test]
    fn a_typed_path_is_read_as_a_shell_reads_it() {
        for (line, path) in [
            ("a b.png", "a b.png"),
            ("  a b.png \t", "a b.png"),
            ("'a b.png'", "a b.png"),
            ("\"a b.png\" ", "a b.png"),
            ("\"it's \\\"a\\\".png\"", "it's \"a\".png"),
            (r"a\ b\(1\).png", "a b(1).png"),
            (r"a\ ", "a "),
            (r"a\\ ", r"a\"),
            ("'/x/it'\\''s.png'", "/x/it's.png"),
            ("it's.png", "it's.png"),
            ("\"a b.png", "a b.png"),
            ("'a' it's.png", "'a' it's.png"),
            ("/x/'a b'/c.png", "/x/a b/c.png"),
            ("file:///x/a%20b.png", "/x/a b.png"),
            ("FILE://localhost/x/%C3%A9.png", "/x/é.png"),
            ("'file:///x/a%20b.png'", "/x/a b.png"),
            ("file:/x.png", "/x.png"),
            ("file://elsewhere/x.png", "file://elsewhere/x.png"),
            ("~other/x.png", "~other/x.png"),
            (r"\~/x.png", "~/x.png"),
            ("'~/x.png'", "~/x.png"),
        ] {
            assert_eq!(typed(line), Path::new(path), "{line:?}");
        }
        assert_eq!(typed("~/a b.png"), home().join("a b.png"));
        assert_eq!(typed(r"~/a\ b.png"), home().join("a b.png"));
        assert_eq!(typed("~"), home());
    }

    #[test]
    fn a_file_with_exactly_that_name_is_taken_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in [r"a\ b.png", "'a'", "it's", "\"a"] {
            let path = dir.path().join(name);
            std::fs::write(&path, "x").unwrap();
            assert_eq!(typed(path.to_str().unwrap()), path);
            assert_eq!(argument(path.clone()), path);
        }
    }

    #[test]
    fn an_argument_is_as_the_shell_left_it() {
        assert_eq!(argument("~/x.png".into()), home().join("x.png"));
        assert_eq!(
            argument("file:///x/a%20b.png".into()),
            Path::new("/x/a b.png")
        );
        for as_it_is in ["'a b'", r"a\ b", "~x", "-", "x/~/y"] {
            assert_eq!(argument(as_it_is.into()), Path::new(as_it_is));
        }
    }

    #[test]
    fn a_dropped_file_is_told_from_a_question() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a b.png");
        std::fs::write(&path, "x").unwrap();
        let name = path.display().to_string();
        for line in [
            name.clone(),
            format!("'{name}' "),
            name.replace(' ', r"\ "),
            format!("file://{}", name.replace(' ', "%20")),
        ] {
            assert_eq!(dropped(&line), Some(path.clone()), "{line}");
        }
        for question in ["What is this?", "/x/no such file.png", "'Hm'", "Cargo.toml"] {
            assert_eq!(dropped(question), None, "{question}");
        }
    }
}
