//! The paper's ablations: one model per configuration and seed, trained with one budget on one tower,
//! scored on the same questions.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::file::{Stage, beside, read_toml};
use inf_llava::error::{Error, Result};

/// An ablation file, as TOML.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationFile {
    /// The model folder from which every run begins, relative to this file. Its vision tower is
    /// used unchanged.
    pub model: PathBuf,
    /// Text above the tables.
    #[serde(default)]
    pub intro: String,
    /// Text below the tables.
    #[serde(default)]
    pub notes: String,
    /// Seeds; each configuration is trained once with each of them.
    pub seeds: Vec<u64>,
    /// Seed of the scenes that the questions are about.
    pub exam_seed: u64,
    /// Number of questions.
    pub exam_count: usize,
    /// The stages of every run.
    pub stage: Vec<Stage>,
    /// Tables and their rows.
    pub table: Vec<Table>,
}

/// One of the paper's tables.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Heading.
    pub title: String,
    /// Names of the paper's columns, in order.
    #[serde(default)]
    pub paper_columns: Vec<String>,
    /// Its rows.
    pub row: Vec<Row>,
}

/// One configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The configuration's name in the paper.
    pub name: String,
    /// Also the name of its folders. Rows of several tables may share one id.
    pub id: String,
    /// Keys of config.json's `inf_llava` block that this configuration sets.
    #[serde(default)]
    pub inf_llava: BTreeMap<String, serde_json::Value>,
    /// The paper's figures.
    #[serde(default)]
    pub paper: Vec<f64>,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, Deserialize)]
pub struct Outcome {
    /// Share of correct answers, 0 to 1.
    pub overall: f64,
    /// The same for each family of questions.
    pub families: BTreeMap<String, f64>,
    /// Forward passes of the vision tower for each picture.
    pub vision_passes: usize,
}

impl AblationFile {
    /// Reads an ablation file.
    ///
    /// # Errors
    /// [`Error::FileAccess`], [`Error::Config`].
    pub fn read(path: &Path) -> Result<Self> {
        let mut file: AblationFile = read_toml(path)?;
        file.model = beside(path, &file.model);
        file.stage
            .iter_mut()
            .try_for_each(|stage| stage.settle(path))?;
        if file.seeds.is_empty() || file.exam_count == 0 {
            return Err(Error::config(
                path.display(),
                "seeds and exam_count must not be empty",
            ));
        }
        Ok(file)
    }

    /// Every configuration once, in the order of the tables.
    pub fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = Vec::new();
        for row in self.table.iter().flat_map(|table| &table.row) {
            if !rows.iter().any(|known| known.id == row.id) {
                rows.push(row);
            }
        }
        rows
    }

    /// The whole document in Markdown; the cells of missing runs are empty.
    pub fn tables(&self, outcomes: &BTreeMap<(String, u64), Outcome>) -> String {
        let mut text = format!("{}\n", self.intro);
        for table in &self.table {
            let runs = |row: &Row| -> Vec<&Outcome> {
                let seeds = self.seeds.iter();
                seeds
                    .filter_map(|&seed| outcomes.get(&(row.id.clone(), seed)))
                    .collect()
            };
            let families: Vec<&String> =
                match table.row.iter().find_map(|r| runs(r).first().copied()) {
                    Some(outcome) => outcome.families.keys().collect(),
                    None => continue,
                };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "## {}\n", table.title);
            let mut head = vec!["configuration".to_string(), "passes".into(), "all".into()];
            head.extend(families.iter().map(|family| family.to_string()));
            head.extend(
                table
                    .paper_columns
                    .iter()
                    .map(|name| format!("paper: {name}")),
            );
            let _ = writeln!(text, "| {} |", head.join(" | "));
            let _ = writeln!(text, "|{}", " --- |".repeat(head.len()));
            for row in &table.row {
                let found = runs(row);
                let passes = found
                    .first()
                    .map_or(String::new(), |o| o.vision_passes.to_string());
                let mut cells = vec![row.name.clone(), passes];
                cells.push(cell(&found, |outcome| Some(outcome.overall)));
                for &family in &families {
                    cells.push(cell(&found, |outcome| {
                        outcome.families.get(family).copied()
                    }));
                }
                cells.extend(row.paper.iter().map(|figure| format!("{figure:.2}")));
                let _ = writeln!(text, "| {} |", cells.join(" | "));
            }
            text.push('\n');
        }
        text + &self.notes
    }
}

/// Mean over the seeds in per cent; with several seeds also the lowest and the highest.
fn cell(outcomes: &[&Outcome], of: impl Fn(&Outcome) -> Option<f64>) -> String {
    let values: Vec<f64> = outcomes
        .iter()
        .filter_map(|o| of(o))
        .map(|v| 100.0 * v)
        .collect();
    if values.is_empty() {
        return String::new();
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    if values.len() == 1 {
        return format!("{mean:.1}");
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{mean:.1} ({low:.1} to {high:.1})")
}
