//! The block `inf_llava` of `config.json`: the tiling and the connector. Keys left out take the released values.

use super::checks::{count, divides};
use super::file::RawInfLlava;
use super::file_names::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::spec::{
    Ablation, Dem, DemSpec, Directions, Fusion, Modules, Pooling, Tiling, TowerSpec,
};

impl RawInfLlava {
    /// INF-LLaVA's connector between `tower` and a decoder of `outputs` channels.
    pub(super) fn connector(&self, tower: &TowerSpec, outputs: usize) -> Result<DemSpec> {
        let ablation = Ablation {
            low_resolution: self.low_resolution.unwrap_or(true),
            pooling: choice("pooling", &self.pooling, Pooling::ALL, Pooling::name)?,
            modules: choice("modules", &self.modules, Modules::ALL, Modules::name)?,
            directions: choice(
                "enhancement",
                &self.enhancement,
                Directions::ALL,
                Directions::name,
            )?,
            fusion: choice("fusion", &self.fusion, Fusion::ALL, Fusion::name)?,
            dem: choice("dem", &self.dem, Dem::ALL, Dem::name)?,
        };
        if let Some((entry, instead)) = ablation.ignored() {
            let modules = ablation.modules.name();
            let reason = format!(
                "inf_llava.{entry} is set, and with inf_llava.modules {modules:?} there is {instead}"
            );
            return Err(Error::config(CONFIG_FILE, reason));
        }
        let heads = count("inf_llava.dem_heads", self.dem_heads.unwrap_or(8))?;
        let width = "vision_config.hidden_size";
        divides("inf_llava.dem_heads", heads, width, tower.hidden_size)?;
        let inner = "16 (the enhancement's inner width is C / 16)";
        divides(inner, 16, width, tower.hidden_size)?;
        Ok(DemSpec {
            inputs: tower.hidden_size,
            outputs,
            layer_norm_eps: tower.layer_norm_eps,
            heads,
            ablation,
        })
    }

    /// The dual tiling.
    pub(super) fn tiling(&self) -> Result<Tiling> {
        let crops_per_side = self.crops_per_side.unwrap_or(3);
        if !(1..=16).contains(&crops_per_side) {
            let reason =
                format!("inf_llava.crops_per_side is {crops_per_side}, it must be 1 to 16");
            return Err(Error::config(CONFIG_FILE, reason));
        }
        Ok(Tiling::Dual { crops_per_side })
    }
}

/// The element of `all` that `written` names, or the first if `written` is absent.
fn choice<T: Copy>(
    entry: &str,
    written: &Option<String>,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T> {
    let is_it = |choice: &&T| written.as_deref().is_none_or(|text| name(**choice) == text);
    all.iter().find(is_it).copied().ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|&choice| name(choice)).collect();
        let written = written.as_deref().unwrap_or_default();
        let names = names.join(", ");
        let reason = format!("inf_llava.{entry} is {written:?}; supported: {names}");
        Error::config(CONFIG_FILE, reason)
    })
}
