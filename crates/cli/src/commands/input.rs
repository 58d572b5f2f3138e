//! Reads the pictures and questions given to a command: from files, or from stdin for `-`.

use std::io::{self, IsTerminal, Read, stdin};
use std::path::{Path, PathBuf};

use inf_llava::error::{Error, Result};
use inf_llava::files::{self, FileState};
use inf_llava::image::Limits;

/// Stands for stdin, in place of a file name or a text.
const STDIN: &str = "-";
/// Size limit of a question in bytes.
const MOST_TEXT_BYTES: u64 = 1 << 20;

fn option(option: &str, reason: &str) -> Error {
    Error::Option {
        option: option.into(),
        reason: reason.into(),
    }
}

/// Whether `path` means stdin.
pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// Refuses to read more than one picture, or both a picture and the question, from stdin.
///
/// # Errors
/// [`Error::Option`] naming both options.
pub(super) fn refuse_both(images: &[PathBuf], prompt: Option<&str>) -> Result<()> {
    let from_stdin = images.iter().filter(|image| is_stdin(image)).count();
    match (from_stdin > 0, prompt) {
        _ if from_stdin > 1 => Err(option(
            "--image - and --image -",
            "stdin can be one of them; name the other pictures' files",
        )),
        (true, Some(STDIN)) => Err(option(
            "--image - and --prompt -",
            "stdin can be one of them; name a file, or give the question itself",
        )),
        (true, None) => Err(option(
            "--image -",
            "a conversation is read from stdin; ask one question: --prompt TEXT",
        )),
        _ => Ok(()),
    }
}

/// The bytes of a picture, up to the size that a picture within the limits can have; `-` is stdin.
///
/// # Errors
/// [`Error::ImageFormat`]; [`Error::Option`] if stdin is a terminal.
pub(super) fn read_image(path: &Path) -> Result<Vec<u8>> {
    let cap = Limits::default().file_bytes();
    let from_stdin = is_stdin(path);
    let failed = |reason: String| Error::ImageFormat {
        file: image_name(path),
        reason,
    };
    if is_address(path) {
        return Err(failed(
            "it is an address, and none is fetched; give the picture itself: curl -sL ADDRESS | inf-llava chat --image -"
                .into(),
        ));
    }
    let mut bytes = Vec::new();
    let read = match from_stdin {
        true if stdin().is_terminal() => {
            return Err(option(
                "--image -",
                "stdin is a terminal; pipe a picture into it: … < photo.jpg",
            ));
        }
        true => stdin().lock().take(cap + 1).read_to_end(&mut bytes),
        false => files::open(path).and_then(|(file, _)| file.take(cap + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|e| failed(format!("it cannot be opened: {e}{}", hint(path, &e))))?;
    if bytes.len() as u64 > cap {
        return Err(failed(format!(
            "it has more than {} MB, and no picture that can be read has",
            cap / 1_000_000
        )));
    }
    if from_stdin && bytes.is_empty() {
        return Err(failed("nothing came from there".into()));
    }
    Ok(bytes)
}

/// Whether `path` is a web address or a `data:` address. A file with such a name takes precedence.
pub(super) fn is_address(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let begins = |scheme: &&str| {
        let head = text.get(..scheme.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
    };
    ["https://", "http://", "ftp://", "data:image/"]
        .iter()
        .any(begins)
        && !path.exists()
}

/// The picture's name in messages.
pub(super) fn image_name(path: &Path) -> String {
    match is_stdin(path) {
        true => "stdin".into(),
        false if is_address(path) => path.to_string_lossy().chars().take(100).collect(),
        false => path.display().to_string(),
    }
}

/// Advice for a pipe that is given by name, which is not read.
fn hint(path: &Path, error: &io::Error) -> &'static str {
    let is_own = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"]
        .iter()
        .any(|own| path.to_string_lossy().starts_with(own));
    match is_own || error.to_string().contains("a pipe") {
        true => "; --image - reads a picture from stdin",
        false => "",
    }
}

/// The question as given; for `-` it is read from stdin, without trailing line breaks.
///
/// # Errors
/// [`Error::EmptyQuestion`]; [`Error::FileAccess`] and [`Error::Option`] for errors of stdin.
pub(super) fn read_prompt(given: &str) -> Result<String> {
    let prompt = match given {
        STDIN => text_from_stdin()?,
        _ => given.to_string(),
    };
    match prompt.trim().is_empty() {
        true => Err(Error::EmptyQuestion),
        false => Ok(prompt),
    }
}

fn text_from_stdin() -> Result<String> {
    if stdin().is_terminal() {
        eprintln!("The question, please; Ctrl-D ends it.");
    }
    let mut bytes = Vec::new();
    let mut read = stdin().lock().take(MOST_TEXT_BYTES + 1);
    read.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_TEXT_BYTES {
        return Err(option("--prompt -", "more than 1 MiB came from stdin"));
    }
    // As in a conversation, invalid UTF-8 gives replacement characters.
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.trim_end_matches(['\n', '\r']).to_string())
}

/// The error for a stdin that cannot be read: a folder, or a descriptor that is not open for
/// reading.
pub(super) fn unreadable(error: io::Error) -> Error {
    Error::FileAccess {
        file: "stdin".into(),
        reason: format!("it cannot be read: {error}"),
    }
}

/// Refuses an output file that is the same file as `input`, under any name or link.
///
/// # Errors
/// [`Error::Option`].
pub(super) fn refuse_to_overwrite(input: &Path, option: &str, output: &Path) -> Result<()> {
    let state = |path| FileState::at(path).ok().flatten();
    match state(output).filter(|output| state(input) == Some(*output)) {
        None => Ok(()),
        Some(_) => Err(Error::Option {
            option: option.into(),
            reason: format!(
                "{} is read by this command and would be lost; name another file",
                output.display()
            ),
        }),
    }
}
