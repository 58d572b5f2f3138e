//! The hot operations at the released sizes, each timed until its result can be read, and compared with the same
//! operation on the CPU.

use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;
use serde::Serialize;

use super::compare::{check, random, uniform};
use crate::error::{Error, Result};
use crate::gpu::adapter;
use crate::gpu::kernel::launches;
use crate::gpu::ops::{Cut, DemShape, dem_attention, kernels as all_kernels};
use crate::gpu::quantized::QuantizedMatrix;
use crate::gpu::read::{read, settle};
use crate::nn::{LayerNorm, Linear};
use crate::platform::Timer;
use crate::quant::Quant;
use crate::spec::Ablation;
use crate::spec::Activation;
use crate::spec::plan::{Coverage, Plan};
use crate::vision::tower::TowerLayer;

/// The kernels that [`time_kernel`] can time.
pub const KERNELS: &[&str] = &[
    "matvec_q4",
    "matvec_q8",
    "matvec_f32",
    "matmul_q4",
    "matmul_q8",
    "matmul_f32",
    "clip_layer",
    "dem_attention",
];
/// The decoder's width, and the number of chained products.
const HIDDEN: usize = 4096;
const CHAIN: usize = 8;
/// Sizes of the vision tower.
const CHANNELS: usize = 1024;
const CLIP_HEADS: usize = 16;
const TOKENS_PER_SIDE: usize = 24;
/// Heads of the enhancement.
const DEM_HEADS: usize = 8;
/// Runs with burn's operations, which take much longer.
const BURN_RUNS: usize = 3;
/// Largest error allowed, relative to the root mean square of the expected values.
const LIMIT: f64 = 1e-4;

/// The measured times of an operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timing {
    /// One of [`KERNELS`].
    pub name: String,
    /// Its sizes, as text.
    pub shape: String,
    /// Milliseconds of each run, from the first launch until a value can be read.
    pub ms: Vec<f64>,
    /// Milliseconds of each run until the host has nothing left to do.
    pub host_ms: Vec<f64>,
    /// As `ms`, with burn's own operations; empty if not requested.
    pub burn_ms: Vec<f64>,
    /// Multiply-adds.
    pub products: f64,
    /// Bytes of weights that a run reads at least once.
    pub weight_bytes: f64,
    /// This crate's kernels that a run launches.
    pub launches: u64,
    /// Device memory in use after the runs in bytes, weights included, if known.
    pub bytes_in_use: Option<u64>,
    /// Largest error, relative to the root mean square of the expected values.
    pub error: f64,
}

/// An operation on a device, ready to run.
struct Case {
    shape: String,
    products: usize,
    weight_bytes: usize,
    run: Box<dyn Fn() -> Tensor<2>>,
}

/// Times `name` on `device`: one run to compile its pipelines, then `runs`; also with burn's own operations if
/// `beside` is set.
///
/// # Errors
/// [`Error::Option`] for an unknown name, [`Error::Device`] if the result is wrong.
pub async fn time_kernel(device: &Device, name: &str, runs: usize, beside: bool) -> Result<Timing> {
    let expected = read((case(name, &Device::flex())?.run)()).await?;
    let case = case(name, device)?;
    let error = check(device, name, &read((case.run)()).await?, &expected, LIMIT)?;
    let before = launches();
    let (ms, host_ms) = time(&case, runs).await?;
    let launched = (launches() - before) / runs.max(1) as u64;
    let bytes_in_use = device.memory_pool_usage().map(|usage| usage.bytes_in_use);
    let burn_ms = match beside {
        true => without_kernels(device, &case, name, &expected).await?,
        false => Vec::new(),
    };
    Ok(Timing {
        name: name.to_string(),
        shape: case.shape,
        ms,
        host_ms,
        burn_ms,
        products: case.products as f64,
        weight_bytes: case.weight_bytes as f64,
        launches: launched,
        bytes_in_use,
        error,
    })
}

/// Milliseconds of each run, and of the host's share of it.
async fn time(case: &Case, runs: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut ms, mut host_ms) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
    for _ in 0..runs {
        let timer = Timer::start();
        let result = (case.run)();
        host_ms.push(timer.elapsed_ms());
        settle(&result).await?;
        ms.push(timer.elapsed_ms());
    }
    Ok((ms, host_ms))
}

/// The same with the reference implementations, which use burn's operations.
async fn without_kernels(
    device: &Device,
    case: &Case,
    name: &str,
    expected: &[f32],
) -> Result<Vec<f64>> {
    let before = adapter::of(device);
    for kernel in all_kernels() {
        adapter::disable_kernel(device, kernel.name);
    }
    let timed = async {
        check(device, name, &read((case.run)()).await?, expected, LIMIT)?;
        time(case, BURN_RUNS).await
    };
    let timed = timed.await;
    adapter::change(device, |adapter| *adapter = before);
    Ok(timed?.0)
}

fn case(name: &str, device: &Device) -> Result<Case> {
    let patches = TOKENS_PER_SIDE.pow(2);
    Ok(match name {
        "matvec_q4" => matvec(Some(Quant::Q4), device)?,
        "matvec_q8" => matvec(Some(Quant::Q8), device)?,
        "matvec_f32" => matvec(None, device)?,
        "matmul_q4" => matmul(Some(Quant::Q4), patches, device)?,
        "matmul_q8" => matmul(Some(Quant::Q8), patches, device)?,
        "matmul_f32" => matmul(None, patches, device)?,
        "clip_layer" => clip_layer(patches + 1, device),
        "dem_attention" => dem(device),
        _ => {
            return Err(Error::Option {
                option: "benchmark".into(),
                reason: format!("{name:?} is none of {}", KERNELS.join(", ")),
            });
        }
    })
}

