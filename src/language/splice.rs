//! Visual tokens take the place of the image slot in the embedded prompt.

use burn::tensor::{Int, Tensor, TensorData};

use crate::text::chat_template::IMAGE_TOKEN_INDEX;

/// A run of the prompt that can be embedded at once.
#[derive(Debug, Clone, PartialEq)]
pub enum Run {
    /// Token ids.
    Text(Vec<u32>),
    /// The picture.
    Image,
}

/// Cuts `ids` at the image slots.
pub fn runs(ids: &[i32]) -> Vec<Run> {
    let mut runs = Vec::new();
    for &id in ids {
        match (id, runs.last_mut()) {
            (IMAGE_TOKEN_INDEX, _) => runs.push(Run::Image),
            (id, Some(Run::Text(text))) => text.push(id as u32),
            (id, _) => runs.push(Run::Text(vec![id as u32])),
        }
    }
    runs
}

/// Tokens that `ids` take in the context, `image_tokens` for each picture.
pub fn token_count(ids: &[i32], image_tokens: usize) -> usize {
    ids.iter()
        .map(|&id| {
            if id == IMAGE_TOKEN_INDEX {
                image_tokens
            } else {
                1
            }
        })
        .sum()
}

/// Embeds `ids`, `[tokens, hidden]`: text from `embed_tokens` `[vocabulary, hidden]`, the picture
/// from `visual_tokens` `[image_tokens, hidden]`. A slot without a picture gives nothing.
pub fn inputs_embeds(
    embed_tokens: Tensor<2>,
    ids: &[i32],
    visual_tokens: Option<&Tensor<2>>,
) -> Tensor<2> {
    let device = embed_tokens.device();
    let parts: Vec<Tensor<2>> = runs(ids)
        .into_iter()
        .filter_map(|run| match run {
            Run::Image => visual_tokens.cloned(),
            Run::Text(ids) => {
                let count = ids.len();
                let ids: Vec<i32> = ids.into_iter().map(|id| id as i32).collect();
                let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [count]), &device);
                Some(embed_tokens.clone().select(0, ids))
            }
        })
        .collect();
    Tensor::cat(parts, 0)
}
