//! INF-LLaVA's connector: features of both perspectives -> enhancement -> mean with the low-resolution features ->
//! projector. Does not contain the tower, so training can run it on stored features.

pub mod enhance;
pub mod fusion;
pub mod selection;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::Dual;
use crate::error::Result;
use crate::gpu::ops::Cut;
use crate::load::Builder;
use crate::recorder::Recorder;
use crate::spec::DemSpec;
use crate::spec::plan::{Coverage, LowSource, Plan};
use crate::vision::grid::map_from_weave;
use crate::vision::projector::Projector;
use crate::weights::tensors::Tensors;
use enhance::{Enhanced, Enhancement};
use selection::Selection;

/// A plan with its indices on the device.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What is computed.
    pub plan: Plan,
    /// The index tensors of its rows.
    pub selection: Selection,
}

impl Prepared {
    /// For the sizes of `dual`. The indices are plain tensors, used with and without autodiff.
    pub fn new(dual: &Dual<'_>, coverage: Coverage, device: &Device) -> Self {
        let plan = dual.plan(coverage);
        let selection = Selection::new(&plan, device);
        Prepared { plan, selection }
    }
}

/// The features of a picture's crops, `[crops, h * h, C]` in the plan's order; none where the plan has no such crops.
#[derive(Debug, Clone)]
pub struct Features {
    /// Of the local crops that the plan computes.
    pub local: Option<Tensor<3>>,
    /// Of the global crops that the plan computes.
    pub global: Option<Tensor<3>>,
    /// Of the low-resolution image, `[h * h, C]`.
    pub low: Option<Tensor<2>>,
}

impl Features {
    /// The tower's output `[passes, h * h, C]`, in the order of [`Plan::passes`].
    pub fn from_passes(plan: &Plan, all: Tensor<3>) -> Self {
        let (locals, globals) = (plan.local_crops().len(), plan.global_crops().len());
        let part = |first, count| (count > 0).then(|| all.clone().narrow(0, first, count));
        let global = part(locals, globals);
        let local = match plan.local_is_global {
            true => global.clone(),
            false => part(0, locals),
        };
        let low = match plan.low {
            LowSource::OwnPass => part(locals + globals, 1),
            LowSource::GlobalCrop(index) => part(locals + index, 1),
            LowSource::Unused => None,
        };
        Features {
            local,
            global,
            low: low.map(|low| low.squeeze_dim(0)),
        }
    }

    /// Records them under the fixtures' names.
    pub fn record(&self, recorder: &mut Recorder) {
        for (name, crops) in [
            ("features_local", &self.local),
            ("features_global", &self.global),
        ] {
            if let Some(crops) = crops {
                recorder.keep(name, crops);
            }
        }
        if let Some(low) = &self.low {
            recorder.keep("features_low", low);
        }
    }
}

/// Enhancement and projector. The fields are in the order of [`DemSpec::weights`].
#[derive(Module, Debug)]
pub struct DemConnector {
    /// DEM; none if the configuration has no enhancement.
    pub enhancement: Option<Enhancement>,
    /// To the decoder's channels.
    pub projector: Projector,
}

impl DemConnector {
    /// Loads the connector.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn load<T: Tensors>(
        spec: &DemSpec,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        let read = async |builder: &mut Builder<'_, '_, T>| {
            let has_enhancement = spec.ablation.modules.has_enhancement();
            Ok(DemConnector {
                enhancement: match has_enhancement {
                    true => Some(Enhancement::load(spec, builder).await?),
                    false => None,
                },
                projector: Projector::load(builder).await?,
            })
        };
        builder.part(spec.weights(), read).await
    }

    /// The features of one picture -> its visual tokens `[h * h, hidden]`.
    pub fn forward(&self, prepared: &Prepared, features: &Features) -> Tensor<2> {
        self.forward_recorded(prepared, features, &mut Recorder::off())
    }

    /// As [`DemConnector::forward`], recording intermediate results.
    pub fn forward_recorded(
        &self,
        prepared: &Prepared,
        features: &Features,
        recorder: &mut Recorder,
    ) -> Tensor<2> {
        let plan = &prepared.plan;
        let enhanced = self.high_resolution(prepared, features);
        if let Some(enhanced) = &enhanced {
            if recorder.is_on() && plan.coverage == Coverage::Dense {
                let [rows, channels] = enhanced.rows.dims();
                let (n, h) = (plan.crops_per_side, plan.tokens_per_side);
                debug_assert_eq!(rows, n * n * h * h);
                let crops = enhanced.rows.clone().reshape([n * n, h * h, channels]);
                recorder.keep("dem_fused_map", &map_from_weave(crops, n));
            }
            recorder.keep("dem_output", &enhanced.output);
        }
        let merged = match (features.low.clone(), enhanced.map(|e| e.output)) {
            (Some(low), Some(enhanced)) => (low + enhanced).mul_scalar(0.5),
            // Only one of the two: a plan always has at least one.
            (low, enhanced) => Tensor::cat(low.into_iter().chain(enhanced).collect(), 0),
        };
        recorder.keep("merged", &merged);
        let visual_tokens = self.projector.forward(merged);
        recorder.keep("visual_tokens", &visual_tokens);
        visual_tokens
    }

    /// As [`Enhancement::attention_maps`]; empty if there is no enhancement.
    pub fn attention_maps(
        &self,
        prepared: &Prepared,
        features: &Features,
    ) -> Vec<(Cut, Tensor<2>)> {
        match (&self.enhancement, &features.local, &features.global) {
            (Some(enhancement), Some(local), Some(global)) => enhancement.attention_maps(
                &prepared.plan,
                &prepared.selection,
                local.clone(),
                global.clone(),
            ),
            _ => Vec::new(),
        }
    }

    /// The maps, enhanced and fused, or (Tab. 6) one of them or their sum, unenhanced; none if there are no maps.
    pub fn high_resolution(&self, prepared: &Prepared, features: &Features) -> Option<Enhanced> {
        let Prepared { plan, selection } = prepared;
        let modules = plan.ablation.modules;
        let local = features.local.clone().filter(|_| modules.has_local());
        let global = features.global.clone().filter(|_| modules.has_global());
        if let (Some(enhancement), Some(local), Some(global)) = (&self.enhancement, &local, &global)
        {
            let (local, global) = (local.clone(), global.clone());
            return Some(enhancement.forward(plan, selection, local, global));
        }
        let local = local.map(|local| selection.local_map(local));
        let global = global.map(|global| selection.global_map(global));
        let rows = local.into_iter().chain(global).reduce(|l, g| l + g)?;
        let output = selection.tokens(&rows);
        Some(Enhanced { rows, output })
    }
}
