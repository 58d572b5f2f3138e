//! Every WGSL kernel against its reference body, on ragged shapes.
//!
//! All limits stand here. Both bodies compute in f32 and differ in the order of their sums.

use inf_llava::image::Normalise;
use inf_llava::spec::View;
use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use inf_llava::bench::time_kernel;
use inf_llava::gpu::kernel::launches;
use inf_llava::gpu::ops::{
    Canvas, Causal, Cut, DemShape, ViewShape, argmax, attention_map, causal_attention,
    crop_patchify, dem_attention, layer_norm, rms_norm, self_attention,
};
use inf_llava::gpu::read::read;
use inf_llava::gpu::reference;
use inf_llava::spec::Ablation;
use inf_llava::spec::Crop;
use inf_llava::spec::plan::{Coverage, Plan};
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

/// With one head and one set, the mean of what the queries get is the values by their shares.
#[test]
fn the_map_of_dem_attention_weighs_the_values_alike() {
    let cpu = crate::device("cpu").device;
    let (n, h, channels) = (3, 9, 68);
    let plan = Plan::new(n, h, Ablation::default(), Coverage::Live);
    let shape = DemShape {
        crops_per_side: n,
        tokens_per_side: h,
        residues: plan.residues.clone(),
        tiles: plan.tiles.clone(),
        heads: 1,
    };
    assert_eq!((shape.sets(Cut::Strided), plan.query_count()), (1, h * h));
    let q = on(&cpu, &values(1, h * h * channels), [h * h, channels]);
    let dims = [1, h * h, channels];
    let k = on(&cpu, &values(2, h * h * channels), dims);
    let v = on(&cpu, &values(3, h * h * channels), dims);
    let shares = reference::dem_attention_map(&shape, Cut::Strided, q.clone(), k.clone());
    let weighed = shares.matmul(v.clone().squeeze_dim::<2>(0));
    let expected = reference::dem_attention(&shape, Cut::Strided, q, k, v).mean_dim(0);
    let (found, expected) = (
        crate::read_watched(|| weighed),
        crate::read_watched(|| expected),
    );
    compare("the map of DEM attention", &found, &expected, ATTENTION);
}

/// Shapes of real plans: N that divides h and N that does not, N > h, live and dense, one head and
/// several, head widths below, at and beyond a workgroup, up to the widest the kernel takes.
#[test]
fn dem_attention_equals_its_reference() {
    let gpu = crate::device("wgpu").device;
    let cpu = crate::device("cpu").device;
    let cases = [
        (1, 4, 2, 20),
        (2, 3, 1, 8),
        (3, 4, 8, 8),
        (3, 7, 2, 64),
        (3, 9, 1, 68),
        (4, 4, 5, 4),
        (5, 2, 1, 256),
        (5, 3, 2, 132),
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
                    crate::read_watched(|| f(&shape, cut, q, k, v))
                };
                let what = format!("N {n}, h {h}, {heads} x {head_dim}, {coverage:?}, {cut:?}");
                let expected = run(&cpu, reference::dem_attention);
                compare(&what, &run(&gpu, dem_attention), &expected, ATTENTION);
            }
        }
    }
}

/// A head wider than the kernel takes, or no multiple of four, must go to the reference body, not to a wrong answer.
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
    let run = |device: &str, width: usize| {
        let device = crate::device(device).device;
        let q = on(&device, &values(1, 16 * width), [16, width]);
        let k = on(&device, &values(2, 16 * width), [4, 4, width]);
        crate::block_on(read(dem_attention(&shape, Cut::Tiles, q, k.clone(), k))).unwrap()
    };
    for width in [300, 6] {
        let what = format!("head of {width}");
        compare(&what, &run("wgpu", width), &run("cpu", width), ATTENTION);
    }
}

