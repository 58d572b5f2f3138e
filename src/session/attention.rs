//! What the model looked at.

use super::Session;
use crate::error::{Error, Result};
use crate::language::splice::token_count;
use crate::progress::Watch;
use crate::stages::read;
use crate::text::chat_template::IMAGE_TOKEN_INDEX;

impl Session {
    /// What the model looked at in the picture when it said the id at `index` of [`Session::ids`]: the share of its
    /// attention that each visual token had, `[image_tokens]`, as the mean over layers and heads. The conversation stays
    /// as it is.
    ///
    /// # Errors
    /// [`Error::Option`] where there is no picture before that id; [`Error::Device`].
    pub async fn attention(&mut self, index: usize) -> Result<Vec<f32>> {
        let refused = |reason: &str| Error::Option {
            option: "token".into(),
            reason: format!("number {index} {reason}"),
        };
        if index >= self.ids.len() {
            return Err(refused("has not been said"));
        }
        // The token before it is the one that looked.
        let before = &self.ids[..index];
        let looking = match before.split_last() {
            Some((&last, _)) if last != IMAGE_TOKEN_INDEX => index - 1,
            _ => return Err(refused("follows no token that could have looked")),
        };
        let Some(picture) = before.iter().position(|&id| id == IMAGE_TOKEN_INDEX) else {
            return Err(refused("has no picture before it"));
        };
        if self.cached_ids <= looking {
            self.prefill(1, &mut Watch::nobody()).await?;
        }
        let embeds = self.embed(looking..index).await?;
        let start = token_count(&self.ids[..looking], self.image_tokens());
        let window = picture..picture + self.image_tokens();
        let (model, cache) = (self.model.clone(), &mut self.cache);
        let map = model
            .decoder
            .attention_map(embeds, &model.rope, start, cache, window);
        read(map).await
    }
}
