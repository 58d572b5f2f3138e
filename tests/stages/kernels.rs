//! Every WGSL kernel against its reference body, on ragged shapes.
//!
//! All limits stand here. Both bodies compute in f32 and differ in the order of their sums.

use burn::tensor::{Device, Tensor, TensorData};
use inf_llava::bench::time_kernel;
use inf_llava::config::Ablation;
use inf_llava::gpu::kernel::launches;
use inf_llava::gpu::ops::{
    CropShape, Cut, DemShape, Square, crop_patchify, dem_attention, self_attention,
};
use inf_llava::gpu::reference;
use inf_llava::stages::read;
use inf_llava::vision::plan::{Coverage, Crop, Plan};
use rand::SeedableRng;
use rand::rand_core::Rng;
use rand_chacha::ChaCha8Rng;

/// Largest error and normalised mean square error.
const ATTENTION: (f32, f64) = (2e-5, 1e-10);
const CROP: (f32, f64) = (2e-6, 1e-12);

fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| random.next_u32() as f32 / u32::MAX as f32 * 4.0 - 2.0)
        .collect()
}

fn compare(what: &str, found: &[f32], expected: &[f32], (largest, normalised): (f32, f64)) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut max = 0.0f32;
    let (mut error, mut energy) = (0.0f64, 0.0f64);
    for (&a, &b) in found.iter().zip(expected) {
        assert!(a.is_finite(), "{what}: {a}");
        max = max.max((a - b).abs());
        error += f64::from(a - b).powi(2);
        energy += f64::from(b).powi(2);
    }
    assert!(energy > 0.0, "{what}: the expectation is nothing but zeros");
    assert!(max <= largest, "{what}: largest error {max}");
    assert!(
        error / energy <= normalised,
        "{what}: normalised error {}",
        error / energy
    );
}

fn on<const D: usize>(device: &Device, values: &[f32], dims: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), device)
}

/// Shapes of real plans: N that divides h and N that does not, N > h, live and dense, one head and
/// several, head widths below, at and beyond a workgroup, up to the widest the kernel takes.
#[test]
fn dem_attention_equals_its_reference() {
    let gpu = crate::device("wgpu").device;
    let cpu = crate::device("cpu").device;
    let cases = [
        (1, 4, 2, 5),
        (2, 3, 1, 8),
        (3, 4, 8, 8),
        (3, 7, 2, 64),
        (3, 9, 1, 65),
        (4, 4, 5, 2),
        (5, 2, 1, 256),
        (5, 3, 2, 130),
    ];
    for (index, &(n, h, heads, head_dim)) in cases.iter().enumerate() {
        for coverage in [Coverage::Live, Coverage::Dense] {
            let plan = Plan::new(n, h, Ablation::default(), coverage);
            let shape = DemShape {
                crops_per_side: n,
                tokens_per_side: h,
                residues: plan.residues.clone(),
                tiles: plan.tiles.clone(),
                heads,
            };
            let channels = heads * head_dim;
            let q = values(index as u64, plan.query_count() * channels);
            for cut in [Cut::Tiles, Cut::Strided] {
                let dims = [shape.sets(cut), h * h, channels];
                let count = dims.iter().product();
                let (k, v) = (
                    values(100 + index as u64, count),
                    values(200 + index as u64, count),
                );
                let run = |device: &Device,
                           f: fn(
                    &DemShape,
                    Cut,
                    Tensor<2>,
                    Tensor<3>,
                    Tensor<3>,
                ) -> Tensor<2>| {
                    let q = on(device, &q, [plan.query_count(), channels]);
                    let (k, v) = (on(device, &k, dims), on(device, &v, dims));
                    crate::block_on(read(f(&shape, cut, q, k, v))).unwrap()
                };
                let what = format!("N {n}, h {h}, {heads} x {head_dim}, {coverage:?}, {cut:?}");
                let expected = run(&cpu, reference::dem_attention);
                compare(&what, &run(&gpu, dem_attention), &expected, ATTENTION);
            }
        }
    }
}

