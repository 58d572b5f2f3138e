//! Stage 0: the vision tower, from scratch, on crops of drawn scenes.
//!
//! The paper uses a pretrained CLIP. A tower of this size learns more from targets for each token
//! ([`super::labels`]) than from captions, so linear heads on the features predict the figure, the
//! sign and its characters, and the chart's bars. The heads are discarded afterwards. The crops are
//! of all kinds that the model uses: local, global, and the whole picture scaled down (N = 1).

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::file::Stage;
use super::labels::{self, CHARACTERS, Labels, TOTALS, View, labels};
use super::loss::{cross_entropy, is_right, select_rows};
use super::spelling::{CODE, COUNTED, PLACES, Text, spelling};
use crate::scenes::{Scene, SceneOptions, scene};
use crate::train::task::{Loss, Measures, Task};
use inf_llava::config::Vision;
use inf_llava::error::Result;
use inf_llava::gpu::ops::{Canvas, ViewShape, crop_patchify};
use inf_llava::image::square_u8;
use inf_llava::nn::Linear;
use inf_llava::spec::Crop;
use inf_llava::spec::{Kind, TowerSpec, Weight};
use inf_llava::vision::tower::Tower;

/// Name of the heads in a training checkpoint.
pub const HEADS: &str = "train.tower_heads";

/// The tower and the heads through which it is trained.
#[derive(Module, Debug)]
pub struct TowerWithHeads {
    /// The tower, which is kept.
    pub tower: Tower,
    /// C -> the classes of all heads, concatenated.
    pub heads: Linear,
}

/// Names of the heads for the bars, one for each colour.
const BAR_HEADS: [&str; labels::BARS] = [
    "bar0", "bar1", "bar2", "bar3", "bar4", "bar5", "bar6", "bar7",
];

/// The heads: name, number of classes, weight of the loss.
fn heads(side: usize) -> Vec<(&'static str, usize, f32)> {
    let mut heads = vec![
        ("shape", labels::shapes(), 1.0),
        ("colour", labels::colours() - 1, 0.5),
        ("sign", labels::colours(), 1.0),
        ("chart", 2, 0.3),
        ("row", side, 0.3),
        ("column", side, 0.3),
    ];
    heads.extend(BAR_HEADS.map(|name| (name, 1 + labels::BAR_HEIGHTS, 0.2)));
    heads.extend(["left", "right"].map(|name| (name, 1 + CHARACTERS.len(), 1.0)));
    heads
        .extend(["text0", "text1", "text2", "text3"].map(|name| (name, 1 + CHARACTERS.len(), 0.7)));
    heads
}

/// Outputs of each of the two spelling heads: the codes of a text's characters, or those of the
/// counts.
const SPELT: usize = labels::SLOTS * CODE;
/// Magnitude of a code's channels, so that the squares of a character sum to 1.
const SPELT_SIZE: f32 = 0.25;
/// Weight of the spelling heads' squared error.
const SPELT_WEIGHT: f32 = 1.0;

/// Weight of the totals' squared error.
const TOTALS_WEIGHT: f32 = 0.2;

/// Number of outputs of all heads.
pub fn head_classes(tower: &TowerSpec) -> usize {
    let heads = heads(tower.tokens_per_side());
    heads.iter().map(|(_, classes, _)| classes).sum::<usize>() + 2 * SPELT + TOTALS
}

/// The training task of the tower.
pub struct TowerTask {
    vision: Vision,
    device: Device,
    seed: u64,
    units: usize,
    scenes_per_unit: usize,
    first_scene: u64,
}

impl TowerTask {
    /// `stage.units` batches per step, each with the crops of `stage.scenes_per_unit` dense scenes
    /// and as many ordinary ones.
    pub fn new(vision: &Vision, device: &Device, seed: u64, stage: &Stage) -> Self {
        TowerTask {
            vision: vision.clone(),
            device: device.clone(),
            seed,
            units: stage.units,
            scenes_per_unit: stage.scenes_per_unit,
            first_scene: stage.first_scene,
        }
    }

