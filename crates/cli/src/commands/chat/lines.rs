//! Parses a line of a conversation: a question, or a command.
//!
//! In: a line that was typed, dropped or pasted. Out: what to do. Its only side effect is to check
//! whether a file exists.

use std::path::{Path, PathBuf};

use crate::commands::paths;

/// The text of `/help`.
pub(super) const HELP: &str = concat!(
    "  /image FILE   look at another picture; a file that is dropped here does\n",
    "                the same (a model for one picture starts a new conversation)\n",
    "  /video FILE   look at a video, or at a folder of frames\n",
    "  /new          start a new conversation about the same pictures\n",
    "  /forget       start a new conversation without a picture\n",
    "  /again        answer the last question again\n",
    "  /save FILE    write the conversation to a file, as text or as .json\n",
    "  /quit         leave (also Ctrl-D); Ctrl-C stops an answer\n",
    "  //…           a question that begins with a slash\n",
);

/// Names of the commands.
pub(super) const COMMANDS: [&str; 8] = [
    "/again", "/forget", "/help", "/image", "/new", "/quit", "/save", "/video",
];
/// How the names of videos end that are known as such when they are dropped. Others are looked at as pictures.
const VIDEOS: [&str; 8] = ["avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "webm"];

/// The meaning of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// An empty line.
    Nothing,
    /// A question to answer.
    Ask(String),
    /// A new picture.
    Image(PathBuf),
    /// A video.
    Video(PathBuf),
    /// A new conversation about the same pictures.
    New,
    /// A new conversation without a picture.
    Forget,
    /// Answer the last question again.
    Again,
    /// Save the conversation to a file.
    Save(PathBuf),
    /// The list of commands.
    Help,
    /// End the program.
    Quit,
    /// An unknown or invalid command: the message.
    Refused(String),
}

/// Splits an input into lines: a text with line breaks is one question, unless it begins with a
/// command. Commands have one line each.
pub(super) fn split(typed: &str) -> Vec<&str> {
    let first = typed.lines().find(|line| !line.trim().is_empty());
    match first.map(read) {
        None | Some(Line::Ask(_) | Line::Nothing) => vec![typed],
        Some(_) => typed.lines().collect(),
    }
}

/// Parses a line.
pub(super) fn read(line: &str) -> Line {
    let trimmed = line.trim();
    if let Some(path) = paths::dropped(trimmed) {
        return match is_video(&path) {
            true => Line::Video(path),
            false => Line::Image(path),
        };
    }
    if let Some(question) = trimmed.strip_prefix("//") {
        return Line::Ask(format!("/{question}"));
    }
    if trimmed.is_empty() {
        return Line::Nothing;
    }
    if !trimmed.starts_with('/') {
        return Line::Ask(trimmed.to_string());
    }
    let (name, rest) = trimmed
        .split_once(char::is_whitespace)
        .unwrap_or((trimmed, ""));
    // A trailing space may be escaped by a backslash.
    let rest = match rest.is_empty() {
        true => "",
        false => &line.trim_start()[name.len()..],
    };
    match (name, rest.trim()) {
        ("/image" | "/save" | "/video", "") => {
            Line::Refused(format!("{name} needs the name of a file"))
        }
        ("/image" | "/video", "-") => {
            Line::Refused(format!("{name} -: stdin is the conversation; name a file"))
        }
        ("/image", _) => Line::Image(paths::typed(rest)),
        ("/video", _) => Line::Video(paths::typed(rest)),
        ("/save", _) => Line::Save(paths::typed(rest)),
        ("/new", "") => Line::New,
        ("/forget", "") => Line::Forget,
        ("/again", "") => Line::Again,
        ("/help", _) => Line::Help,
        ("/quit", _) => Line::Quit,
        ("/new" | "/again" | "/forget", _) => Line::Refused(format!(
            "{name} takes nothing behind it; a question that begins with a slash is put so: /{name} …"
        )),
        _ => Line::Refused(unknown(name)),
    }
}

/// Whether the name is that of a video.
fn is_video(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    VIDEOS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}