/// A layer without bias whose output is as wide as its input, and the size of its weights in bytes.
fn layer(
    quant: Option<Quant>,
    rows: usize,
    columns: usize,
    seed: u64,
    device: &Device,
) -> Result<(Linear, usize)> {
    let values = uniform(seed, rows * columns, (3.0 / columns as f32).sqrt());
    let Some(quant) = quant else {
        let weight = Tensor::from_data(TensorData::new(values, [rows, columns]), device);
        return Ok((Linear::new(weight), rows * columns * size_of::<f32>()));
    };
    let bytes = quant.quantize(&values, columns)?;
    let count = bytes.len();
    let mut matrix = QuantizedMatrix::new(columns);
    matrix.push(quant, rows, Bytes::from(bytes), device)?;
    Ok((Linear::quantized(matrix), count))
}

fn name_of(quant: Option<Quant>) -> &'static str {
    quant.map_or("f32", Quant::name)
}

fn matvec(quant: Option<Quant>, device: &Device) -> Result<Case> {
    let layers: Result<Vec<(Linear, usize)>> = (0..CHAIN)
        .map(|at| layer(quant, HIDDEN, HIDDEN, at as u64, device))
        .collect();
    let layers = layers?;
    let x = random(99, [1, HIDDEN], 1.0, device);
    Ok(Case {
        shape: format!(
            "{CHAIN} x (1 x {HIDDEN} by {HIDDEN} x {HIDDEN}), {}",
            name_of(quant)
        ),
        products: CHAIN * HIDDEN * HIDDEN,
        weight_bytes: layers.iter().map(|(_, bytes)| bytes).sum(),
        run: Box::new(move || {
            let layers = layers.iter();
            layers.fold(x.clone(), |x, (layer, _)| layer.forward(x))
        }),
    })
}

fn matmul(quant: Option<Quant>, rows: usize, device: &Device) -> Result<Case> {
    let (columns, outputs) = (CHANNELS, 4 * CHANNELS);
    let (layer, weight_bytes) = layer(quant, outputs, columns, 1, device)?;
    let x = random(99, [rows, columns], 1.0, device);
    Ok(Case {
        shape: format!(
            "{rows} x {columns} by {columns} x {outputs}, {}",
            name_of(quant)
        ),
        products: rows * columns * outputs,
        weight_bytes,
        run: Box::new(move || layer.forward(x.clone())),
    })
}

/// A layer of CLIP-L, in f32.
fn clip_layer(tokens: usize, device: &Device) -> Case {
    let (c, inner) = (CHANNELS, 4 * CHANNELS);
    let linear = |seed: u64, inputs: usize, outputs: usize| {
        let scale = (3.0 / inputs as f32).sqrt();
        let bias = random(seed + 50, [outputs], 0.1, device);
        Linear::new(random(seed, [outputs, inputs], scale, device)).with_bias(Some(bias))
    };
    let norm = |seed: u64| {
        let weight = random(seed, [c], 1.0, device);
        LayerNorm::new(weight, random(seed + 1, [c], 0.1, device), 1e-5)
    };
    let layer = TowerLayer {
        layer_norm1: norm(20),
        q_proj: linear(1, c, c),
        k_proj: linear(2, c, c),
        v_proj: linear(3, c, c),
        out_proj: linear(4, c, c),
        layer_norm2: norm(30),
        fc1: linear(5, c, inner),
        fc2: linear(6, inner, c),
        heads: CLIP_HEADS,
        activation: Activation::QuickGelu,
    };
    let weights = 4 * c * c + 2 * c * inner;
    let x = random(99, [1, tokens, c], 1.0, device);
    Case {
        shape: format!("{tokens} tokens, {c} channels, {CLIP_HEADS} heads, f32"),
        products: tokens * weights + 2 * tokens * tokens * c,
        weight_bytes: weights * 4,
        run: Box::new(move || layer.forward(x.clone()).flatten(0, 1)),
    }
}

/// Both directions of the enhancement at N = 3, live coverage.
fn dem(device: &Device) -> Case {
    let h = TOKENS_PER_SIDE;
    let plan = Plan::new(3, h, Ablation::default(), Coverage::Live);
    let shape = DemShape {
        crops_per_side: plan.crops_per_side,
        tokens_per_side: h,
        residues: plan.residues.clone(),
        tiles: plan.tiles.clone(),
        heads: DEM_HEADS,
    };
    let rows = plan.query_count();
    let q = random(1, [rows, CHANNELS], 3.0, device);
    let sets = |cut: Cut, seed: u64| random(seed, [shape.sets(cut), h * h, CHANNELS], 1.0, device);
    let directions = [Cut::Tiles, Cut::Strided].map(|cut| (cut, sets(cut, 2), sets(cut, 3)));
    Case {
        shape: format!(
            "2 x {rows} rows to sets of {} keys, {CHANNELS} channels, {DEM_HEADS} heads",
            h * h
        ),
        products: 2 * 2 * rows * h * h * CHANNELS,
        weight_bytes: 0,
        run: Box::new(move || {
            let each = directions
                .iter()
                .map(|(cut, k, v)| dem_attention(&shape, *cut, q.clone(), k.clone(), v.clone()));
            Tensor::cat(each.collect(), 0)
        }),
    }
}
