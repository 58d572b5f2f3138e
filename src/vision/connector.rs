//! The connector of a model: features of the views -> visual tokens.

use burn::tensor::{Device, Tensor};

use crate::config::Vision;
use crate::error::Result;
use crate::load::Builder;
use crate::recorder::Recorder;
use crate::spec::plan::Coverage;
use crate::spec::{self, Layout};
use crate::vision::dem::{DemConnector, Features, Prepared};
use crate::vision::mlp::Mlp;
use crate::vision::perceiver::Perceiver;
use crate::vision::shuffle::Shuffle;
use crate::weights::tensors::Tensors;

/// A connector, with the data that it prepares once for all pictures.
pub enum Connector {
    /// INF-LLaVA's.
    Dem(Box<Dem>),
    /// SmolVLM's.
    Shuffle(Shuffle),
    /// LLaVA's.
    Mlp(Box<Mlp>),
    /// VLSA's.
    Perceiver(Box<Perceiver>),
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
    /// Reads the connector of `vision`.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn load<T: Tensors>(
        vision: &Vision,
        device: &Device,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        Ok(match &vision.connector {
            spec::Connector::Dem(dem) => {
                let dual = vision.require_dual("this connector")?;
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
            spec::Connector::Mlp(mlp) => Connector::Mlp(Box::new(Mlp::load(mlp, builder).await?)),
            spec::Connector::Perceiver(perceiver) => {
                Connector::Perceiver(Box::new(Perceiver::load(perceiver, builder).await?))
            }
        })
    }

    /// `features` `[views, h * h, C]`, in the order of `layout` under `coverage` -> visual tokens `[tokens, hidden]`.
    pub fn forward(
        &self,
        features: Tensor<3>,
        layout: &Layout,
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
            Connector::Shuffle(shuffle) => shuffle.forward(features, recorder),
            Connector::Mlp(mlp) => mlp.forward(features, layout, recorder),
            Connector::Perceiver(perceiver) => perceiver.forward(features, layout, recorder),
        }
    }
}
