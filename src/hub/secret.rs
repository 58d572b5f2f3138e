//! What no message may tell: the token, and what in an address lets one in. Messages are kept in logs and shown to
//! others.

use crate::error::Error;
use crate::printable::quoted;

/// So much of the token's beginning is hidden too: a value may be cut short in the midst of it.
const LEAST: usize = 8;

/// `error` without the token, which a hub was sent and may have put into its answer.
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
    // Within quotation marks some signs are written otherwise.
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

/// An address, or what should be one, for messages: without a name and a password in it, and without a query.
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
