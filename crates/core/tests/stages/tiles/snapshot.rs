//! Snapshots and patches of VLSA, against a second implementation and their own rules.

use inf_llava_core::Error;
use inf_llava_core::image::{Filter, PAD_COLOUR, Picture, SnapshotViews, resize, snapshot};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::spec::{Padding, Snapshot, SnapshotSpec};
use proptest::prelude::*;
use serde_json::json;

use super::family::{Compared, Fixture, cut};
use super::size;
use crate::image::pattern;

fn spec(view_px: usize, max_patches: usize) -> SnapshotSpec {
    SnapshotSpec {
        view_px,
        max_patches,
        is_centred: true,
        colour: PAD_COLOUR,
        of_padded: true,
    }
}

fn made(picture: &Picture, spec: &SnapshotSpec) -> (Snapshot, SnapshotViews) {
    let sizes = spec.snapshot([picture.height, picture.width]);
    let stop = StopFlag::default();
    let views = snapshot(picture, spec, &sizes, Filter::Bicubic, &stop).expect("views");
    let SnapshotViews { snapshot, padded } = &views;
    assert_eq!([snapshot.height, snapshot.width], [spec.view_px; 2]);
    assert_eq!([padded.height, padded.width], sizes.padded_px);
    (sizes, views)
}

#[test]
fn the_views_of_vlsa_equal_the_reference_in_every_byte() {
    let fixture = Fixture::new("vlsa");
    let [view_px, side] = fixture.view();
    let spec = spec(view_px, size(&fixture.config["vlsa"]["max_patches"]));
    assert_eq!(spec.check(), Ok(()));
    let mut compared = Compared::default();
    for (index, image) in fixture.images.iter().enumerate() {
        assert_eq!(image["treatment"], "vlsa");
        let (sizes, views) = made(&fixture.pictures(image)[0], &spec);
        let Padding {
            top,
            bottom,
            left,
            right,
        } = sizes.padding;
        let geometry = json!({
            "resized": sizes.resized_px,
            "padded": sizes.padded_px,
            "padding": [top, bottom, left, right],
            "patches": [sizes.rows, sizes.columns],
            "num_tokens": side * side,
        });
        for (key, value) in geometry.as_object().expect("keys") {
            assert_eq!(&image[key], value, "{index}: {key}");
        }
        let mut bytes = views.snapshot.rgb.clone();
        bytes.extend(cut(&views.padded, sizes.patch_views(), view_px));
        fixture.compare(index, &bytes, &mut compared);
        // The first picture is one view.
        assert_eq!(sizes.is_patch, index == 0);
        assert_eq!(views.snapshot == views.padded, sizes.is_patch);
        assert_eq!(sizes.passes(), [1, 7, 7, 7][index]);
    }
    let all = Compared {
        images: 4,
        tensors: 4,
    };
    assert_eq!(compared, all);
}

#[test]
fn the_other_readings_of_the_paper() {
    let picture = pattern(30, 21);
    let centred = made(&picture, &spec(16, 16));
    let corner = SnapshotSpec {
        is_centred: false,
        colour: [0; 3],
        ..spec(16, 16)
    };
    let (sizes, views) = made(&picture, &corner);
    assert_eq!([sizes.rows, sizes.columns], [2, 2]);
    let padding = |top, bottom, left, right| Padding {
        top,
        bottom,
        left,
        right,
    };
    assert_eq!(centred.0.padding, padding(5, 6, 1, 1));
    assert_eq!(sizes.padding, padding(0, 11, 0, 2));
    for (padded, [top, left], colour) in [
        (&centred.1.padded, [5, 1], PAD_COLOUR),
        (&views.padded, [0, 0], [0; 3]),
    ] {
        for (index, pixel) in padded.rgb.chunks_exact(3).enumerate() {
            let (y, x) = (
                (index / 32).wrapping_sub(top),
                (index % 32).wrapping_sub(left),
            );
            let expected = match y < 21 && x < 30 {
                true => &picture.rgb[(y * 30 + x) * 3..][..3],
                false => &colour,
            };
            assert_eq!(pixel, expected, "{index}");
        }
    }
    let of_picture = SnapshotSpec {
        of_padded: false,
        ..spec(16, 16)
    };
    let stop = StopFlag::default();
    let to_view = |picture: &Picture| resize(picture, [16; 2], Filter::Bicubic, &stop);
    let alone = to_view(&picture).expect("resized");
    assert_eq!(made(&picture, &of_picture).1.snapshot, alone);
    let with_padding = to_view(&centred.1.padded).expect("resized");
    assert_eq!(centred.1.snapshot, with_padding);
    assert_ne!(alone, with_padding);
    // One patch, which the snapshot shows without its padding.
    let (sizes, _) = made(&pattern(9, 16), &of_picture);
    assert_eq!((sizes.is_patch, sizes.passes()), (false, 2));
    let (sizes, _) = made(&pattern(9, 16), &spec(16, 16));
    assert_eq!((sizes.is_patch, sizes.passes()), (true, 1));
}

