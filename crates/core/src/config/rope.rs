//! Reads the rotary embedding's settings in config.json, in either spelling, and checks that they
//! are supported.

use serde_json::{Map, Value};

use super::file::RawConfig;
use super::file_names::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::printable::quoted;

/// The default of `LlamaConfig`.
const DEFAULT_THETA: f64 = 10_000.0;
/// Keys of the kind of scaling: the current and the older one.
const KIND: [&str; 2] = ["rope_type", "type"];

/// The base of the rotary embedding. transformers 5 writes `rope_parameters`, which contains the
/// base; earlier versions write `rope_theta` beside `rope_scaling`. As there, `rope_scaling` takes
/// precedence over `rope_parameters`, and a base inside it over one outside.
///
/// # Errors
/// [`Error::Config`] naming an unsupported kind of scaling, or for a base that is not a number.
pub(super) fn theta(raw: &RawConfig) -> Result<f64> {
    let bad = |reason: String| Err(Error::config(CONFIG_FILE, reason));
    if raw.partial_rotary_factor.is_some_and(|share| share != 1.0) {
        return bad(
            "partial_rotary_factor is not 1; all channels of a head are turned here".into(),
        );
    }
    let own = raw.rope_theta.unwrap_or(DEFAULT_THETA);
    let spellings = [
        ("rope_scaling", &raw.rope_scaling),
        ("rope_parameters", &raw.rope_parameters),
    ];
    for (name, value) in spellings {
        match value {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) if entries.is_empty() => {}
            Some(Value::Object(entries)) => return in_object(name, entries, own),
            Some(_) => return bad(format!("{name} must be an object, or null")),
        }
    }
    Ok(own)
}

fn in_object(name: &str, entries: &Map<String, Value>, own: f64) -> Result<f64> {
    let bad = |reason: String| Err(Error::config(CONFIG_FILE, reason));
    if let Some((layers, _)) = entries.iter().find(|(_, value)| value.is_object()) {
        return bad(format!(
            "{name} is stated for {} alone; one for all layers is computed here",
            quoted(layers)
        ));
    }
    let kind = KIND.iter().find_map(|kind| entries.get(*kind));
    match kind.map(|kind| kind.as_str().unwrap_or_default()) {
        Some("default") => {}
        None if entries.keys().all(|entry| entry == "rope_theta") => {}
        None => {
            return bad(format!(
                "{name} is set and has no rope_type; state \"default\", or null"
            ));
        }
        Some(kind) => {
            return bad(format!(
                "{name}.rope_type is {kind:?}; only \"default\" is computed here: LLaMA-3 (8192 positions) has no scaling, models with longer contexts are not run"
            ));
        }
    }
    let share = entries.get("partial_rotary_factor");
    if share.is_some_and(|share| share.as_f64() != Some(1.0)) {
        return bad(format!(
            "{name}.partial_rotary_factor is not 1; all channels of a head are turned here"
        ));
    }
    match entries.get("rope_theta").map(Value::as_f64) {
        None => Ok(own),
        Some(Some(theta)) => Ok(theta),
        Some(None) => bad(format!("{name}.rope_theta must be a number")),
    }
}
