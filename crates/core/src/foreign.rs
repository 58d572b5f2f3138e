//! Recognises files whose contents are not what their name says: a web page instead of a model, a
//! Git LFS pointer, a compressed file.
//!
//! In: untrusted bytes. Out: the text without a byte order mark, or a sentence that says what was
//! found and what to do. This module must not know what the files are for. A parser's error would
//! be "expected value at line 1 column 1" for all of them.

use serde::de::DeserializeOwned;

use crate::printable::quoted;

/// The first bytes, which are sufficient to recognise a file.
pub const HEAD_BYTES: usize = 512;
/// The byte order mark of UTF-8, which some editors and PowerShell write; it is not part of the
/// text.
pub const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// First line of Git LFS pointer files.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// First line of the pointer files of Xet, the hub's other storage.
const XET_POINTER: &[u8] = b"# xet version ";
const PAGE: &str = "it is a web page (HTML), not this file: a server answers so for what it does not have, or wants a login; look at the address, and download it again";
const PAGES: [&str; 5] = ["<!doctype html", "<html", "<head", "<body", "<script"];
/// Signatures of file formats, with the format and what to do.
const MARKS: [(&[u8], &str, &str); 8] = [
    (b"\x1F\x8B", "packed by gzip", "unpack it first (gunzip)"),
    (
        b"\x28\xB5\x2F\xFD",
        "packed by zstd",
        "unpack it first (unzstd)",
    ),
    (b"\xFD7zXZ", "packed by xz", "unpack it first (unxz)"),
    (b"BZh", "packed by bzip2", "unpack it first (bunzip2)"),
    (
        b"GGUF",
        "a GGUF file, quantised for llama.cpp",
        "such files are not read; take the checkpoint that it was made from",
    ),
    (
        b"\x89HDF",
        "an HDF5 file, as TensorFlow and Keras write",
        "save the model with PyTorch or as safetensors",
    ),
    (
        b"PK\x03\x04",
        "a zip archive",
        "unpack it; if torch.save wrote it, call it pytorch_model.bin",
    ),
    (b"\xFF\xFE\x00\x00", "in UTF-32", "save it as UTF-8"),
];

/// What `head`, the beginning of a file, is instead of the expected text, and what to do; `None` if
/// it may be the expected text. `is_whole` says whether `head` is the whole file.
pub fn told(head: &[u8], is_whole: bool) -> Option<String> {
    if head.is_empty() && is_whole {
        return Some("it is empty (0 bytes); copy or download it again".into());
    }
    if head.starts_with(LFS_POINTER) {
        let of = field(head, "size ").map_or(String::new(), |bytes| format!(" (of {bytes} bytes)"));
        return Some(format!(
            "it is a pointer of Git LFS, not the file itself{of}; fetch that with git lfs pull, or download it"
        ));
    }
    if head.starts_with(XET_POINTER) {
        return Some(
            "it is a pointer of Xet, not the file itself; fetch that with git xet, or download it"
                .into(),
        );
    }
    if let Some((_, what, todo)) = MARKS.iter().find(|(mark, ..)| head.starts_with(mark)) {
        return Some(format!("it is {what}; {todo}"));
    }
    let is_utf16 = matches!(
        head,
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [b'{' | b'[', 0, ..]
    ) || matches!(head, [0, b'{' | b'[', ..]);
    if is_utf16 {
        return Some("it is in UTF-16, as PowerShell's > writes; save it as UTF-8".into());
    }
    if head.len() >= 64 && head.iter().all(|&byte| byte == 0) {
        return Some("it begins with nothing but zeros: room was made for it and never filled; download it again".into());
    }
    markup(head)
}

/// Whether it is a web page: single-page apps answer every unknown path with one, with status 200.
pub fn is_page(head: &[u8]) -> bool {
    markup(head).is_some_and(|reason| reason == PAGE)
}

