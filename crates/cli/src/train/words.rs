//! Word embeddings that stand in for a picture while the decoder learns to answer.
//!
//! Each of the `h * h` positions of a picture holds the weighted sum of the embeddings of words for
//! what is there: "red", "shape" and "circle", or "blue" and "sign". For a chart these are "chart",
//! "bar" and the bars' colours, in its upper half with "tallest" and weights that grow with a bar's
//! height, in its lower half with "shortest" and weights that grow as it gets shorter. Words for
//! the position are added: between "top" and "bottom" and between "left" and "right". The numbers
//! of figures like this one, and the text of a sign, are encoded in channels.
//!
//! The decoder thus learns to match a question's words with those of a scene before any picture is
//! involved; the paper's decoder is pretrained and has such skills. Afterwards the projector is
//! trained to output these embeddings. (ARCHITECTURE.md, decision 14, has the figures.)

use burn::tensor::{Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::init::normal;
use super::labels::{BAR_HEIGHTS, Labels, View, labels};
use super::spelling::{Text, spelled};
use crate::scenes::{Colour, SIDE_PX, Scene, Shape};
use inf_llava::config::Vision;
use inf_llava::error::Result;
use inf_llava::text::Tokenizer;

/// Magnitude of the channels of a sign's characters: about that of the word embeddings.
pub const SPELT_SIZE: f32 = 0.9;

/// Magnitude of the channels of counts, small enough to keep a figure's words readable.
pub const COUNTED_SIZE: f32 = 0.45;

/// Weight of words that occur in every position, small enough to keep the others readable. Position
/// words of a figure have full weight.
const QUIET: f32 = 0.4;

/// The weight of each word of the vocabulary in each position: `[h * h, vocabulary]`.
struct Said {
    vocabulary: usize,
    weights: Vec<f32>,
}

impl Said {
    fn new(positions: usize, vocabulary: usize) -> Self {
        Said {
            vocabulary,
            weights: vec![0.0; positions * vocabulary],
        }
    }

    /// Adds the tokens of a word with this weight.
    fn say(&mut self, position: usize, ids: &[u32], weight: f32) {
        for &id in ids {
            self.weights[position * self.vocabulary + id as usize] += weight;
        }
    }

    /// The weighted sums of the embeddings, `[h * h, hidden]`.
    fn embed(self, embed_tokens: &Tensor<2>) -> Tensor<2> {
        let device = embed_tokens.device().without_autodiff();
        let shape = [self.weights.len() / self.vocabulary, self.vocabulary];
        let weights = TensorData::new(self.weights, shape);
        Tensor::from_data(weights, &device).matmul(embed_tokens.clone())
    }
}

/// The token ids of the words, looked up once.
pub struct Words {
    every: Vec<u32>,
    colours: Vec<Vec<u32>>,
    any_shape: Vec<u32>,
    shapes: Vec<Vec<u32>>,
    sign: Vec<u32>,
    chart: Vec<u32>,
    bar: Vec<u32>,
    /// "tallest" and "shortest".
    bar_ends: [Vec<u32>; 2],
    /// "top" and "bottom", "left" and "right".
    ends: [[Vec<u32>; 2]; 2],
}

impl Words {
    /// # Errors
    /// The tokenizer's errors.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let ids = |word: &str| tokenizer.encode_user(word);
        let noun = |name: &str| ids(&format!(" {name}"));
        Ok(Words {
            every: noun("picture")?,
            colours: Colour::ALL
                .map(|c| noun(c.name()))
                .into_iter()
                .collect::<Result<_>>()?,
            shapes: Shape::ALL
                .map(|s| noun(s.name()))
                .into_iter()
                .collect::<Result<_>>()?,
            any_shape: noun("shape")?,
            sign: noun("sign")?,
            chart: noun("chart")?,
            bar: noun("bar")?,
            bar_ends: [noun("tallest")?, noun("shortest")?],
            ends: [
                [noun("top")?, noun("bottom")?],
                [noun("left")?, noun("right")?],
            ],
        })
    }

    /// The contents of the picture's positions.
    pub fn seen(scene: &Scene, vision: &Vision) -> Labels {
        let view = View {
            origin_px: [0.0, 0.0],
            stride: SIDE_PX as f32 / vision.tower.view_px as f32,
            legible: true,
            crops: vision.dual().map_or(1, |dual| dual.crops_per_side),
        };
        let tower = &vision.tower;
        labels(scene, view, tower.tokens_per_side(), tower.patch_px)
    }

    /// The texts to encode in each position: a sign's text where there is no figure, and a figure's
    /// counts.
    pub fn told(seen: &Labels) -> [Vec<Text>; 2] {
        let both = seen.text.iter().zip(&seen.counts);
        let texts = both.map(|(text, counts)| text.filter(|_| counts.is_none()));
        [texts.collect(), seen.counts.clone()]
    }

    /// The main topic of each position, `[h * h]`, for the log.
    pub fn topics(seen: &Labels) -> Vec<&'static str> {
        let topic = |position: usize| match () {
            () if seen.sign[position] > 0 => "missing of signs",
            () if seen.shape[position] > 0 => "missing of shapes",
            () if seen.chart[position] > 0 => "missing of charts",
            () => "missing elsewhere",
        };
        (0..seen.shape.len()).map(topic).collect()
    }

    /// The words of `scene`, at the positions given by `seen`.
    fn said(&self, scene: &Scene, seen: &Labels, side: usize, vocabulary: usize) -> Said {
        let mut said = Said::new(side * side, vocabulary);
        for position in 0..side * side {
            let figure = seen.shape[position]
                .checked_sub(1)
                .zip(seen.colour[position]);
            said.say(position, &self.every, QUIET);
            let at = [position / side, position % side];
            for (at, [first, last]) in at.into_iter().zip(&self.ends) {
                let share = at as f32 / (side - 1).max(1) as f32;
                // Combines the half that the position is in with the place within it.
                let share = (share + share.round()) / 2.0;
                let weight = if figure.is_some() { 1.0 } else { QUIET };
                said.say(position, first, weight * (1.0 - share));
                said.say(position, last, weight * share);
            }
            if let Some((shape, colour)) = figure {
                said.say(position, &self.any_shape, 1.0);
                said.say(position, &self.shapes[shape], 1.0);
                said.say(position, &self.colours[colour], 1.0);
            }
            if let Some(colour) = seen.sign[position].checked_sub(1) {
                said.say(position, &self.sign, 1.0);
                said.say(position, &self.colours[colour], 1.0);
            }
            if let (1, Some(chart)) = (seen.chart[position], &scene.chart) {
                said.say(position, &self.chart, 0.5);
                said.say(position, &self.bar, 1.0);
                let y = (position / side) as f32 + 0.5;
                let is_upper =
                    y / (side as f32) < (chart.top + chart.bottom) / 2.0 / SIDE_PX as f32;
                said.say(position, &self.bar_ends[usize::from(!is_upper)], 1.0);
                let bars = seen.bars[position].iter().flatten();
                for (colour, &height) in self.colours.iter().zip(bars) {
                    let steps = match (height, is_upper) {
                        (0, _) => 0,
                        (_, true) => height,
                        (_, false) => 1 + BAR_HEIGHTS - height,
                    };
                    said.say(position, colour, steps as f32 / BAR_HEIGHTS as f32);
                }
            }
        }
        said
    }

    /// The embeddings in place of the picture, `[h * h, hidden]`, from `embed_tokens` `[vocabulary,
    /// hidden]`.
    pub fn embed(
        &self,
        scene: &Scene,
        seen: &Labels,
        vision: &Vision,
        embed_tokens: &Tensor<2>,
    ) -> Tensor<2> {
        let [vocabulary, hidden] = embed_tokens.dims();
        let said = self.said(scene, seen, vision.tower.tokens_per_side(), vocabulary);
        let device = embed_tokens.device().without_autodiff();
        let [texts, counts] = Self::told(seen);
        let texts = spelled(&texts, hidden, SPELT_SIZE);
        let counts = spelled(&counts, hidden, COUNTED_SIZE);
        let spelled = texts.iter().zip(counts).map(|(a, b)| a + b).collect();
        let spelled = TensorData::new(spelled, [seen.text.len(), hidden]);
        said.embed(embed_tokens) + Tensor::<2>::from_data(spelled, &device)
    }

    /// `words` `[h * h, hidden]` with noise at the positions of `seen` that have a text or counts;
    /// `noise` is that of a [`Stage`](super::file::Stage).
    pub fn blur(words: Tensor<2>, seen: &Labels, noise: f32, rng: &mut ChaCha8Rng) -> Tensor<2> {
        let [positions, hidden] = words.dims();
        let mut values = vec![0.0; positions * hidden];
        let spelled = seen.text.iter().zip(&seen.counts);
        for (row, (text, counts)) in values.chunks_mut(hidden).zip(spelled) {
            if text.or(*counts).is_some() {
                row.fill_with(|| normal(rng));
            }
        }
        let device = words.device().without_autodiff();
        let values = Tensor::<2>::from_data(TensorData::new(values, [positions, hidden]), &device);
        let squares = words.clone().detach().powi_scalar(2).mean_dim(1);
        words + squares.mul_scalar(noise).sqrt() * values
    }
}
