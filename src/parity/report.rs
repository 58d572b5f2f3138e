//! The results of a comparison with PyTorch.

use serde::Serialize;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `live`, `dense`, `text`, or `live - dense`.
    pub kind: &'static str,
    /// The fixture's key.
    pub name: String,
    /// Largest absolute error; for ids and bytes, the number of differences.
    pub max_error: f32,
    /// Mean absolute error.
    pub mean_error: f32,
    /// Largest error allowed.
    pub limit: f32,
}

impl Row {
    /// Whether the error is within the limit (false for NaN).
    pub fn passed(&self) -> bool {
        self.max_error <= self.limit
    }

    pub(super) fn of_values(
        kind: &'static str,
        name: String,
        found: &[f32],
        expected: &[f32],
        limit: f32,
    ) -> Self {
        if found.len() != expected.len() {
            return Row {
                kind,
                name,
                max_error: f32::INFINITY,
                mean_error: f32::INFINITY,
                limit,
            };
        }
        let errors = || found.iter().zip(expected).map(|(a, b)| (a - b).abs());
        // `max` would ignore NaN.
        let max_error = errors().fold(0.0f32, |max, e| if e.is_nan() || e > max { e } else { max });
        let mean_error = (errors().map(f64::from).sum::<f64>() / found.len().max(1) as f64) as f32;
        Row {
            kind,
            name,
            max_error,
            mean_error,
            limit,
        }
    }

    pub(super) fn of_count(kind: &'static str, name: String, differing: usize, of: usize) -> Self {
        let (max_error, mean_error) = (differing as f32, differing as f32 / of.max(1) as f32);
        Row {
            kind,
            name,
            max_error,
            mean_error,
            limit: 0.0,
        }
    }
}

/// The results of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Every comparison, in order.
    pub rows: Vec<Row>,
    /// Keys of `expected.safetensors` that were not compared.
    pub unused: Vec<String>,
}

impl Report {
    /// Whether everything was compared and is within its limit.
    pub fn passed(&self) -> bool {
        self.unused.is_empty() && !self.rows.is_empty() && self.rows.iter().all(Row::passed)
    }
}
