//! Reads the rotary embedding's settings in config.json, in either spelling, and checks that they
//! are supported.

use serde_json::{Map, Value};

use super::checks::positive;
use super::file_names::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::printable::quoted;
use crate::spec::{RopeScaling, RopeSpec};

/// The default of `LlamaConfig`, `MistralConfig` and `Qwen2Config`.
const DEFAULT_THETA: f64 = 10_000.0;
/// Keys of the kind of scaling: the current and the older one.
const KIND: [&str; 2] = ["rope_type", "type"];

/// The settings as written.
pub(super) struct RawRope<'a> {
    /// In front of the keys' names in messages.
    pub(super) prefix: &'a str,
    pub(super) rope_theta: Option<f64>,
    pub(super) rope_scaling: Option<&'a Value>,
    pub(super) rope_parameters: Option<&'a Value>,
    pub(super) partial_rotary_factor: Option<f64>,
}

/// Which scalings a model may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalings {
    /// None: INF-LLaVA.
    None,
    /// Those that are computed here.
    All,
}

impl RawRope<'_> {
    /// The rotary embedding. transformers 5 writes `rope_parameters`, which contains the base; earlier versions write
    /// `rope_theta` beside `rope_scaling`. As there, `rope_scaling` takes precedence over `rope_parameters`, and a base
    /// inside it over one outside.
    ///
    /// # Errors
    /// [`Error::Config`] naming an unsupported kind of scaling, or a number that is missing or out of range.
    pub(super) fn spec(&self, scalings: Scalings) -> Result<RopeSpec> {
        if self.partial_rotary_factor.is_some_and(|share| share != 1.0) {
            return Err(
                self.bad("partial_rotary_factor is not 1; all channels of a head are turned here")
            );
        }
        let own = self.rope_theta.unwrap_or(DEFAULT_THETA);
        let spellings = [
            ("rope_scaling", self.rope_scaling),
            ("rope_parameters", self.rope_parameters),
        ];
        let mut rope = RopeSpec::of_theta(own);
        for (name, value) in spellings {
            match value {
                None | Some(Value::Null) => continue,
                Some(Value::Object(entries)) if entries.is_empty() => continue,
                Some(Value::Object(entries)) => rope = self.in_object(name, entries, scalings)?,
                Some(_) => {
                    return Err(self.bad(format!("{name} must be an object, or null")));
                }
            }
            break;
        }
        positive(&format!("{}rope_theta", self.prefix), rope.theta)?;
        Ok(rope)
    }

    fn bad(&self, reason: impl AsRef<str>) -> Error {
        Error::config(CONFIG_FILE, format!("{}{}", self.prefix, reason.as_ref()))
    }

    fn in_object(
        &self,
        name: &str,
        entries: &Map<String, Value>,
        scalings: Scalings,
    ) -> Result<RopeSpec> {
        if let Some((layers, _)) = entries.iter().find(|(_, value)| value.is_object()) {
            return Err(self.bad(format!(
                "{name} is stated for {} alone; one for all layers is computed here",
                quoted(layers)
            )));
        }
        let kind = KIND.iter().find_map(|kind| entries.get(*kind));
        let number = |entry: &str| self.number(name, entries, entry);
        let scaling = match kind.map(|kind| kind.as_str().unwrap_or_default()) {
            Some("default") => RopeScaling::None,
            None if entries.keys().all(|entry| entry == "rope_theta") => RopeScaling::None,
            None => {
                return Err(self.bad(format!(
                    "{name} is set and has no rope_type; state \"default\", or null"
                )));
            }
            Some(kind) if scalings == Scalings::None => {
                return Err(self.bad(format!(
                    "{name}.rope_type is {kind:?}; only \"default\" is computed here: LLaMA-3 (8192 positions) has no scaling, models with longer contexts are not run"
                )));
            }
            Some("linear") => RopeScaling::Linear {
                factor: number("factor")?,
            },
            Some("llama3") => RopeScaling::Llama3 {
                factor: number("factor")?,
                low_freq_factor: number("low_freq_factor")?,
                high_freq_factor: number("high_freq_factor")?,
                original: number("original_max_position_embeddings")?,
            },
            Some(kind) => {
                return Err(self.bad(format!(
                    "{name}.rope_type is {}; supported: default, linear, llama3",
                    quoted(kind)
                )));
            }
        };
        self.check_scaling(name, scaling)?;
        let share = entries.get("partial_rotary_factor");
        if share.is_some_and(|share| share.as_f64() != Some(1.0)) {
            return Err(self.bad(format!(
                "{name}.partial_rotary_factor is not 1; all channels of a head are turned here"
            )));
        }
        let theta = match entries.get("rope_theta").map(Value::as_f64) {
            None => self.rope_theta.unwrap_or(DEFAULT_THETA),
            Some(Some(theta)) => theta,
            Some(None) => {
                return Err(self.bad(format!("{name}.rope_theta must be a number")));
            }
        };
        Ok(RopeSpec { theta, scaling })
    }

    /// A number that the scaling needs.
    fn number(&self, name: &str, entries: &Map<String, Value>, entry: &str) -> Result<f64> {
        let Some(value) = entries.get(entry).and_then(Value::as_f64) else {
            return Err(self.bad(format!(
                "{name}.{entry} must be a number: its rope_type needs it"
            )));
        };
        positive(&format!("{}{name}.{entry}", self.prefix), value)
    }

    fn check_scaling(&self, name: &str, scaling: RopeScaling) -> Result<()> {
        let factor = match scaling {
            RopeScaling::None => return Ok(()),
            RopeScaling::Linear { factor } | RopeScaling::Llama3 { factor, .. } => factor,
        };
        if factor < 1.0 {
            return Err(self.bad(format!("{name}.factor is {factor}, it must be at least 1")));
        }
        if let RopeScaling::Llama3 {
            low_freq_factor: low,
            high_freq_factor: high,
            ..
        } = scaling
            && low >= high
        {
            return Err(self.bad(format!(
                "{name}.low_freq_factor is {low}, it must be below high_freq_factor = {high}"
            )));
        }
        Ok(())
    }
}