    /// Patches `[crops, tokens, patch]` and the targets of a unit.
    fn crops(&self, step: u64, unit: usize) -> (Tensor<3>, Vec<Labels>) {
        let (vision, tower) = (&self.vision, &self.vision.tower);
        let n = vision.dual().map_or(1, |dual| dual.crops_per_side);
        let (side, patch_px) = (tower.tokens_per_side(), tower.patch_px);
        let square_px = n * tower.view_px;
        let shape = ViewShape::new(tower, vision.pixels.normalise);
        let (mut patches, mut targets) = (Vec::new(), Vec::new());
        let before = (step * self.units as u64 + unit as u64) * self.scenes_per_unit as u64 * 2;
        let first = self.first_scene + before;
        let mut add = |scene: &Scene, side_px: usize, per_side: usize, crops: &[Crop]| {
            let bytes = square_u8(&scene.draw(), side_px);
            let canvas = Canvas::new(bytes, [side_px; 2], &self.device);
            let views = crops.iter().map(|crop| crop.view(per_side, shape.view_px));
            patches.push(crop_patchify(shape, &canvas, &views.collect::<Vec<_>>()));
            let scale = scene.side_px as f32 / side_px as f32;
            for &crop in crops {
                let seen = view(crop, [per_side, shape.view_px], scale);
                targets.push(labels(scene, seen, side, patch_px));
            }
        };
        for index in 0..self.scenes_per_unit as u64 {
            let options = |dense| SceneOptions {
                dense,
                ..SceneOptions::default()
            };
            let locals: Vec<Crop> = (0..n * n).map(|i| Crop::Local(i / n, i % n)).collect();
            let crowded = scene(self.seed, first + 2 * index, &options(true));
            add(&crowded, square_px, n, &locals);

            let ordinary = scene(self.seed, first + 2 * index + 1, &options(false));
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ (first + 2 * index));
            let mut any = || rng.random_range(0..n);
            let seen = [
                Crop::Local(any(), any()),
                Crop::Global(n / 2, n / 2),
                Crop::Global(any(), any()),
            ];
            add(&ordinary, square_px, n, &seen);
            add(&ordinary, square_px / n, 1, &[Crop::Local(0, 0)]);
        }
        (Tensor::cat(patches, 0), targets)
    }
}

/// How `crop` samples the picture; a pixel of the model's square covers `scale` picture pixels.
fn view(crop: Crop, sizes: [usize; 2], scale: f32) -> View {
    let [n, side] = sizes.map(|size| size as f32);
    let (origin, stride) = match crop {
        Crop::Local(row, column) => ([column as f32 * side, row as f32 * side], 1.0),
        Crop::Global(row, column) => ([column as f32, row as f32], n),
        Crop::Low => ([0.0, 0.0], n),
    };
    View {
        origin_px: [origin[0] * scale, origin[1] * scale],
        stride: stride * scale,
        legible: stride * scale < 1.5,
        crops: 1,
    }
}

impl Task for TowerTask {
    type Trained = TowerWithHeads;

    fn weights(&self) -> Vec<Weight> {
        let tower = &self.vision.tower;
        let mut weights = tower.weights();
        let classes = head_classes(tower);
        let channels = tower.hidden_size;
        let mut add = |end: &str, kind, shape| {
            let name = format!("{HEADS}.{end}");
            weights.push(Weight { name, shape, kind });
        };
        add("weight", Kind::Matrix, vec![classes, channels]);
        add("bias", Kind::Bias, vec![classes]);
        weights
    }

    fn units(&self) -> usize {
        self.units
    }

