//! The error of each kind of matrix in 4 bits, on a checkpoint's own weights: this program's blocks
//! compared with llama.cpp's Q4_0 and with min-max blocks (asymmetric, two f16 per block).
//!
//!   cargo run --release --example quantization_error -- path/to/checkpoint

use inf_llava::spec::Weight;
use std::collections::BTreeMap;
use std::path::PathBuf;

use inf_llava::model::read_config;
use inf_llava::quant::{BLOCK, Quant};
use inf_llava::weights::folder::Folder;
use inf_llava::weights::pytorch;
use pollster::block_on;

/// Rows that are measured in each matrix, evenly spaced.
const ROWS: usize = 256;

/// Sums of the squared errors, and of the squared weights.
#[derive(Default)]
struct Sums {
    weights: f64,
    q4: f64,
    q4_0: f64,
    min_max: f64,
    q8: f64,
    matrices: usize,
}

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| anyhow::anyhow!("name a checkpoint's folder"))?;
    let (config, _) = block_on(read_config(&Folder::new(&folder)))?;
    let checkpoint = block_on(pytorch::open(Folder::new(&folder)))?;
    let mut kinds: BTreeMap<String, Sums> = BTreeMap::new();
    for Weight { name, shape, .. } in config.weights() {
        let &[rows, columns] = shape.as_slice() else {
            continue;
        };
        if !Quant::fits(columns) {
            continue;
        }
        let sums = kinds.entry(kind(&name)).or_default();
        sums.matrices += 1;
        for row in (0..rows).step_by(rows.div_ceil(ROWS)) {
            let values = block_on(checkpoint.read_rows(&name, &shape, row..row + 1))?;
            let there_and_back = |quant: Quant| -> anyhow::Result<f64> {
                let bytes = quant.quantize(&values, columns)?;
                Ok(lost(&values, &quant.dequantize(&bytes, 1, columns)?))
            };
            sums.weights += lost(&values, &vec![0.0; columns]);
            sums.q4 += there_and_back(Quant::Q4)?;
            sums.q8 += there_and_back(Quant::Q8)?;
            sums.q4_0 += lost(&values, &by_block(&values, q4_0));
            sums.min_max += lost(&values, &by_block(&values, min_max));
        }
    }
    println!(
        "| kind of matrix | matrices | q4, 4.25 bits | Q4_0, 4.5 bits | min-max, 5 bits | q8, 8.25 bits |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (kind, sums) in kinds {
        let share = |lost: f64| 100.0 * (lost / sums.weights).sqrt();
        println!(
            "| {kind} | {} | {:.2} % | {:.2} % | {:.2} % | {:.2} % |",
            sums.matrices,
            share(sums.q4),
            share(sums.q4_0),
            share(sums.min_max),
            share(sums.q8)
        );
    }
    Ok(())
}

/// A matrix's name without the number of its layer.
fn kind(name: &str) -> String {
    let parts = name
        .split('.')
        .filter(|part| part.parse::<usize>().is_err());
    let parts: Vec<&str> = parts.filter(|&part| part != "weight").collect();
    parts[parts.len().saturating_sub(3)..].join(".")
}

fn lost(values: &[f32], found: &[f32]) -> f64 {
    let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
    values.iter().zip(found).map(square).sum()
}

fn by_block(values: &[f32], block: fn(&[f32; BLOCK]) -> [f32; BLOCK]) -> Vec<f32> {
    values.as_chunks().0.iter().flat_map(block).collect()
}

fn f16(value: f32) -> f32 {
    half::f16::from_f32(value).to_f32()
}

/// llama.cpp's Q4_0: codes -8 to 7 with one f16 scale that maps the largest weight to -8.
fn q4_0(block: &[f32; BLOCK]) -> [f32; BLOCK] {
    let larger = |a: f32, &b: &f32| if b.abs() > a.abs() { b } else { a };
    let scale = block.iter().fold(0.0, larger) / -8.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    block.map(|value| f16(scale) * ((value * inverse + 8.5).floor().clamp(0.0, 15.0) - 8.0))
}

/// Sixteen even steps from the smallest to the largest weight, both stored as f16.
fn min_max(block: &[f32; BLOCK]) -> [f32; BLOCK] {
    let low = block.iter().copied().fold(f32::INFINITY, f32::min);
    let high = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let step = (high - low) / 15.0;
    let inverse = if step == 0.0 { 0.0 } else { 1.0 / step };
    block.map(|value| f16(low) + f16(step) * ((value - low) * inverse).round())
}
