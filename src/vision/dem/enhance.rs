//! The Dual-perspective Enhancement Module, DEM (paper eq. 18-27).
//!
//! Works on rows instead of maps: every enhanced position is a row, ordered by residue and then by token (for odd N
//! and the release: the rows of the one global crop). Only rows that can reach the output are computed.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::error::Result;
use crate::gpu::ops::{Cut, DemShape, dem_attention};
use crate::gpu::reference::dem_attention_map;
use crate::load::Builder;
use crate::nn::{LayerNorm, Linear};
use crate::spec::plan::Plan;
use crate::spec::{Dem, DemSpec};
use crate::vision::dem::fusion::FusionModule;
use crate::vision::dem::selection::Selection;
use crate::weights::tensors::Tensors;

/// The attention from one map to the other: the release's `linears.0..3` and `ln`.
#[derive(Module, Debug)]
pub struct DemAttention {
    /// C -> C.
    pub query: Linear,
    /// C -> C.
    pub key: Linear,
    /// C -> C.
    pub value: Linear,
    /// C -> C.
    pub out: Linear,
    /// After the residual.
    pub norm: LayerNorm,
}

/// The module. The plan decides which directions are computed, and how the maps are divided.
#[derive(Module, Debug)]
pub struct Enhancement {
    /// For both directions; where they have separate weights, for the global enhancement, or the only one.
    pub attention: DemAttention,
    /// For the local enhancement, if it has its own weights.
    pub local_attention: Option<DemAttention>,
    /// Combines the two enhanced maps.
    pub fusion: FusionModule,
    /// After the fusion.
    pub norm: LayerNorm,
    /// Attention heads.
    pub heads: usize,
}

/// The output of the enhancement.
pub struct Enhanced {
    /// The fused positions, `[rows, C]`.
    pub rows: Tensor<2>,
    /// The selected tokens, `[h * h, C]`.
    pub output: Tensor<2>,
}

impl Enhancement {
    pub(super) async fn load<T: Tensors>(
        spec: &DemSpec,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        Ok(Enhancement {
            attention: DemAttention::load(spec, builder).await?,
            local_attention: match spec.attentions().len() {
                0 | 1 => None,
                _ => Some(DemAttention::load(spec, builder).await?),
            },
            fusion: FusionModule::load(spec.ablation.fusion, builder).await?,
            norm: builder.layer_norm(spec.layer_norm_eps).await?,
            heads: spec.heads,
        })
    }

    /// `local` `[tiles^2, h * h, C]` and `global` `[globals^2, h * h, C]`: the features of the crops that `plan`
    /// computes, in its order.
    pub fn forward(
        &self,
        plan: &Plan,
        selection: &Selection,
        local: Tensor<3>,
        global: Tensor<3>,
    ) -> Enhanced {
        let shape = self.shape(plan);
        let sides = self.sides(plan, selection, local, global);
        let of = |(rows, side): (Tensor<2>, Option<Side<'_>>)| match side {
            Some(Side {
                attention,
                cut,
                keys,
            }) => attention.attend(&shape, cut, rows, keys),
            None => rows,
        };
        let [globally, locally] = sides.map(of);

        let fused = self
            .fusion
            .forward(locally, globally, selection.neighbours());
        let rows = self.norm.forward(fused);
        let output = selection.tokens(&rows);
        Enhanced { rows, output }
    }

    /// For each enabled direction, how the map is divided and the share of attention that each key of each set gets,
    /// `[sets, h * h]`, as the mean over queries and heads. Features as for [`Enhancement::forward`].
    pub fn attention_maps(
        &self,
        plan: &Plan,
        selection: &Selection,
        local: Tensor<3>,
        global: Tensor<3>,
    ) -> Vec<(Cut, Tensor<2>)> {
        let shape = self.shape(plan);
        let sides = self.sides(plan, selection, local, global);
        let of = |(rows, side): (Tensor<2>, Option<Side<'_>>)| {
            side.map(
                |Side {
                     attention,
                     cut,
                     keys,
                 }| {
                    let (q, k) = (attention.query.forward(rows), attention.key.forward(keys));
                    (cut, dem_attention_map(&shape, cut, q, k))
                },
            )
        };
        sides.into_iter().filter_map(of).collect()
    }

    fn shape(&self, plan: &Plan) -> DemShape {
        DemShape {
            crops_per_side: plan.crops_per_side,
            tokens_per_side: plan.tokens_per_side,
            residues: plan.residues.clone(),
            tiles: plan.tiles.clone(),
            heads: self.heads,
        }
    }

    /// The rows of the global and of the local map, each with the other map's keys if it is enhanced.
    fn sides(
        &self,
        plan: &Plan,
        selection: &Selection,
        local: Tensor<3>,
        global: Tensor<3>,
    ) -> [(Tensor<2>, Option<Side<'_>>); 2] {
        let (directions, dem) = (plan.ablation.directions, plan.ablation.dem);
        let global_rows = selection.global_map(global.clone());
        let local_rows = selection.local_map(local.clone());
        let shape = self.shape(plan);
        let globally = directions.has_global().then(|| match dem {
            Dem::Released => Side::new(&self.attention, Cut::Tiles, local),
            Dem::Paper => {
                let keys = by_crop(local_rows.clone(), &shape);
                Side::new(&self.attention, Cut::Strided, keys)
            }
        });
        let own = self.local_attention.as_ref().unwrap_or(&self.attention);
        let locally = directions.has_local().then(|| match dem {
            Dem::Released => Side::new(own, Cut::Strided, global),
            Dem::Paper => Side::new(own, Cut::Tiles, selection.global_tiles(global)),
        });
        [(global_rows, globally), (local_rows, locally)]
    }
}

/// One direction of the enhancement: its weights, and the keys of the other map.
struct Side<'a> {
    attention: &'a DemAttention,
    cut: Cut,
    /// `[sets, h * h, C]`.
    keys: Tensor<3>,
}

impl<'a> Side<'a> {
    fn new(attention: &'a DemAttention, cut: Cut, keys: Tensor<3>) -> Self {
        Side {
            attention,
            cut,
            keys,
        }
    }
}

impl DemAttention {
    async fn load<T: Tensors>(spec: &DemSpec, builder: &mut Builder<'_, '_, T>) -> Result<Self> {
        Ok(DemAttention {
            query: builder.linear().await?,
            key: builder.linear().await?,
            value: builder.linear().await?,
            out: builder.linear().await?,
            norm: builder.layer_norm(spec.layer_norm_eps).await?,
        })
    }

    /// `LayerNorm(out(softmax(Q K^T / sqrt(d)) V) + q)`, the residual being the raw query input.
    fn attend(&self, shape: &DemShape, cut: Cut, rows: Tensor<2>, sets: Tensor<3>) -> Tensor<2> {
        let q = self.query.forward(rows.clone());
        let k = self.key.forward(sets.clone());
        let v = self.value.forward(sets);
        let mixed = dem_attention(shape, cut, q, k, v);
        self.norm.forward(self.out.add_to(rows, mixed))
    }
}

/// Enhanced positions `[rows, C]` as strided sets, `[residues^2, h * h, C]`.
fn by_crop(rows: Tensor<2>, shape: &DemShape) -> Tensor<3> {
    let [count, channels] = rows.dims();
    let tokens = shape.tokens_per_side.pow(2);
    rows.reshape([count / tokens, tokens, channels])
}
