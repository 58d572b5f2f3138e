//! Reads JSON, and checks what is computed with later: every size has a cap, so that products of sizes do not overflow.

use serde::de::DeserializeOwned;

use super::file_names::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::foreign;

/// Upper limit for sizes in a configuration; the released model's largest is 128257.
pub(super) const SIZE_CAP: usize = 1 << 20;
/// Upper limit for numbers of layers and heads, which multiply with other sizes; the released model
/// has 32 of each.
pub(super) const COUNT_CAP: usize = 1 << 10;

pub(super) fn parse<T: DeserializeOwned>(file: &str, json: &[u8]) -> Result<T> {
    foreign::json(json).map_err(|reason| Error::config(file, reason))
}

pub(super) fn size(name: &str, value: usize) -> Result<usize> {
    up_to(SIZE_CAP, name, value)
}

pub(super) fn count(name: &str, value: usize) -> Result<usize> {
    up_to(COUNT_CAP, name, value)
}

fn up_to(cap: usize, name: &str, value: usize) -> Result<usize> {
    if (1..=cap).contains(&value) {
        Ok(value)
    } else {
        Err(Error::config(
            CONFIG_FILE,
            format!("{name} is {value}, it must be 1 to {cap}"),
        ))
    }
}

pub(super) fn positive(name: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(Error::config(
            CONFIG_FILE,
            format!("{name} is {value}, it must be a positive number"),
        ))
    }
}

pub(super) fn divides(divisor_name: &str, divisor: usize, name: &str, value: usize) -> Result<()> {
    if value.is_multiple_of(divisor) {
        Ok(())
    } else {
        Err(Error::config(
            CONFIG_FILE,
            format!("{name} is {value}, which {divisor_name} = {divisor} does not divide"),
        ))
    }
}
