//! The connector of a model: features of the views -> visual tokens.

use burn::tensor::{Device, Tensor};

use crate::config::Config;
use crate::error::Result;
use crate::load::Builder;
use crate::recorder::Recorder;
use crate::spec;
use crate::spec::plan::Coverage;
use crate::vision::dem::{DemConnector, Features, Prepared};
use crate::vision::shuffle::Shuffle;
use crate::weights::tensors::Tensors;

/// A connector, with the data that it prepares once for all pictures.
pub enum Connector {
    /// INF-LLaVA's.
    Dem(Box<Dem>),
    /// SmolVLM's.
    Shuffle(Shuffle),
}

/// INF-LLaVA's modules, and its plans with their indices on the device.
pub struct Dem {
    /// Enhancement and projector.
    pub modules: DemConnector,
    live: Prepared,
    dense: Prepared,
}

impl Dem {
    /// What is prepared for `coverage`.
    pub fn prepared(&self, coverage: Coverage) -> &Prepared {
        match coverage {
            Coverage::Live => &self.live,
            Coverage::Dense => &self.dense,
        }
    }
}

impl Connector {
    /// Reads the connector of `config`.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn load<T: Tensors>(
        config: &Config,
        device: &Device,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        Ok(match &config.connector {
            spec::Connector::Dem(dem) => {
                let dual = config.require_dual("this connector")?;
                let prepared = |coverage| Prepared::new(&dual, coverage, device);
                Connector::Dem(Box::new(Dem {
                    modules: DemConnector::load(dem, builder).await?,
                    live: prepared(Coverage::Live),
                    dense: prepared(Coverage::Dense),
                }))
            }
            spec::Connector::Shuffle(shuffle) => {
                Connector::Shuffle(Shuffle::load(shuffle, builder).await?)
            }
        })
    }

    /// `features` `[views, h * h, C]`, in the layout's order under `coverage` -> visual tokens `[tokens, hidden]`.
    pub fn forward(
        &self,
        features: Tensor<3>,
        coverage: Coverage,
        recorder: &mut Recorder,
    ) -> Tensor<2> {
        match self {
            Connector::Dem(dem) => {
                let prepared = dem.prepared(coverage);
                let features = Features::from_passes(&prepared.plan, features);
                features.record(recorder);
                dem.modules.forward_recorded(prepared, &features, recorder)
            }
            Connector::Shuffle(shuffle) => shuffle.forward(features),
        }
    }
}
