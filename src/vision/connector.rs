//! The connector of a model: features of the views -> visual tokens.

use burn::tensor::{Device, Tensor};

use crate::config::{Dual, Treatment, Vision};
use crate::error::Result;
use crate::load::Builder;
use crate::recorder::Recorder;
use crate::spec::plan::Coverage;
use crate::spec::{self, Detail, Layout};
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
    /// With the model's crops.
    usual: Covered,
    /// At low detail.
    low: Covered,
}

/// What is prepared for each coverage.
struct Covered {
    live: Prepared,
    dense: Prepared,
}

impl Covered {
    fn new(dual: &Dual<'_>, device: &Device) -> Self {
        Covered {
            live: Prepared::new(dual, Coverage::Live, device),
            dense: Prepared::new(dual, Coverage::Dense, device),
        }
    }
}

impl Dem {
    /// What is prepared for a picture under `treatment`.
    pub fn prepared(&self, treatment: Treatment) -> &Prepared {
        let covered = match treatment.detail {
            Detail::Low => &self.low,
            Detail::Auto | Detail::High | Detail::Tokens(_) => &self.usual,
        };
        match treatment.coverage {
            Coverage::Live => &covered.live,
            Coverage::Dense => &covered.dense,
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
                Connector::Dem(Box::new(Dem {
                    modules: DemConnector::load(dem, builder).await?,
                    usual: Covered::new(&dual, device),
                    low: Covered::new(&dual.at(Detail::Low), device),
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

    /// `features` `[views, h * h, C]`, in the order of `layout` under `treatment` -> visual tokens `[tokens, hidden]`.
    pub fn forward(
        &self,
        features: Tensor<3>,
        layout: &Layout,
        treatment: Treatment,
        recorder: &mut Recorder,
    ) -> Tensor<2> {
        match self {
            Connector::Dem(dem) => {
                let prepared = dem.prepared(treatment);
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
