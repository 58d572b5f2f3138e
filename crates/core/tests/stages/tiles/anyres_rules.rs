//! Tiles at the best of several sizes, against their own rules.

use inf_llava_core::spec::{AnyresSpec, Merge, Padding, View};
use proptest::prelude::*;

use super::anyres::spec;

/// Small sides, and large ones up to those of `usize`.
fn side() -> impl Strategy<Value = usize> {
    prop_oneof![
        1_usize..200,
        1_usize..6000,
        1_usize..=u32::MAX as usize,
        Just(usize::MAX)
    ]
}

fn specs() -> impl Strategy<Value = (AnyresSpec, usize)> {
    let tiles = proptest::collection::vec([1_usize..7, 1_usize..7], 1..12);
    let most = proptest::option::of(1_usize..10);
    let rest = (1_usize..400, 1_usize..30, any::<bool>(), any::<bool>());
    (tiles, most, rest).prop_map(|(tiles, most, (view_px, side, rounds, is_flat))| {
        let pinpoints = tiles.iter().map(|tiles| tiles.map(|n| n * view_px));
        let merge = if is_flat {
            Merge::Flat
        } else {
            Merge::SpatialUnpad
        };
        let spec = AnyresSpec {
            most,
            rounds,
            merge,
            ..spec(view_px, pinpoints.collect())
        };
        (spec, side)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn tiles_keep_the_rules((spec, side) in specs(), height in side(), width in side()) {
        // How many pixels the narrower side has on a pinpoint, before they are truncated.
        let narrow = |[high, wide]: &[usize; 2]| {
            let [height, width, high, wide] = [height, width, *high, *wide].map(|side| side as f64);
            (height * wide / width).min(width * high / height).min(high).min(wide)
        };
        let Ok(found) = spec.anyres([height, width], side) else {
            prop_assert!(spec.pinpoints.iter().all(|pinpoint| narrow(pinpoint) < 1.0 + 1e-9));
            return Ok(());
        };
        prop_assert!(narrow(&found.best_px) > 1.0 - 1e-9);
        prop_assert!(spec.pinpoints.contains(&found.best_px));
        prop_assert_eq!(found.tiles.map(|n| n * spec.view_px), found.best_px);
        // The picture fills the canvas along one side, and has its aspect ratio within a pixel.
        let [[high, wide], [tall, broad]] = [found.resized_px, found.best_px];
        prop_assert!(high == tall && (1..=broad).contains(&wide) || wide == broad && (1..=tall).contains(&high));
        let error = high as f64 * width as f64 - wide as f64 * height as f64;
        prop_assert!(error.abs() <= 1.001 * width.max(height) as f64, "{error}");
        // The padding is the rest; what is odd is at the end.
        let Padding { top, bottom, left, right } = found.padding;
        prop_assert_eq!([top + high + bottom, left + wide + right], found.best_px);
        prop_assert!([(top, bottom), (left, right)].iter().all(|(a, b)| b - a <= 1));
        // Of the map a middle is kept, along one axis only, as near to the picture's own rows as tokens can be.
        let map = found.tiles.map(|n| n * side);
        let kept = [found.kept_rows.clone(), found.kept_columns.clone()];
        let is_whole = [0, 1].map(|axis| kept[axis] == (0..map[axis]));
        prop_assert!(is_whole[0] || is_whole[1]);
        for axis in [0, 1] {
            prop_assert_eq!(kept[axis].start, map[axis] - kept[axis].end);
            let exact = found.resized_px[axis] as f64 / spec.view_px as f64 * side as f64;
            let tokens_a_pixel = side as f64 / spec.view_px as f64;
            prop_assert!(spec.merge == Merge::Flat || (kept[axis].len() as f64) < exact + 1.001);
            prop_assert!(kept[axis].len() as f64 > exact - tokens_a_pixel - 1.001);
        }
        // Tokens, newlines, passes and views say the same.
        let base = side * side;
        let newlines: Vec<usize> = found.newlines().collect();
        let [rows, columns] = found.map_size();
        if spec.merge == Merge::Flat {
            prop_assert!(is_whole == [true; 2] && newlines.is_empty());
            prop_assert_eq!(found.tokens(), base * found.passes());
            prop_assert_eq!(found.passes(), 1 + found.tiles[0] * found.tiles[1]);
        } else {
            prop_assert_eq!(found.tokens(), base + rows * columns + newlines.len());
            prop_assert_eq!(newlines.len(), rows);
            prop_assert!(newlines.iter().enumerate().all(|(i, place)| *place == base + (i + 1) * (columns + 1) - 1));
            prop_assert!(newlines.last().is_none_or(|place| place + 1 == found.tokens()));
        }
        prop_assert_eq!(found.tile_views().count() + 1, found.passes());
        // Shrunk if there are too many, and then not too many.
        let (tokens, most) = (kept[0].len() * kept[1].len(), spec.most.map(|most| most * base));
        if spec.merge == Merge::SpatialUnpad {
            let is_over = most.is_some_and(|most| (tokens as f64 / most as f64).sqrt() > 1.1);
            prop_assert_eq!(found.shrunk.is_some(), is_over);
            if let (Some([rows, columns]), Some(most)) = (found.shrunk, most) {
                prop_assert!(rows * columns <= most || rows == 1 || columns == 1);
                prop_assert!((1..=kept[0].len()).contains(&rows) && (1..=kept[1].len()).contains(&columns));
            }
        }
        // One view only if it is one.
        if found.is_base_tile {
            prop_assert_eq!([found.best_px, found.resized_px], [[spec.view_px; 2]; 2]);
        }
        // Nothing exceeds the largest.
        let largest = spec.largest(side);
        prop_assert!(found.tokens() <= largest.tokens, "{} {}", found.tokens(), largest.tokens);
        prop_assert!(found.passes() <= largest.passes);
        let most = spec.anyres(largest.size_px, side).expect("tiles");
        prop_assert!(most.passes() == largest.passes || spec.view_px == 1);
    }

    #[test]
    fn no_size_and_no_spec_upsets_it(
        size_px in [any::<usize>(), any::<usize>()], side in any::<usize>(), view_px in any::<usize>(),
        pinpoints in proptest::collection::vec([any::<usize>(), any::<usize>()], 0..4),
        most in proptest::option::of(any::<usize>()), small in any::<[bool; 4]>(), flags in any::<[bool; 2]>(),
    ) {
        let cut = |number: usize, is_small: bool| if is_small { number % 5 } else { number };
        let size_px = size_px.map(|number| cut(number, small[0]));
        let merge = if flags[0] { Merge::Flat } else { Merge::SpatialUnpad };
        let spec = AnyresSpec {
            view_px: cut(view_px, small[1]),
            pinpoints: pinpoints.iter().map(|pair| pair.map(|number| cut(number, small[2]))).collect(),
            most: most.map(|most| cut(most, small[3])),
            rounds: flags[1],
            merge,
            several: None,
        };
        let is_sound = spec.check().is_ok();
        if let Ok(found) = spec.anyres(size_px, side) {
            let views: Vec<View> = found.tile_views().take(3).collect();
            prop_assert!(views.len() < found.passes() || !is_sound);
            prop_assert!(found.tokens() >= found.newlines().take(3).count());
        }
        if is_sound {
            spec.largest(side % 100);
        }
    }
}