#[test]
fn hostile_sizes_have_patches_too() {
    let patches = |spec: SnapshotSpec, size_px| {
        let found = spec.snapshot(size_px);
        (found.resized_px, [found.rows, found.columns])
    };
    let vlsa = spec(336, 16);
    assert_eq!(patches(vlsa, [0, 0]), ([1, 1], [1, 1]));
    assert_eq!(patches(vlsa, [1, usize::MAX]), ([1, 16 * 336], [1, 16]));
    assert_eq!(patches(vlsa, [usize::MAX, 1]), ([16 * 336, 1], [16, 1]));
    assert_eq!(patches(vlsa, [usize::MAX; 2]), ([4 * 336; 2], [4, 4]));
    // Specs without sense.
    assert_eq!(patches(spec(0, 0), [9, 9]), ([1, 1], [1, 1]));
    assert_eq!(patches(spec(usize::MAX, 3), [9, 9]), ([9, 9], [1, 1]));
    assert_eq!(patches(spec(1, usize::MAX), [9, 9]), ([9, 9], [9, 9]));
    for (view_px, max_patches) in [(0, 16), (336, 0), (336, 1025), (336, usize::MAX)] {
        assert!(spec(view_px, max_patches).check().is_err());
    }
    for max_patches in [1, 2, 6, 7, 16, 1024] {
        let spec = spec(336, max_patches);
        assert_eq!(spec.check(), Ok(()));
        let found = spec.snapshot(spec.largest_px());
        assert_eq!(found.rows * found.columns, max_patches);
        assert_eq!(found.resized_px, spec.largest_px());
    }
    assert_eq!(spec(336, 6).largest_px(), [672, 1008]);
}

#[test]
fn canvases_beyond_the_limits_are_refused() {
    let (picture, stop) = (pattern(300, 300), StopFlag::default());
    let spec = spec(1 << 13, 16);
    let large = SnapshotSpec {
        view_px: 1 << 14,
        ..spec
    };
    let code = |spec: &SnapshotSpec| {
        let sizes = spec.snapshot([300, 300]);
        let found = snapshot(&picture, spec, &sizes, Filter::Bicubic, &stop);
        found.err().map(|error| error.code())
    };
    assert_eq!(code(&large), Some("image-too-large"));
    let no_view = SnapshotSpec { view_px: 0, ..spec };
    assert_eq!(code(&no_view), Some("image-damaged"));
    stop.stop();
    let small = SnapshotSpec {
        view_px: 16,
        ..spec
    };
    let sizes = small.snapshot([300, 300]);
    let stopped = snapshot(&picture, &small, &sizes, Filter::Bicubic, &stop);
    assert_eq!(stopped, Err(Error::Stopped));
}

/// The best factor, by looking at all.
fn best_scale(view_px: usize, most: usize, size_px: [usize; 2]) -> f64 {
    let pairs = (1..=most).flat_map(|rows| (1..=most / rows).map(move |columns| [rows, columns]));
    let scales = pairs.map(|patches| {
        let [by_rows, by_columns] =
            [0, 1].map(|axis| patches[axis] as f64 * view_px as f64 / size_px[axis] as f64);
        by_rows.min(by_columns)
    });
    scales.fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn patches_keep_the_rules(
        size_px in [side(), side()], view_px in 1_usize..600, max_patches in 1_usize..40,
        is_centred in any::<bool>(), of_padded in any::<bool>(),
    ) {
        let spec = SnapshotSpec { is_centred, of_padded, ..spec(view_px, max_patches) };
        let found = spec.snapshot(size_px);
        let whole = size_px.map(|side| side.div_ceil(view_px));
        let fits = whole[0].saturating_mul(whole[1]) <= max_patches;
        prop_assert_eq!(found.resized_px == size_px, fits);
        if !fits {
            let scale = best_scale(view_px, max_patches, size_px);
            prop_assert!(scale < 1.0);
            let expected = size_px.map(|side| ((side as f64 * scale).floor() as usize).max(1));
            prop_assert_eq!(found.resized_px, expected);
        }
        // Whole patches, no more than are needed or allowed.
        let Snapshot { rows, columns, padded_px, padding, .. } = found;
        prop_assert_eq!([rows, columns], found.resized_px.map(|side| side.div_ceil(view_px)));
        prop_assert!(rows * columns <= max_patches);
        prop_assert_eq!(padded_px, [rows * view_px, columns * view_px]);
        let Padding { top, bottom, left, right } = padding;
        let [height, width] = found.resized_px;
        prop_assert_eq!([top + height + bottom, left + width + right], padded_px);
        let is_as_asked = |(before, after): (usize, usize)| match is_centred {
            true => after - before <= 1,
            false => before == 0,
        };
        prop_assert!([(top, bottom), (left, right)].into_iter().all(is_as_asked));
        prop_assert_eq!(found.patch_views().count(), rows * columns);
        let is_one = rows * columns == 1 && (of_padded || padding == Padding::default());
        prop_assert_eq!(found.is_patch, is_one);
        prop_assert_eq!(found.passes(), if is_one { 1 } else { rows * columns + 1 });
    }
}

/// Small sides, and large ones up to those of `u32`.
fn side() -> impl Strategy<Value = usize> {
    prop_oneof![1_usize..300, 1_usize..6000, 1_usize..=u32::MAX as usize]
}
