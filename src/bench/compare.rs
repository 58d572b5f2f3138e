//! What was computed beside what is right.

/// Largest error over the root of the mean square of what is right; NaN where one is NaN or some are missing.
pub(super) fn largest_error(found: &[f32], expected: &[f32]) -> f64 {
    let squares: f64 = expected.iter().map(|&v| f64::from(v).powi(2)).sum();
    let size = (squares / expected.len() as f64).sqrt();
    let errors = found
        .iter()
        .zip(expected)
        .map(|(a, b)| f64::from(a - b).abs());
    // `max` would drop a NaN.
    let largest = errors.fold(
        0.0,
        |most: f64, e| if e.is_nan() || e > most { e } else { most },
    );
    if found.len() == expected.len() {
        largest / size
    } else {
        f64::NAN
    }
}
