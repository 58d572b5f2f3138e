//! Ends an answer at the first of some texts.

/// Passes an answer's text through as it is generated, up to the first stop text.
pub struct StopTexts {
    texts: Vec<String>,
    /// The end of the text so far, withheld because it may begin a stop text.
    kept_back: String,
    found: bool,
}

impl StopTexts {
    /// `texts` must not contain an empty text.
    pub fn new(texts: Vec<String>) -> Self {
        StopTexts {
            texts,
            kept_back: String::new(),
            found: false,
        }
    }

    /// Whether a stop text was found: nothing more is output after that.
    pub fn found(&self) -> bool {
        self.found
    }

    /// Takes the next piece; returns the text that can no longer belong to a stop text.
    pub fn push(&mut self, piece: &str) -> String {
        if self.found {
            return String::new();
        }
        let mut text = std::mem::take(&mut self.kept_back) + piece;
        let places = self
            .texts
            .iter()
            .filter_map(|stop| text.find(stop.as_str()));
        if let Some(end) = places.min() {
            self.found = true;
            text.truncate(end);
            return text;
        }
        let may_begin = |&at: &usize| {
            let rest = &text[at..];
            self.texts.iter().any(|stop| stop.starts_with(rest))
        };
        let starts = text.char_indices().map(|(at, _)| at);
        // A withheld beginning is shorter than the longest stop text.
        let longest = self.texts.iter().map(String::len).max().unwrap_or(0);
        let from = text.len().saturating_sub(longest);
        let end = starts.filter(|&at| at >= from).find(may_begin);
        self.kept_back = text.split_off(end.unwrap_or(text.len()));
        text
    }

    /// Ends the answer and returns the withheld text, which is part of it.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.kept_back)
    }
}

#[cfg(test)]
mod tests {
    use super::StopTexts;

    /// The output for `pieces`, and whether one of `texts` was found.
    fn cut(texts: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut cut = StopTexts::new(texts.iter().map(|text| text.to_string()).collect());
        let mut left: String = pieces.iter().map(|piece| cut.push(piece)).collect();
        left += &cut.finish();
        (left, cut.found())
    }

    #[test]
    fn the_answer_ends_in_front_of_the_first_text_however_it_comes() {
        let whole = "one, two. Three\n\nfour \u{e9}\u{20ac}\u{e9} five";
        for (texts, left) in [
            (&["."][..], "one, two"),
            (&["Three", "two"], "one, "),
            (&["\n\n"], "one, two. Three"),
            (&["\u{20ac}\u{e9} "], "one, two. Three\n\nfour \u{e9}"),
            (&["one"], ""),
        ] {
            assert_eq!(cut(texts, &[whole]), (left.to_string(), true));
            let letters: Vec<String> = whole.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(cut(texts, &letters), (left.to_string(), true), "{texts:?}");
        }
    }

    #[test]
    fn what_only_began_like_one_of_them_is_not_lost() {
        for pieces in [&["aab", "aa"][..], &["a", "a", "b", "a", "a"], &["aabaa"]] {
            assert_eq!(cut(&["aac", "baab"], pieces), ("aabaa".to_string(), false));
        }
        assert_eq!(cut(&["aac"], &["aa", "ac", "x"]), ("a".to_string(), true));
        assert_eq!(
            cut(&[], &["all ", "of it"]),
            ("all of it".to_string(), false)
        );
    }
}
