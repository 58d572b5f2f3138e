//! Submissions are kept short: launches that are cut compute the same, and what is measured is told by what it was
//! measured on. And what f16 does with values as real decoders have them.

use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;
use inf_llava::gpu::adapter::{self, Variants};
use inf_llava::gpu::kernel::launches;
use inf_llava::gpu::ops::{Causal, Fused, Matrix, causal_attention, product, self_attention};
use inf_llava::gpu::pace::Speeds;
use inf_llava::gpu::quantized::QuantizedMatrix;
use inf_llava::gpu::read::read;
use inf_llava::gpu::submissions::{self, Rule, set_speeds};
use inf_llava::quant::Quant;
use inf_llava::spec::Activation;

use crate::UNCUT;
use crate::adapters::own_device;

/// So slow that every workgroup along the axis that is cut goes alone.
const CRAWL: Speeds = Speeds {
    matmul: 1e-3,
    quantized_matmul: 1e-3,
    matvec: 1e-3,
    quantized_matvec: 1e-3,
    attention: 1e-3,
};

fn wave<const D: usize>(step: f32, dims: [usize; D], device: &Device) -> Tensor<D> {
    let count = dims.iter().product();
    let values: Vec<f32> = (0..count).map(|i: usize| (i as f32 * step).sin()).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

fn quantized(quant: Quant, pieces: &[usize], columns: usize, device: &Device) -> QuantizedMatrix {
    let mut matrix = QuantizedMatrix::new(columns);
    for (index, &rows) in pieces.iter().enumerate() {
        let step = 0.11 + index as f32;
        let values: Vec<f32> = (0..rows * columns)
            .map(|i| (i as f32 * step).sin())
            .collect();
        let bytes = quant.quantize(&values, columns).unwrap();
        matrix
            .push(quant, rows, Bytes::from(bytes), device)
            .unwrap();
    }
    matrix
}

/// Each operation that is cut, with all that goes with it.
fn operations(device: &Device) -> Vec<(&'static str, Vec<f32>, u64)> {
    let fused = |rows: usize, outputs: usize, gated: bool| Fused {
        gated,
        bias: (!gated).then(|| wave(0.9, [outputs], device)),
        activation: (!gated).then_some(Activation::QuickGelu),
        residual: (!gated).then(|| wave(0.6, [rows, outputs], device)),
        ..Fused::default()
    };
    let bits = [Quant::Q4, Quant::Q8].map(|quant| quantized(quant, &[100, 300], 96, device));
    let gate = quantized(Quant::Q4, &[300], 96, device);
    let floats = || Matrix::Float(wave(0.11, [300, 96], device));
    let x = |rows| wave(0.5, [rows, 96], device);
    let mut found = Vec::new();
    let mut run = |name, of: &dyn Fn() -> Tensor<2>| {
        let before = launches();
        let result = of();
        let launched = launches() - before;
        found.push((name, crate::block_on(read(result)).unwrap(), launched));
    };
    for rows in [1, 70] {
        run("floats", &|| {
            product(x(rows), &floats(), fused(rows, 300, false))
        });
        run("floats, gated", &|| {
            product(x(rows), &floats(), fused(rows, 300, true))
        });
        for bits in &bits {
            let matrix = Matrix::Quantized(bits);
            run("bits", &|| {
                product(x(rows), &matrix, fused(rows, 400, false))
            });
        }
        let matrix = Matrix::Quantized(&gate);
        run("bits, gated", &|| {
            product(x(rows), &matrix, fused(rows, 300, true))
        });
    }
    run("between crops", &|| {
        let [q, k, v] = [0.9, 0.3, 0.7].map(|step| wave(step, [2, 70, 6 * 32], device));
        self_attention(6, q, k, v).reshape([140, 6 * 32])
    });
    run("causal", &|| {
        let [keys, values] = [0.3, 0.7].map(|step| wave(step, [2, 90, 32], device));
        let causal = Causal {
            heads: 6,
            start: 20,
            window: None,
        };
        causal_attention(causal, wave(0.9, [70, 6 * 32], device), &keys, &values)
    });
    found
}

#[test]
fn what_is_cut_computes_the_same() {
    let (chosen, _) = own_device(|limits| limits);
    let device = &chosen.device;
    set_speeds(device, UNCUT);
    let whole = operations(device);
    set_speeds(device, CRAWL);
    let cut = operations(device);
    for ((name, whole, once), (_, cut, often)) in whole.iter().zip(&cut) {
        assert!(whole == cut, "{name}: not the same numbers");
        assert!(often > once, "{name}: {often} launches, uncut {once}");
    }
}

/// The same launches, each submitted by itself where the device is slow.
#[test]
fn a_slow_device_is_given_short_submissions() {
    let (chosen, _) = own_device(|limits| limits);
    let device = &chosen.device;
    let submissions = |speeds| {
        set_speeds(device, speeds);
        submissions::trace(Rule::Measured);
        let x = wave(0.5, [70, 96], device);
        let matrix = Matrix::Float(wave(0.11, [320, 96], device));
        let y = product(x, &matrix, Fused::default());
        crate::block_on(read(y)).unwrap();
        submissions::traced().len()
    };
    assert_eq!(submissions(UNCUT), 1);
    assert_eq!(submissions(CRAWL), 10);
}

/// A few channels of a real decoder are a thousand times larger than the others, and beyond what f16 holds.
#[test]
fn outlier_channels_in_f16() {
    let (chosen, _) = own_device(|limits| limits);
    let device = &chosen.device;
    assert!(adapter::of(device).has_half, "lavapipe has f16");
    let columns = 128;
    let outliers = |largest: f32| {
        let factor = |i: usize| if i % columns == 17 { largest } else { 1.0 };
        let values: Vec<f32> = (0..70 * columns)
            .map(|i| factor(i) * (i as f32 * 0.5).sin())
            .collect();
        Tensor::<2>::from_data(TensorData::new(values, [70, columns]), device)
    };
    let matrix = quantized(Quant::Q4, &[96], columns, device);
    let floats = Matrix::Float(wave(0.11, [96, columns], device));
    let attend = |x: &Tensor<2>| {
        let rows = x.clone().reshape([1, 70, columns]);
        self_attention(2, wave(0.9, [1, 70, columns], device), rows.clone(), rows)
    };
    let results = |x: &Tensor<2>, half| {
        let variants = Variants {
            half,
            ..Variants::PORTABLE
        };
        adapter::set_variants(device, variants);
        let results = [
            product(x.clone(), &floats, Fused::default()).reshape([70 * 96]),
            product(x.clone(), &Matrix::Quantized(&matrix), Fused::default()).reshape([70 * 96]),
            attend(x).reshape([70 * columns]),
        ];
        results.map(|result: Tensor<1>| crate::block_on(read(result)).unwrap())
    };
    let error = |found: &[f32], expected: &[f32]| {
        let size = expected.iter().fold(0.0f32, |size, v| size.max(v.abs()));
        let pairs = found.iter().zip(expected);
        pairs.map(|(a, b)| (a - b).abs() / size).fold(0.0, f32::max)
    };
    // A thousand times larger: f16 holds it, and loses no more than its 11 bits. Scores of attention are that much larger
    // too, so that its weights are not compared.
    let x = outliers(1e3);
    let (half, full) = (results(&x, true), results(&x, false));
    for at in [0, 1] {
        let error = error(&half[at], &full[at]);
        assert!(error < 2e-3, "{at}: {error}");
    }
    // Beyond its end: numbers still, and the channel counts as much as it can.
    let half = results(&outliers(1e6), true);
    for (at, values) in half.iter().enumerate() {
        assert!(values.iter().all(|value| value.is_finite()), "{at}");
        assert!(values.iter().any(|value| value.abs() > 1e3), "{at}");
    }
    // What is no number is not hidden.
    let broken = outliers(f32::INFINITY);
    for (at, values) in results(&broken, true)[..2].iter().enumerate() {
        assert!(values.iter().any(|value| !value.is_finite()), "{at}");
    }
}
