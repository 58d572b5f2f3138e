//! Exact match, counted by kind of question.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use inf_llava::printable::one_line;
use inf_llava::{Error, Result};

/// The 97.5 % quantile of the normal distribution, for a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// The part of an answer that is compared: its text in lower case, without surrounding spaces and without one final
/// full stop.
pub fn normalised(answer: &str) -> String {
    let text = answer.trim().to_lowercase();
    let text = text.strip_suffix('.').unwrap_or(&text);
    text.trim_end().to_string()
}

/// Whether an answer equals the expected one, after both are [`normalised`].
pub fn is_match(expected: &str, answer: &str) -> bool {
    normalised(expected) == normalised(answer)
}

/// The number of right answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Score {
    /// Right answers.
    pub correct: u64,
    /// All answers.
    pub count: u64,
}

impl Score {
    /// Counts one answer.
    pub fn add(&mut self, is_correct: bool) {
        self.correct += u64::from(is_correct);
        self.count += 1;
    }

    /// The share of right answers, 0 to 1; 0 if nothing was asked.
    pub fn exact_match(&self) -> f64 {
        share(self.correct, self.count)
    }

    /// The 95 % confidence interval of the share: Wilson's score interval without continuity correction (E. B.
    /// Wilson, 1927). `[0, 1]` if nothing was asked.
    pub fn interval(&self) -> [f64; 2] {
        if self.count == 0 {
            return [0.0, 1.0];
        }
        let (count, found) = (self.count as f64, self.exact_match());
        let spread = Z * Z / count;
        let centre = (found + spread / 2.0) / (1.0 + spread);
        let variance = found * (1.0 - found) / count + spread / (4.0 * count);
        let half = Z / (1.0 + spread) * variance.sqrt();
        // Exact at the ends, where rounding would give 1e-17 or 1 + 1e-16.
        let low = if self.correct == 0 {
            0.0
        } else {
            centre - half
        };
        let high = match self.correct == self.count {
            true => 1.0,
            false => centre + half,
        };
        [low, high]
    }
}

/// As `{"exact_match": 0.93, "count": 1000}`.
impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut score = serializer.serialize_struct("Score", 2)?;
        score.serialize_field("exact_match", &self.exact_match())?;
        score.serialize_field("count", &self.count)?;
        score.end()
    }
}

/// Scores answers one by one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// All answers.
    pub overall: Score,
    /// By kind of question.
    pub families: BTreeMap<String, Score>,
    /// By the aspect excluded from training; other answers are in none.
    pub held_out: BTreeMap<String, Score>,
}

impl Tally {
    /// Scores one answer and returns whether it is right. `family` is the kind of question, `held_out` its aspect
    /// that was excluded from training.
    pub fn add(
        &mut self,
        expected: &str,
        answer: &str,
        family: Option<&str>,
        held_out: Option<&str>,
    ) -> bool {
        let is_correct = is_match(expected, answer);
        self.overall.add(is_correct);
        for (scores, key) in [(&mut self.families, family), (&mut self.held_out, held_out)] {
            if let Some(key) = key {
                scores.entry(key.to_string()).or_default().add(is_correct);
            }
        }
        is_correct
    }

    /// The report so far. `chance` is the share that guessing without the picture gets right, if known.
    ///
    /// # Errors
    /// [`Error::NothingScored`].
    pub fn report(&self, chance: Option<f64>) -> Result<Report> {
        if self.overall.count == 0 {
            return Err(Error::NothingScored);
        }
        Ok(Report {
            overall: self.overall.exact_match(),
            families: self.families.clone(),
            held_out: self.held_out.clone(),
            count: self.overall.count,
            interval: self.overall.interval(),
            chance,
        })
    }
}

/// The result of a test. The field names are the keys of its JSON; its `Display` is a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The share of right answers, 0 to 1.
    pub overall: f64,
    /// By kind of question.
    pub families: BTreeMap<String, Score>,
    /// By the aspect excluded from training.
    pub held_out: BTreeMap<String, Score>,
    /// All answers.
    pub count: u64,
    /// The 95 % interval of `overall`: see [`Score::interval`].
    pub interval: [f64; 2],
    /// The share that guessing gets right; omitted from the JSON if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = |name: &str| format!("held out: {}", one_line(name));
        let held_out = self
            .held_out
            .iter()
            .map(|(name, score)| (label(name), score));
        let families = self
            .families
            .iter()
            .map(|(name, score)| (one_line(name), score));
        let rows: Vec<(String, &Score)> = families.chain(held_out).collect();
        let widths = rows.iter().map(|(name, _)| name.chars().count());
        let width = widths.chain(["question".len()]).max().unwrap_or(0);
        writeln!(f, "{:width$}  exact match   count", "question")?;
        for (name, score) in rows {
            row(f, width, &name, score.exact_match(), score.count)?;
        }
        row(f, width, "all", self.overall, self.count)?;
        let [low, high] = self.interval;
        write!(
            f,
            "95 % interval: {:.1} % to {:.1} %",
            low * 100.0,
            high * 100.0
        )?;
        match self.chance {
            Some(chance) => write!(f, "; chance: {:.1} %", chance * 100.0),
            None => Ok(()),
        }
    }
}

fn row(
    f: &mut fmt::Formatter<'_>,
    width: usize,
    name: &str,
    share: f64,
    count: u64,
) -> fmt::Result {
    writeln!(f, "{name:width$}  {:>9.1} %  {count:>6}", share * 100.0)
}

/// `part` of `whole`, 0 to 1; 0 of nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => part as f64 / whole as f64,
    }
}
