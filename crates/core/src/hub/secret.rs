//! Removes credentials from addresses in messages, which may be logged or shown to others.

use crate::printable::quoted;

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
