//! Removes secrets from messages, which may be logged or shown to others: the token, and
//! credentials in addresses.

use crate::error::Error;
use crate::printable::quoted;

/// Shortest prefix of the token that is removed too, since a value may be truncated in the middle
/// of it.
const LEAST: usize = 8;

/// `error` without the token, which a hub may have repeated in its answer.
pub(super) fn without(error: Error, token: &str) -> Error {
    let hide = |text: String| hidden(&text, token);
    match error {
        Error::Hub {
            hub,
            field,
            value,
            reason,
        } => Error::Hub {
            hub: hide(hub),
            field: hide(field),
            value: hide(value),
            reason: hide(reason),
        },
        Error::Network { url, reason } => Error::Network {
            url: hide(url),
            reason: hide(reason),
        },
        Error::FileAccess { file, reason } => Error::FileAccess {
            file: hide(file),
            reason: hide(reason),
        },
        other => other,
    }
}

fn hidden(text: &str, token: &str) -> String {
    // Inside quotation marks some characters are escaped.
    let quoted = token.replace('\\', "\\\\").replace('"', "\\\"");
    let mut text = text.to_string();
    for token in [token, quoted.as_str()] {
        let Some(begins) = token.get(..token.len().min(LEAST)) else {
            continue;
        };
        if begins.is_empty() {
            continue;
        }
        let (mut shown, mut rest) = (String::new(), text.as_str());
        while let Some((before, after)) = rest.split_once(begins) {
            let more = token.bytes().skip(begins.len());
            let same = after.bytes().zip(more).take_while(|(a, b)| a == b).count();
            shown.push_str(before);
            shown.push_str("[the token]");
            rest = after.get(same..).unwrap_or_default();
        }
        shown.push_str(rest);
        text = shown;
    }
    text
}

/// An address, or a text in its place, for messages: without user name, password and query.
pub(super) fn address(text: &str) -> String {
    let text = match text.rsplit_once('@') {
        Some((before, after)) => {
            let is_scheme = |scheme: &&str| scheme.bytes().all(|b| b.is_ascii_alphanumeric());
            let scheme = before.split_once("://").map(|(scheme, _)| scheme);
            match scheme.filter(is_scheme) {
                Some(scheme) => format!("{scheme}://[...]@{after}"),
                None => format!("[...]@{after}"),
            }
        }
        None => text.to_string(),
    };
    match text.find(['?', '#']) {
        Some(end) => quoted(&format!("{}[...]", &text[..=end])),
        None => quoted(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_hidden_whole_and_cut() {
        let token = "hf_abcdefghijklmnop";
        for (text, shown) in [
            ("a b", "a b"),
            (
                "\"Bearer hf_abcdefghijklmnop\" x",
                "\"Bearer [the token]\" x",
            ),
            ("\"hf_abcdefghi\" and 9", "\"[the token]\" and 9"),
            (
                "hf_abcdefghijklmnophf_abcdefghijklmnopq",
                "[the token][the token]q",
            ),
            ("hf_abcd", "hf_abcd"),
        ] {
            assert_eq!(hidden(text, token), shown);
        }
        assert_eq!(hidden("a b", ""), "a b");
        let odd = "t\"o\\k'en";
        assert_eq!(hidden(&quoted(odd), odd), "\"[the token]\"");
        assert_eq!(hidden(odd, odd), "[the token]");
    }

    #[test]
    fn what_lets_one_in_is_not_in_an_address() {
        for (text, shown) in [
            ("https://hub.example/a", "\"https://hub.example/a\""),
            ("https://u:secret@hub/a", "\"https://[...]@hub/a\""),
            (
                "https://u:sec?ret@hub/a?secret",
                "\"https://[...]@hub/a?[...]\"",
            ),
            ("https://u:s@ecret@hub", "\"https://[...]@hub\""),
            ("u:secret@https://hub", "\"[...]@https://hub\""),
            ("u:secret@hub#secret", "\"[...]@hub#[...]\""),
            ("", "\"\""),
        ] {
            assert_eq!(address(text), shown);
        }
    }
}
