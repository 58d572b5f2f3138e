//! Attention weights for display: of the enhancement, and of the decoder for a generated token.

use super::{EnhancementAttention, Session};
use crate::config::Treatment;
use crate::error::{Error, Result};
use crate::gpu::ops::Cut;
use crate::gpu::read::read;
use crate::progress::Watch;
use crate::spec::plan::Plan;

impl Session {
    /// Encodes a picture and returns the enhancement's attention in it. The conversation is unchanged.
    ///
    /// # Errors
    /// As [`Session::set_image`].
    pub async fn enhancement_attention(
        &self,
        file: &str,
        bytes: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<EnhancementAttention> {
        self.model.unchanged()?;
        let picture = self.model.decode_picture(file, bytes)?;
        let vision = self.model.vision()?;
        let treatment = Treatment::only(self.coverage);
        let views = vision.views(&picture, treatment, &watch.stop)?;
        let maps = vision.attention_maps(&views, watch).await?;
        let mut looked = EnhancementAttention {
            detail: Vec::new(),
            overview: Vec::new(),
        };
        let Some(plan) = vision.plan(treatment) else {
            return Ok(looked);
        };
        for (cut, map) in maps {
            let shares = read(map).await?;
            match cut {
                Cut::Tiles => looked.detail = detail(plan, &shares),
                Cut::Strided => looked.overview = overview(plan, &shares),
            }
        }
        Ok(looked)
    }

    /// The attention with which token number `index` of [`Session::sequence`] was generated, over the last picture
    /// before it: the weight of each visual token, `[image_tokens]`, as the mean over layers and heads. The
    /// conversation is unchanged.
    ///
    /// # Errors
    /// [`Error::Option`] if there is no picture before that token; [`Error::Device`].
    pub async fn attention(&mut self, index: usize) -> Result<Vec<f32>> {
        let refused = |reason: &str| Error::Option {
            option: "token".into(),
            reason: format!("number {index} {reason}"),
        };
        if index >= self.sequence.len() {
            return Err(refused("has not been said"));
        }
        // A token is predicted from the position before it.
        let before = self.sequence.part(0..index);
        let looking = match before.last_id() {
            Some(_) if before.len() == index => index - 1,
            _ => return Err(refused("follows no token that could have looked")),
        };
        let Some((_, window)) = before.media().last() else {
            return Err(refused("has no picture before it"));
        };
        if self.cached.in_common(&self.sequence) < index {
            self.prefill(1, &mut Watch::nobody()).await?;
        }
        let embeds = self.embed(looking..index).await?;
        let (model, cache) = (self.model.clone(), &mut self.cache);
        let map = model
            .decoder
            .attention_map(embeds, &model.rope, looking, cache, window);
        read(map).await
    }
}

/// Arranges weights by tile, `[tiles, h * h]`, into the map; tiles that are not computed get 0.
fn detail(plan: &Plan, shares: &[f32]) -> Vec<f32> {
    let (h, side) = (
        plan.tokens_per_side,
        plan.crops_per_side * plan.tokens_per_side,
    );
    let mut map = vec![0.0; side * side];
    let tiles = plan
        .tiles
        .iter()
        .flat_map(|y| plan.tiles.iter().map(move |x| (y, x)));
    for ((tile_y, tile_x), shares) in tiles.zip(shares.chunks(h * h)) {
        for (row, shares) in shares.chunks(h).enumerate() {
            let start = (tile_y * h + row) * side + tile_x * h;
            map[start..start + h].copy_from_slice(shares);
        }
    }
    map
}

/// The mean over residues of weights by residue, `[residues, h * h]`: the residues of a token are adjacent.
fn overview(plan: &Plan, shares: &[f32]) -> Vec<f32> {
    let tokens = plan.tokens_per_side.pow(2);
    let sets = (shares.len() / tokens).max(1) as f32;
    let mut map = vec![0.0; tokens];
    for shares in shares.chunks(tokens) {
        map.iter_mut()
            .zip(shares)
            .for_each(|(sum, share)| *sum += share / sets);
    }
    map
}