/// The message for a web page, or for a storage's XML error.
fn markup(head: &[u8]) -> Option<String> {
    let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let text = String::from_utf8_lossy(&head[..head.len().min(HEAD_BYTES)]);
    let text = text.trim_start();
    let lower = text.to_ascii_lowercase();
    let mut rest = lower.as_str();
    // Skips comments and declarations before the page itself.
    while let Some(comment) = rest.strip_prefix("<!--") {
        rest = comment
            .split_once("-->")
            .map_or("", |(_, rest)| rest)
            .trim_start();
    }
    let is_xml = rest.starts_with("<?xml");
    if is_xml {
        rest = rest
            .split_once("?>")
            .map_or("", |(_, rest)| rest)
            .trim_start();
    }
    if PAGES.iter().any(|page| rest.starts_with(page))
        || (lower.starts_with("<!--") && rest.is_empty())
    {
        return Some(PAGE.into());
    }
    if is_xml || rest.starts_with("<error") {
        let message = between(text, "<Message>", "</Message>");
        let message = message.or_else(|| between(text, "<Code>", "</Code>"));
        let says = message.map_or(String::new(), |says| format!(" that says {}", quoted(says)));
        return Some(format!(
            "it is an XML document{says}, as storages answer for what they do not give; look at the address, and download it again"
        ));
    }
    None
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?
        .1
        .split_once(to)
        .map(|(inner, _)| inner)
}

fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(head).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let is_number =
        !value.is_empty() && value.len() < 20 && value.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some(value)
}

/// A text file's bytes without a byte order mark.
///
/// # Errors
/// What the file is instead of a text, and what to do.
pub fn text(bytes: &[u8]) -> Result<&[u8], String> {
    match told(
        &bytes[..bytes.len().min(HEAD_BYTES)],
        bytes.len() <= HEAD_BYTES,
    ) {
        Some(reason) => Err(reason),
        None => Ok(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)),
    }
}

/// Parses JSON after an optional byte order mark.
///
/// # Errors
/// What is wrong, where, and what to do.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let bytes = text(bytes)?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let reason = why(bytes, error.inner());
        // For a value of the wrong type, the message gives its path; for a syntax error, the line.
        match error.inner().is_data() && error.path().iter().len() > 0 {
            true => format!("{}: {reason}", quoted(&error.path().to_string())),
            false => reason,
        }
    })?;
    reader.end().map_err(|error| why(bytes, &error))?;
    Ok(value)
}

/// The beginning of `head`, quoted, if it is text: such as a host's error message that was saved as
/// the file.
pub fn says(head: &[u8]) -> Option<String> {
    let line = head.split(|&byte| byte == b'\n').next()?;
    // The last character may be incomplete.
    let whole = match str::from_utf8(line) {
        Err(error) if error.error_len().is_none() => &line[..error.valid_up_to()],
        _ => line,
    };
    let text = str::from_utf8(whole).ok()?.trim();
    let is_text = text.len() > 1 && !text.chars().any(|c| c.is_control() && c != '\t');
    is_text.then(|| quoted(text))
}

/// serde's error with Rust's type names replaced by JSON's.
fn in_words(error: &str) -> String {
    let Some((head, tail)) = error.split_once(", expected ") else {
        return error.to_string();
    };
    let (kind, place) = tail
        .find(" at line ")
        .map_or((tail, ""), |at| tail.split_at(at));
    let kind = match kind {
        "f32" | "f64" => "a number",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        kind if kind.starts_with("struct ") => "an object",
        kind => kind,
    };
    format!("{head}, expected {kind}{place}")
}