/// The message for an unknown command.
fn unknown(name: &str) -> String {
    let begun = |known: &&str| name.len() > 1 && known.starts_with(name);
    let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
    let meant = COMMANDS.into_iter().find(begun).or_else(|| {
        let nearest = COMMANDS.into_iter().min_by_key(distance);
        nearest.filter(|known| name.len() > 2 && distance(known) <= 2)
    });
    let meant = meant.map_or(String::new(), |known| format!(" Is it {known}?"));
    let is_path = name[1..].contains('/');
    let advice = match is_path {
        true => "there is no such file and no such command",
        false => "there is no such command",
    };
    format!(
        "{name}: {advice}.{meant} /help lists them; a question that begins with a slash is put so: /{name}"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{COMMANDS, HELP, Line, read, split};

    fn refused(line: &str, words: &[&str]) {
        match read(line) {
            Line::Refused(told) => {
                assert!(
                    words.iter().all(|word| told.contains(word)),
                    "{line}: {told}"
                );
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn an_unknown_command_is_named_and_never_asked() {
        refused("/imge a.png", &["/imge", "/image", "/help"]);
        refused("/sav", &["/sav:", "/save"]);
        refused("/IMAGE a.png", &["/IMAGE", "no such command"]);
        refused("/q", &["/quit"]);
        refused("/foo", &["/foo", "no such command", "//foo"]);
        refused("/", &["no such command"]);
        refused("/no/such/file.png", &["no such file"]);
        refused("/new York?", &["/new", "//new"]);
        refused("/image", &["needs the name"]);
        refused("/save  ", &["needs the name"]);
        refused("/image -", &["stdin"]);
        refused("/video", &["needs the name"]);
        refused("/video -", &["/video -", "stdin"]);
        refused("/vido a.mp4", &["/video"]);
    }

    #[test]
    fn a_question_may_begin_with_a_slash() {
        assert_eq!(read("//foo bar"), Line::Ask("/foo bar".into()));
        assert_eq!(read("  What is /etc?  "), Line::Ask("What is /etc?".into()));
        assert_eq!(read(" \t"), Line::Nothing);
    }

    #[test]
    fn commands_take_what_is_behind_them() {
        let image = |path: &str| Line::Image(Path::new(path).to_path_buf());
        assert_eq!(read("/image  a b.png "), image("a b.png"));
        assert_eq!(read("/image\t'a b.png'"), image("a b.png"));
        assert_eq!(read("/video a b.mp4"), Line::Video("a b.mp4".into()));
        assert_eq!(read("/video frames/"), Line::Video("frames/".into()));
        assert_eq!(read("/save x.json"), Line::Save("x.json".into()));
        assert_eq!(read(" /quit "), Line::Quit);
        #[cfg(unix)]
        assert_eq!(read(r"/image a\ "), image("a "));
    }

    #[test]
    fn a_dropped_video_is_known_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        for (name, is_video) in [
            ("a.mp4", true),
            ("a.MOV", true),
            ("a.gif", false),
            ("a", false),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, "x").unwrap();
            let line = read(path.to_str().unwrap());
            assert_eq!(matches!(line, Line::Video(_)), is_video, "{line:?}");
        }
    }

    #[test]
    fn pasted_lines_are_one_question_unless_there_are_commands() {
        assert_eq!(split("What\nis\nthis?"), ["What\nis\nthis?"]);
        assert_eq!(split("/new\nWhat?"), ["/new", "What?"]);
        assert_eq!(split("\n/imge a\nWhat?"), ["", "/imge a", "What?"]);
        assert_eq!(split("What is\n/etc/hosts?"), ["What is\n/etc/hosts?"]);
        assert_eq!(read("What\nis this?"), Line::Ask("What\nis this?".into()));
    }

    #[test]
    fn help_lists_every_command_in_one_column() {
        for command in COMMANDS.into_iter().filter(|&command| command != "/help") {
            assert!(
                HELP.contains(&format!("\n  {command}"))
                    || HELP.starts_with(&format!("  {command}"))
            );
        }
        for line in HELP.lines() {
            assert!(
                line.starts_with("  ") && line.chars().count() < 80,
                "{line}"
            );
        }
    }
}