    fn loss(&self, trained: &TowerWithHeads, step: u64, unit: usize) -> Result<Loss> {
        let (patches, targets) = self.crops(step, unit);
        let samples = targets.len();
        let features = trained.tower.forward(patches, |_, _| {});
        let [crops, tokens, channels] = features.dims();
        let rows = features.reshape([crops * tokens, channels]);
        let logits = trained.heads.forward(rows);

        let side = self.vision.tower.tokens_per_side();
        let mut measures = Measures::new();
        let mut sum: Option<Tensor<1>> = None;
        let mut first = 0;
        for (name, classes, weight) in heads(side) {
            let (rows, wanted) = head_targets(name, &targets, side);
            let part = logits.clone().narrow(1, first, classes);
            first += classes;
            if rows.is_empty() {
                continue;
            }
            let part = match rows.len() == crops * tokens {
                true => part,
                false => select_rows(part, &rows),
            };
            let right = is_right(part.clone(), &wanted);
            let right = right.into_iter().filter(|right| *right).count();
            measures.insert(name, (right as f64, rows.len() as f64));
            let loss = cross_entropy(part, &wanted).mul_scalar(weight / rows.len() as f32);
            sum = Some(match sum {
                None => loss,
                Some(sum) => sum + loss,
            });
        }
        let told = |what: fn(&Labels) -> &Vec<Text>| -> Vec<Text> {
            targets.iter().flat_map(what).copied().collect()
        };
        for (texts, missing, read) in [
            (told(|labels| &labels.text), "spelling missing", PLACES),
            (told(|labels| &labels.counts), "counts missing", COUNTED),
        ] {
            let spelt = logits.clone().narrow(1, first, SPELT);
            first += SPELT;
            if let Some(spelling) = spelling(&spelt, &texts, SPELT_SIZE) {
                measures.insert(missing, spelling.missing);
                measures.extend(spelling.read_by(read));
                let loss = spelling.squares.mul_scalar(SPELT_WEIGHT) + spelling.entropy;
                sum = sum.map(|sum| sum + loss);
            }
        }
        let told: Vec<(usize, [usize; TOTALS])> = targets
            .iter()
            .enumerate()
            .filter_map(|(crop, labels)| Some((crop, labels.totals?)))
            .collect();
        if !told.is_empty() {
            let rows: Vec<usize> = told
                .iter()
                .flat_map(|(crop, _)| crop * tokens..(crop + 1) * tokens)
                .collect();
            let part = select_rows(logits.clone().narrow(1, first, TOTALS), &rows);
            let (loss, measure) = totals_loss(part, &told, tokens);
            measures.insert("totals missing", measure);
            sum = sum.map(|sum| sum + loss);
        }
        Ok(Loss {
            // There is always a sum, since the row and column heads always have targets.
            sum: sum.unwrap_or_else(|| logits.sum()),
            weight: 1.0,
            samples,
            measures,
        })
    }
}

/// The squared error of the totals, which every token of a crop (`tokens` rows of `found`, `[rows,
/// TOTALS]`) predicts; and for the log the error and the sum of the targets' squares.
fn totals_loss(
    found: Tensor<2>,
    told: &[(usize, [usize; TOTALS])],
    tokens: usize,
) -> (Tensor<1>, (f64, f64)) {
    let mut wanted = Vec::with_capacity(told.len() * tokens * TOTALS);
    for (_, totals) in told {
        let totals = totals.map(|total| total as f32);
        for _ in 0..tokens {
            wanted.extend(totals);
        }
    }
    let own: f32 = wanted.iter().map(|total| total * total).sum();
    let rows = told.len() * tokens;
    let device = found.device().without_autodiff();
    let wanted = Tensor::from_data(TensorData::new(wanted, [rows, TOTALS]), &device);
    let squares = (found - wanted).powi_scalar(2).sum();
    let missing: f32 = squares.clone().inner().into_scalar();
    let loss = squares.mul_scalar(TOTALS_WEIGHT / rows as f32);
    (loss, (f64::from(missing), f64::from(own)))
}

/// The rows (crop by crop, token by token) that have a target for this head, and the targets.
fn head_targets(name: &str, targets: &[Labels], side: usize) -> (Vec<usize>, Vec<usize>) {
    let tokens = side * side;
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix)
            .and_then(|slot| slot.parse::<usize>().ok())
    };
    let (slot, bar) = (numbered("text"), numbered("bar"));
    let target = |labels: &Labels, token: usize| match (name, slot.or(bar)) {
        (_, Some(bar)) if slot.is_none() => labels.bars[token].map(|bars| bars[bar]),
        (_, Some(slot)) => labels.text[token].map(|text| text[slot]),
        ("shape", _) => Some(labels.shape[token]),
        ("colour", _) => labels.colour[token],
        ("sign", _) => Some(labels.sign[token]),
        ("chart", _) => Some(labels.chart[token]),
        ("left", _) => labels.halves[0][token],
        ("right", _) => labels.halves[1][token],
        ("row", _) => Some(token / side),
        _ => Some(token % side),
    };
    let (mut rows, mut wanted) = (Vec::new(), Vec::new());
    for (crop, labels) in targets.iter().enumerate() {
        for token in 0..tokens {
            if let Some(class) = target(labels, token) {
                rows.push(crop * tokens + token);
                wanted.push(class);
            }
        }
    }
    (rows, wanted)
}