/// Explains `error` for the author of the file.
pub fn why(bytes: &[u8], error: &serde_json::Error) -> String {
    let place = format!("line {} column {}", error.line(), error.column());
    if error.is_eof() {
        return format!("it breaks off at {place} ({error}); copy or download it again");
    }
    let line = bytes
        .split(|&byte| byte == b'\n')
        .nth(error.line().saturating_sub(1));
    let line = line.unwrap_or_default();
    let near = error.column().saturating_sub(2).min(line.len());
    let near = String::from_utf8_lossy(&line[near..line.len().min(near + 12)]);
    if !error.is_syntax() {
        return in_words(&error.to_string());
    }
    if error.to_string().starts_with("trailing characters") {
        return format!(
            "{place}: the JSON has ended before, and something follows; a file must hold one object"
        );
    }
    if near.contains("NaN") || near.contains("Infinity") {
        return format!(
            "{place}: NaN and Infinity, which Python writes, are no JSON; put a number or null there"
        );
    }
    if near.contains("//") || near.contains("/*") || near.trim_start().starts_with('#') {
        return format!("{place}: JSON has no comments; remove it");
    }
    if near.contains('\'')
        || ["True", "False", "None"]
            .iter()
            .any(|word| near.contains(word))
    {
        return format!(
            "{place}: it is written as Python prints it, not as JSON; save it with json.dump"
        );
    }
    match (error.line(), error.column()) {
        (1, 0..=2) => {
            let begins = &bytes[..bytes.len().min(80)];
            let begins = String::from_utf8_lossy(begins);
            format!(
                "it is no JSON: it begins with {}; copy or download it again",
                quoted(begins.trim_end())
            )
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_right_is_let_through() {
        for right in [
            &b"{}"[..],
            b" \n[1]",
            b"\xEF\xBB\xBF{}",
            b"{\"a\": \"<html>\"}",
            b"\x08\0\0\0\0\0\0\0{}      ",
            b"version 2 of something",
            b"<|begin_of_text|>",
        ] {
            assert_eq!(told(right, true), None, "{right:?}");
        }
        assert_eq!(told(b"", false), None);
        assert_eq!(text(b"\xEF\xBB\xBF{}"), Ok(&b"{}"[..]));
    }

    #[test]
    fn python_s_numbers_and_comments_are_named() {
        let fails = |text: &str| json::<serde_json::Value>(text.as_bytes()).expect_err(text);
        for text in [
            "{\"a\": NaN}",
            "{\n \"a\": Infinity}",
            "{\"a\": [1, -Infinity]}",
        ] {
            assert!(
                fails(text).contains("Infinity, which Python"),
                "{}",
                fails(text)
            );
        }
        for text in ["{ // sizes\n}", "{\"a\": 1, /* b */ \"c\": 2}", "# a\n{}"] {
            assert!(fails(text).contains("no comments"), "{}", fails(text));
        }
        for text in ["{'a': 1}", "{\"a\": True}", "{\"a\": None}"] {
            assert!(fails(text).contains("json.dump"), "{}", fails(text));
        }
        assert!(fails("{\"a\": 1").contains("breaks off"));
        assert!(fails("{}\n{}").contains("something follows"));
        assert!(fails("Entry not found").contains("\"Entry not found\""));
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only its kinds are looked at")]
    struct Sizes {
        rate: Option<f64>,
        parts: Option<Vec<Sizes>>,
        count: Option<usize>,
        on: Option<bool>,
    }

    #[test]
    fn an_entry_of_another_kind_is_named_and_in_words() {
        for (text, entry, word) in [
            ("{\"rate\": \"x\"}", "rate", "expected a number"),
            (
                "{\"parts\": [{}, {\"count\": -1}]}",
                "parts[1].count",
                "not negative",
            ),
            ("{\"parts\": {}}", "parts", "expected a list"),
            ("{\"parts\": [[]]}", "parts[0]", "expected an object"),
            ("{\"on\": 1}", "on", "true or false"),
        ] {
            let error = json::<Sizes>(text.as_bytes()).expect_err(text);
            assert!(error.starts_with(&quoted(entry)), "{error}");
            assert!(error.contains(word), "{error}");
        }
        let list = json::<Sizes>(b"[1]").expect_err("no object");
        assert!(!list.contains("Sizes"), "{list}");
    }

    #[test]
    fn a_pointer_of_xet_and_a_host_s_words_are_told() {
        let xet = told(b"# xet version 0\nfilesize = 9\n", true);
        assert!(xet.is_some_and(|reason| reason.contains("Xet")));
        assert_eq!(says(b"Entry not found"), Some("\"Entry not found\"".into()));
        assert_eq!(
            says(b"{\"error\": 1}\nmore"),
            Some("\"{\\\"error\\\": 1}\"".into())
        );
        for other in [&b""[..], b"\x10\0\0\0\0\0\0\0{}", b"\xFF\xFE"] {
            assert_eq!(says(other), None, "{other:?}");
        }
    }
}
