//! Parsers of single arguments, and the error for invalid ones.

use std::num::IntErrorKind;

use anyhow::anyhow;
use clap::builder::PossibleValuesParser;

use inf_llava::gpu::device::DeviceChoice;

/// The error for an invalid command line as a whole.
pub(super) fn usage(message: String) -> anyhow::Error {
    anyhow!(message)
}

/// Parses the name of a device.
pub(super) fn device_names() -> PossibleValuesParser {
    PossibleValuesParser::new(DeviceChoice::NAMES)
}

/// Parses a number above 0.
pub(super) fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("it must be a number above 0".into()),
    }
}

/// Parses a positive whole number.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(match error.kind() {
            IntErrorKind::PosOverflow => "the number is too large".into(),
            _ => "it must be a whole number of at least 1".into(),
        }),
    }
}
