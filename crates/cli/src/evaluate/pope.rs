//! POPE's metrics (arXiv 2305.10355): how often a model sees objects that are not there.
//!
//! Answers are parsed as in POPE's own script (`evaluate.py`): the text up to the first full stop, without commas and
//! split at spaces, means no if one of its words is `No`, `no` or `not`, and otherwise yes. So `NO`, `Nope` and an
//! empty answer count as yes. Unlike in the script, spaces and newlines around the answer are removed first.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::score::share;

/// Whether the official script counts this answer as yes.
pub fn says_yes(answer: &str) -> bool {
    let sentence = answer.trim().split('.').next().unwrap_or("");
    let sentence = sentence.replace(',', "");
    !sentence
        .split(' ')
        .any(|word| matches!(word, "No" | "no" | "not"))
}

/// The confusion counts; yes is positive.
///
/// Ratios with a zero denominator are 0 (the script divides by zero).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pope {
    /// The object is there, and the answer is yes.
    pub true_positives: u64,
    /// The object is not there, and the answer is yes.
    pub false_positives: u64,
    /// The object is not there, and the answer is no.
    pub true_negatives: u64,
    /// The object is there, and the answer is no.
    pub false_negatives: u64,
}

impl Pope {
    /// Counts one answer and returns whether it is right; `is_there` is the label.
    pub fn add(&mut self, is_there: bool, answer: &str) -> bool {
        let yes = says_yes(answer);
        *match (is_there, yes) {
            (true, true) => &mut self.true_positives,
            (false, true) => &mut self.false_positives,
            (false, false) => &mut self.true_negatives,
            (true, false) => &mut self.false_negatives,
        } += 1;
        is_there == yes
    }

    /// The number of answers.
    pub fn count(&self) -> u64 {
        self.answered_yes() + self.true_negatives + self.false_negatives
    }

    fn answered_yes(&self) -> u64 {
        self.true_positives + self.false_positives
    }

    /// The share of right answers.
    pub fn accuracy(&self) -> f64 {
        share(self.true_positives + self.true_negatives, self.count())
    }

    /// The share of yes answers that are right.
    pub fn precision(&self) -> f64 {
        share(self.true_positives, self.answered_yes())
    }

    /// The share of present objects that are seen.
    pub fn recall(&self) -> f64 {
        share(
            self.true_positives,
            self.true_positives + self.false_negatives,
        )
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        let wrong = self.false_positives + self.false_negatives;
        share(2 * self.true_positives, 2 * self.true_positives + wrong)
    }

    /// The share of yes answers; half of POPE's labels are yes.
    pub fn yes_ratio(&self) -> f64 {
        share(self.answered_yes(), self.count())
    }
}

/// As `{"accuracy", "precision", "recall", "f1", "yes_ratio", "count"}`.
impl Serialize for Pope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pope = serializer.serialize_struct("Pope", 6)?;
        pope.serialize_field("accuracy", &self.accuracy())?;
        pope.serialize_field("precision", &self.precision())?;
        pope.serialize_field("recall", &self.recall())?;
        pope.serialize_field("f1", &self.f1())?;
        pope.serialize_field("yes_ratio", &self.yes_ratio())?;
        pope.serialize_field("count", &self.count())?;
        pope.end()
    }
}

impl fmt::Display for Pope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, share) in [
            ("accuracy", self.accuracy()),
            ("precision", self.precision()),
            ("recall", self.recall()),
            ("F1", self.f1()),
            ("yes ratio", self.yes_ratio()),
        ] {
            writeln!(f, "{name:9}  {:>5.1} %", share * 100.0)?;
        }
        write!(f, "{:9}  {:>5}", "count", self.count())
    }
}