/// A head wider than the kernel takes must go to the reference body, not to a wrong answer.
#[test]
fn dem_attention_beyond_the_kernel() {
    let plan = Plan::new(2, 2, Ablation::default(), Coverage::Live);
    let shape = DemShape {
        crops_per_side: 2,
        tokens_per_side: 2,
        residues: plan.residues,
        tiles: plan.tiles,
        heads: 1,
    };
    let run = |device: &str| {
        let device = crate::device(device).device;
        let q = on(&device, &values(1, 16 * 300), [16, 300]);
        let k = on(&device, &values(2, 16 * 300), [4, 4, 300]);
        crate::block_on(read(dem_attention(&shape, Cut::Tiles, q, k.clone(), k))).unwrap()
    };
    compare("head of 300", &run("wgpu"), &run("cpu"), ATTENTION);
}

/// All three kinds of crop, odd and even N (for even N the low-resolution image is interpolated),
/// and more crops than one launch takes.
#[test]
fn crop_patchify_equals_its_reference() {
    for (n, crop_px, patch_px) in [(1, 14, 14), (2, 28, 7), (3, 15, 5), (4, 10, 5), (9, 6, 3)] {
        let shape = CropShape {
            crops_per_side: n,
            crop_px,
            patch_px,
        };
        let side = n * crop_px;
        let bytes: Vec<u8> = values(n as u64, side * side * 3)
            .iter()
            .map(|v| ((v + 2.0) * 63.0) as u8)
            .collect();
        let plan = Plan::new(n, crop_px / patch_px, Ablation::default(), Coverage::Dense);
        let crops = plan.passes();
        assert!(crops.contains(&Crop::Low));
        let run = |device: &str, f: fn(CropShape, &Square, &[Crop]) -> Tensor<3>| {
            let square = Square::new(bytes.clone(), side, &crate::device(device).device);
            crate::block_on(read(f(shape, &square, &crops))).unwrap()
        };
        let expected = run("cpu", reference::crop_patchify);
        compare(
            &format!("N {n}, P {crop_px}"),
            &run("wgpu", crop_patchify),
            &expected,
            CROP,
        );
    }
}

/// For odd N the low-resolution image is the middle global crop, to the bit.
#[test]
fn low_is_the_middle_global_crop() {
    for device in ["cpu", "wgpu"] {
        let shape = CropShape {
            crops_per_side: 3,
            crop_px: 10,
            patch_px: 5,
        };
        let bytes: Vec<u8> = (0..30 * 30 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let square = Square::new(bytes, 30, &crate::device(device).device);
        let crop = |crop| crate::block_on(read(crop_patchify(shape, &square, &[crop]))).unwrap();
        assert_eq!(crop(Crop::Low), crop(Crop::Global(1, 1)), "{device}");
    }
}

#[test]
fn self_attention_equals_its_reference() {
    let (gpu, cpu) = (crate::device("wgpu").device, crate::device("cpu").device);
    let cases = [
        (1, 1, 1, 1),
        (2, 5, 2, 3),
        (1, 31, 1, 8),
        (3, 33, 4, 16),
        (2, 65, 2, 64),
        (1, 577, 1, 32),
        (1, 40, 1, 255),
    ];
    for (index, &(crops, tokens, heads, head_dim)) in cases.iter().enumerate() {
        let dims = [crops, tokens, heads * head_dim];
        let count = dims.iter().product();
        let inputs = [0, 100, 200].map(|seed| values(seed + index as u64, count));
        let run = |device: &Device, f: fn(usize, Tensor<3>, Tensor<3>, Tensor<3>) -> Tensor<3>| {
            let [q, k, v] = inputs.each_ref().map(|values| on(device, values, dims));
            crate::block_on(read(f(heads, q, k, v))).unwrap()
        };
        let before = launches();
        let found = run(&gpu, self_attention);
        assert!(launches() > before, "no kernel ran");
        let expected = run(&cpu, reference::self_attention);
        compare(&format!("{dims:?}"), &found, &expected, ATTENTION);
    }
}

#[test]
fn what_is_timed_is_checked() {
    let device = crate::device("wgpu").device;
    let timing = crate::block_on(time_kernel(&device, "matmul_f32", 1)).unwrap();
    assert!(timing.launches >= 1 && timing.ms.len() == 1, "{timing:?}");
    assert!(timing.error > 0.0 && timing.error < 1e-5, "{timing:?}");
    let error = crate::block_on(time_kernel(&device, "matmul", 1)).unwrap_err();
    assert!(error.to_string().contains("matvec_q4"), "{error}");
}
