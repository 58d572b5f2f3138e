//! Embeds text and pictures in the order of a sequence.

use burn::tensor::{Int, Tensor, TensorData};

/// A run of a sequence, ready to be embedded.
#[expect(
    clippy::large_enum_variant,
    reason = "a sequence has few, and a tensor is a handle"
)]
pub enum Run {
    /// Rows of the embedding table.
    Rows(Vec<u32>),
    /// A picture's visual tokens, `[tokens, hidden]`.
    Visual(Tensor<2>),
}

/// The embeddings of the runs, `[tokens, hidden]`; text is looked up in `embed_tokens` `[vocabulary, hidden]`. There
/// must be at least one run.
pub fn inputs_embeds(embed_tokens: &Tensor<2>, runs: Vec<Run>) -> Tensor<2> {
    let parts = runs.into_iter().map(|run| match run {
        Run::Visual(tokens) => tokens,
        Run::Rows(rows) => {
            let count = rows.len();
            // No table has nearly 2^31 rows.
            let rows: Vec<i32> = rows.into_iter().map(|row| row as i32).collect();
            let rows = TensorData::new(rows, [count]);
            let rows = Tensor::<1, Int>::from_data(rows, &embed_tokens.device());
            embed_tokens.clone().select(0, rows)
        }
    });
    Tensor::cat(parts.collect(), 0)
}
