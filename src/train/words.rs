//! A scene in words: what stands in for the picture while the decoder learns to answer.
//!
//! Each of the `h * h` positions that a picture takes holds the sum of the embeddings of the words
//! for what is there: "red" and "circle", or "blue", "sign" and its characters. Nothing is seen yet,
//! but a question's words meet themselves. The paper's decoder comes with such skills. Afterwards the
//! projector is to learn to speak in these words. (ARCHITECTURE.md, decision 14, has the figures.)

use burn::tensor::{Tensor, TensorData};

use super::labels::{BARS, Labels, View, labels};
use super::loss::select_rows;
use crate::config::Config;
use crate::error::Result;
use crate::scenes::{Colour, SIDE_PX, Scene, Shape};
use crate::text::Tokenizer;

/// Parts of a position: words, and the characters of a sign or the bars of a chart in their order.
/// Each part's embeddings are turned by a different number of channels, so that a sum keeps them apart.
const PARTS: usize = 1 + BARS;

/// The ids of the words, looked up once.
pub struct Words {
    every: Vec<u32>,
    colours: Vec<Vec<u32>>,
    shapes: Vec<Vec<u32>>,
    sign: Vec<u32>,
    chart: Vec<u32>,
    characters: Vec<Vec<u32>>,
}

impl Words {
    /// # Errors
    /// The tokenizer's.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let ids = |word: &str| tokenizer.encode_user(word);
        let each = |names: Vec<String>| -> Result<Vec<Vec<u32>>> {
            names.iter().map(|name| ids(name)).collect()
        };
        let spaced = |name: &str| format!(" {name}");
        Ok(Words {
            every: ids(" picture")?,
            colours: each(
                Colour::ALL
                    .iter()
                    .map(|c| spaced(c.name()))
                    .collect::<Vec<_>>(),
            )?,
            shapes: each(
                Shape::ALL
                    .iter()
                    .map(|s| spaced(s.name()))
                    .collect::<Vec<_>>(),
            )?,
            sign: ids(" sign")?,
            chart: ids(" chart")?,
            characters: each(
                super::labels::CHARACTERS
                    .chars()
                    .map(String::from)
                    .collect(),
            )?,
        })
    }

    /// The positions of `scene`: for each part, positions and ids that belong together.
    fn positions(&self, scene: &Scene, config: &Config) -> Vec<(Vec<usize>, Vec<usize>)> {
        let side = config.vision.tokens_per_side();
        let stride = SIDE_PX as f32 / config.vision.crop_px as f32;
        let view = View {
            origin_px: [0.0, 0.0],
            stride,
            legible: true,
        };
        let seen: Labels = labels(scene, view, side, config.vision.patch_px);
        let mut parts = vec![(Vec::new(), Vec::new()); PARTS];
        let mut add = |part: usize, position: usize, ids: &[u32]| {
            for &id in ids {
                parts[part].0.push(position);
                parts[part].1.push(id as usize);
            }
        };
        for position in 0..side * side {
            add(0, position, &self.every);
            if let (Some(shape), Some(colour)) =
                (seen.shape[position].checked_sub(1), seen.colour[position])
            {
                add(0, position, &self.shapes[shape]);
                add(0, position, &self.colours[colour]);
            }
            if let Some(colour) = seen.sign[position].checked_sub(1) {
                add(0, position, &self.sign);
                add(0, position, &self.colours[colour]);
            }
            for (slot, character) in seen.text[position].iter().flatten().enumerate() {
                if let Some(character) = character.checked_sub(1) {
                    add(1 + slot, position, &self.characters[character]);
                }
            }
            if seen.chart[position] == 1 {
                add(0, position, &self.chart);
            }
            for (slot, bar) in seen.bars[position].iter().flatten().enumerate() {
                if let Some(colour) = bar.checked_sub(1) {
                    add(1 + slot, position, &self.colours[colour]);
                }
            }
        }
        parts
    }

    /// What takes the picture's place, `[h * h, hidden]`, from `embed_tokens` `[vocabulary, hidden]`.
    pub fn embed(&self, scene: &Scene, config: &Config, embed_tokens: Tensor<2>) -> Tensor<2> {
        let count = config.image_tokens();
        let hidden = embed_tokens.dims()[1];
        let device = embed_tokens.device().without_autodiff();
        let parts = self.positions(scene, config).into_iter().enumerate();
        let sums = parts
            .filter(|(_, (positions, _))| !positions.is_empty())
            .map(|(part, (positions, ids))| {
                let mut gather = vec![0.0_f32; count * ids.len()];
                for (column, position) in positions.into_iter().enumerate() {
                    gather[position * ids.len() + column] = 1.0;
                }
                let gather = TensorData::new(gather, [count, ids.len()]);
                let gather = Tensor::<2>::from_data(gather, &device);
                let sum = gather.matmul(select_rows(embed_tokens.clone(), &ids));
                turned(sum, part * hidden / PARTS)
            });
        sums.reduce(|a, b| a + b)
            .unwrap_or_else(|| Tensor::zeros([count, hidden], &device))
    }
}

/// `x` with its channels moved by `by`, round the end.
fn turned(x: Tensor<2>, by: usize) -> Tensor<2> {
    let [_, channels] = x.dims();
    match by {
        0 => x,
        _ => Tensor::cat(
            vec![x.clone().narrow(1, by, channels - by), x.narrow(1, 0, by)],
            1,
        ),
    }
}
