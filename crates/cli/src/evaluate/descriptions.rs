//! Scores descriptions of generated scenes: entirely right, and by the things they mention.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::Score;
use super::score::share;
use crate::scenes::{Found, Verdict};

/// Counts of things of one kind: mentioned, present, and mentioned correctly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Things {
    /// Descriptions that are right about all things of this kind.
    pub whole: Score,
    there: usize,
    told: usize,
    right: usize,
}

impl Things {
    fn add(&mut self, found: Found, understood: bool) {
        self.whole.add(understood && found.is_right());
        self.there += found.there;
        self.told += found.told;
        self.right += found.right;
    }

    /// The share of mentioned things that are present and described correctly, 0 to 1.
    pub fn precision(&self) -> f64 {
        share(self.right as u64, self.told as u64)
    }

    /// The share of present things that are described correctly, 0 to 1.
    pub fn recall(&self) -> f64 {
        share(self.right as u64, self.there as u64)
    }
}

/// As `{"right": 0.9, "precision": 0.98, "recall": 0.97, "count": 840}`; `count` is the number of present things.
impl Serialize for Things {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut things = serializer.serialize_struct("Things", 4)?;
        things.serialize_field("right", &self.whole.exact_match())?;
        things.serialize_field("precision", &self.precision())?;
        things.serialize_field("recall", &self.recall())?;
        things.serialize_field("count", &self.there)?;
        things.end()
    }
}

/// Scored descriptions. Its `Display` is a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Descriptions {
    /// Entirely right descriptions.
    pub whole: Score,
    /// Descriptions that contain unknown words.
    pub not_understood: u64,
    /// Figures, with their positions where mentioned.
    pub figures: Things,
    /// Signs, with their texts.
    pub signs: Things,
    /// Charts, with the number of their bars.
    pub charts: Things,
}

impl Descriptions {
    /// Adds one description.
    pub fn add(&mut self, verdict: &Verdict) {
        let understood = verdict.understood;
        self.whole.add(verdict.is_right());
        self.not_understood += u64::from(!understood);
        self.figures.add(verdict.figures, understood);
        self.signs.add(verdict.signs, understood);
        self.charts.add(verdict.charts, understood);
    }
}

impl Serialize for Descriptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_struct("Descriptions", 7)?;
        all.serialize_field("right", &self.whole.exact_match())?;
        all.serialize_field("count", &self.whole.count)?;
        all.serialize_field("interval", &self.whole.interval())?;
        all.serialize_field("not_understood", &self.not_understood)?;
        all.serialize_field("figures", &self.figures)?;
        all.serialize_field("signs", &self.signs)?;
        all.serialize_field("charts", &self.charts)?;
        all.end()
    }
}

impl fmt::Display for Descriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "what is told     all right  precision    recall   count")?;
        let kinds = [
            ("figures", self.figures),
            ("signs", self.signs),
            ("charts", self.charts),
        ];
        for (name, things) in kinds {
            writeln!(
                f,
                "{name:<15}  {:>7.1} %  {:>7.1} %  {:>6.1} %  {:>6}",
                things.whole.exact_match() * 100.0,
                things.precision() * 100.0,
                things.recall() * 100.0,
                things.there
            )?;
        }
        let [low, high] = self.whole.interval();
        write!(
            f,
            "right throughout: {:.1} % of {} descriptions (95 % interval: {:.1} % to {:.1} %); {} not understood",
            self.whole.exact_match() * 100.0,
            self.whole.count,
            low * 100.0,
            high * 100.0,
            self.not_understood
        )
    }
}
