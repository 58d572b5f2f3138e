//! Removes the token from messages, which may be logged or shown to others.

use crate::error::Error;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::quoted;

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
}