/// All three kinds of crop, odd and even N (for even N the low-resolution image is interpolated),
/// and more crops than one launch takes.
#[test]
fn crop_patchify_equals_its_reference() {
    for (n, view_px, patch_px) in [(1, 14, 14), (2, 28, 7), (3, 15, 5), (4, 10, 5), (9, 6, 3)] {
        let shape = ViewShape {
            view_px,
            patch_px,
            normalise: Normalise::CLIP,
        };
        let side = n * view_px;
        let bytes: Vec<u8> = values(n as u64, side * side * 3)
            .iter()
            .map(|v| ((v + 2.0) * 63.0) as u8)
            .collect();
        let plan = Plan::new(n, view_px / patch_px, Ablation::default(), Coverage::Dense);
        let crops = plan.passes();
        assert!(crops.contains(&Crop::Low));
        let views: Vec<View> = crops.iter().map(|crop| crop.view(n, view_px)).collect();
        let run = |device: &str, f: fn(ViewShape, &Canvas, &[View]) -> Tensor<3>| {
            let canvas = Canvas::new(bytes.clone(), [side; 2], &crate::device(device).device);
            crate::read_watched(|| f(shape, &canvas, &views))
        };
        let expected = run("cpu", reference::crop_patchify);
        compare(
            &format!("N {n}, P {view_px}"),
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
        let shape = ViewShape {
            view_px: 10,
            patch_px: 5,
            normalise: Normalise::CLIP,
        };
        let bytes: Vec<u8> = (0..30 * 30 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let canvas = Canvas::new(bytes, [30; 2], &crate::device(device).device);
        let crop = |crop: Crop| {
            let patches = crop_patchify(shape, &canvas, &[crop.view(3, 10)]);
            crate::block_on(read(patches)).unwrap()
        };
        assert_eq!(crop(Crop::Low), crop(Crop::Global(1, 1)), "{device}");
    }
}

#[test]
fn self_attention_equals_its_reference() {
    let (gpu, cpu) = (crate::device("wgpu").device, crate::device("cpu").device);
    let cases = [
        (1, 1, 1, 4),
        (2, 5, 2, 12),
        (1, 31, 1, 8),
        (3, 33, 4, 16),
        (2, 65, 2, 64),
        (1, 577, 1, 32),
        (1, 40, 1, 256),
    ];
    for (index, &(crops, tokens, heads, head_dim)) in cases.iter().enumerate() {
        let dims = [crops, tokens, heads * head_dim];
        let count = dims.iter().product();
        let inputs = [0, 100, 200].map(|seed| values(seed + index as u64, count));
        let run = |device: &Device, f: fn(usize, Tensor<3>, Tensor<3>, Tensor<3>) -> Tensor<3>| {
            let [q, k, v] = inputs.each_ref().map(|values| on(device, values, dims));
            crate::read_watched(|| f(heads, q, k, v))
        };
        let before = launches();
        let found = run(&gpu, self_attention);
        assert!(launches() > before, "no kernel ran");
        let expected = run(&cpu, reference::self_attention);
        compare(&format!("{dims:?}"), &found, &expected, ATTENTION);
    }
}

/// Few tokens and many, at the beginning of the cache and behind a long one, on either side of a split's and a tile's
/// edge; heads that share keys in groups that are no multiple of anything. What lies behind the last key is NaN.
#[test]
fn causal_attention_equals_its_reference() {
    let (gpu, cpu) = (crate::device("wgpu").device, crate::device("cpu").device);
    for (heads, key_heads, head_dim) in
        [(1, 1, 4), (4, 4, 32), (8, 2, 64), (6, 1, 128), (5, 5, 256)]
    {
        for (start, tokens, window) in [
            (0, 1, None),
            (1, 1, None),
            (255, 1, None),
            (256, 1, None),
            (700, 1, None),
            (0, 3, None),
            (253, 8, None),
            (0, 9, None),
            (5, 65, None),
            (300, 70, None),
            // Windows: of the token alone, within a split and over several, more than there is.
            (700, 1, Some(1)),
            (700, 1, Some(24)),
            (700, 1, Some(300)),
            (253, 8, Some(5)),
            (40, 1, Some(1000)),
            (0, 70, Some(1)),
            (300, 70, Some(24)),
            (5, 65, Some(64)),
            (5, 65, Some(1000)),
        ] {
            let causal = Causal {
                heads,
                start,
                window,
            };
            let (seen, capacity) = (start + tokens, start + tokens + 3);
            let channels = heads * head_dim;
            let q = values(1, tokens * channels);
            let [keys, values] = [2, 3].map(|seed| {
                let mut all = values(seed, key_heads * capacity * head_dim);
                for head in all.chunks_mut(capacity * head_dim) {
                    head[seen * head_dim..].fill(f32::NAN);
                }
                all
            });
            let run =
                |device: &Device, f: fn(Causal, Tensor<2>, &Tensor<3>, &Tensor<3>) -> Tensor<2>| {
                    let cache =
                        |values: &[f32]| on(device, values, [key_heads, capacity, head_dim]);
                    let q = on(device, &q, [tokens, channels]);
                    let (keys, values) = (cache(&keys), cache(&values));
                    crate::read_watched(|| {
                        let mixed = f(causal, q, &keys, &values);
                        assert_eq!(mixed.dims(), [tokens, channels]);
                        mixed
                    })
                };
            let what = format!("{heads} / {key_heads} x {head_dim}, {tokens} tokens, {causal:?}");
            let before = launches();
            let found = run(&gpu, causal_attention);
            assert_eq!(
                launches() - before,
                if tokens > 8 { 1 } else { 2 },
                "{what}"
            );
            compare(
                &what,
                &found,
                &run(&cpu, reference::causal_attention),
                ATTENTION,
            );
        }
    }
}

/// Windows at the beginning, in the middle and beyond what is seen; behind what is seen the keys are NaN. All shares of a
/// window of everything are one.
#[test]
fn attention_map_equals_its_reference() {
    let (gpu, cpu) = (crate::device("wgpu").device, crate::device("cpu").device);
    for (heads, key_heads, head_dim) in [(1, 1, 4), (8, 2, 64), (6, 3, 256)] {
        for (start, tokens, window, asked) in [
            (0, 1, None, 0..1),
            (63, 1, None, 0..64),
            (64, 3, None, 60..70),
            (600, 2, None, 5..581),
            (10, 1, None, 30..40),
            (600, 2, Some(24), 5..590),
            (64, 3, Some(1), 60..70),
        ] {
            let causal = Causal {
                heads,
                start,
                window,
            };
            let (seen, capacity) = (start + tokens, start + tokens + 30);
            let q = values(1, tokens * heads * head_dim);
            let mut keys = values(2, key_heads * capacity * head_dim);
            for head in keys.chunks_mut(capacity * head_dim) {
                head[seen * head_dim..].fill(f32::NAN);
            }
            let run = |device: &Device,
                       f: fn(Causal, Tensor<2>, &Tensor<3>, Range<usize>) -> Tensor<3>,
                       asked: &Range<usize>| {
                let q = on(device, &q, [tokens, heads * head_dim]);
                let keys = on(device, &keys, [key_heads, capacity, head_dim]);
                crate::read_watched(|| {
                    let map = f(causal, q, &keys, asked.clone());
                    assert_eq!(map.dims(), [tokens, heads, asked.len()]);
                    map
                })
            };
            let what =
                format!("{heads} / {key_heads} x {head_dim}, {tokens} {causal:?}, {asked:?}");
            let found = run(&gpu, attention_map, &asked);
            let expected = run(&cpu, reference::attention_map, &asked);
            if asked.start >= seen {
                assert!(
                    found.iter().chain(&expected).all(|&share| share == 0.0),
                    "{what}"
                );
            } else {
                compare(&what, &found, &expected, ATTENTION);
            }
            for row in run(&gpu, attention_map, &(0..seen)).chunks(seen) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{what}");
            }
        }
    }
}

/// Norms of rows that are one vector of four, that a workgroup divides, and that none does.
#[test]
fn norms_equal_their_references() {
    let (gpu, cpu) = (crate::device("wgpu").device, crate::device("cpu").device);
    for (rows, channels) in [(1, 4), (3, 256), (33, 100), (2, 4096), (577, 36)] {
        // Far from zero, so that a variance without the mean taken off is wrong.
        let x: Vec<f32> = values(1, rows * channels).iter().map(|v| v + 3.0).collect();
        let (weight, bias) = (values(2, channels), values(3, channels));
        let on_device = |device: &Device| {
            let vector = |values: &[f32]| on(device, values, [channels]);
            (
                on(device, &x, [rows, channels]),
                vector(&weight),
                vector(&bias),
            )
        };
        let (x_gpu, weight_gpu, bias_gpu) = on_device(&gpu);
        let (x_cpu, weight_cpu, bias_cpu) = on_device(&cpu);
        let before = launches();
        let found = [
            crate::read_watched(|| rms_norm(x_gpu.clone(), weight_gpu.clone(), 1e-5)),
            crate::read_watched(|| layer_norm(x_gpu, weight_gpu, bias_gpu, 1e-5)),
        ];
        assert_eq!(launches() - before, 2);
        let expected = [
            reference::rms_norm(x_cpu.clone(), weight_cpu.clone(), 1e-5),
            reference::layer_norm(x_cpu, weight_cpu, bias_cpu, 1e-5),
        ];
        for (found, expected) in found.into_iter().zip(expected) {
            let expected = crate::block_on(read(expected)).unwrap();
            compare(
                &format!("{rows} x {channels}"),
                &found,
                &expected,
                ATTENTION,
            );
        }
    }
}

/// The largest at either end, the first of equals, more numbers than threads and fewer; what is no finite number is said.
#[test]
fn the_largest_is_found_on_the_device() {
    let device = crate::device("wgpu").device;
    let find = |values: &[f32]| {
        let x = on(&device, values, [1, values.len()]);
        let place = argmax(&x).expect("on wgpu");
        place.into_data().try_into_vec::<i32>().unwrap()[0]
    };
    assert_eq!(find(&[-3.0]), 0);
    assert_eq!(find(&[-3.0, -2.0, -2.0]), 1);
    for count in [255, 256, 257, 5000] {
        for place in [0, 1, count / 2, count - 1] {
            let mut x: Vec<f32> = values(place as u64, count);
            x[place] = 7.0;
            assert_eq!(find(&x), place as i32);
            x[count - 1] = 7.0;
            assert_eq!(find(&x), place as i32);
            x[count / 3] = f32::NAN;
            assert_eq!(find(&x), -1);
            x[count / 3] = f32::INFINITY;
            assert_eq!(find(&x), -1);
        }
    }
    let on_cpu = on(&crate::device("cpu").device, &[1.0, 2.0], [1, 2]);
    assert!(argmax(&on_cpu).is_none());
}

#[test]
fn what_is_timed_is_checked() {
    let device = crate::device("wgpu").device;
    let timing = crate::block_on(time_kernel(&device, "matmul_f32", 1, false)).unwrap();
    assert!(timing.launches >= 1 && timing.ms.len() == 1, "{timing:?}");
    assert!(timing.error > 0.0 && timing.error < 1e-5, "{timing:?}");
    let error = crate::block_on(time_kernel(&device, "matmul", 1, false)).unwrap_err();
    assert!(error.to_string().contains("matvec_q4"), "{error}");
}
