//! The grid of tiles, against transformers and its own rules.

use inf_llava_core::spec::{Grid, GridSpec};
use proptest::prelude::*;
use serde::Deserialize;

use super::{corner, split};

/// `smolvlm-sizes.json`.
#[derive(Deserialize)]
struct Sizes {
    columns: [String; 10],
    rows: Vec<[usize; 10]>,
}

#[test]
fn grids_equal_those_of_transformers() {
    let json = std::fs::read(crate::fixture("family/smolvlm-sizes.json")).expect("fixture");
    let sizes: Sizes = serde_json::from_slice(&json).expect("sizes");
    let columns = "width height longest_edge tile first_width first_height second_width second_height rows cols";
    assert_eq!(sizes.columns.join(" "), columns);
    assert_eq!(sizes.rows.len(), 4 * 214);
    for row in sizes.rows {
        let [width, height, longest, tile, sizes @ ..] = row;
        let [
            first_width,
            first_height,
            second_width,
            second_height,
            rows,
            columns,
        ] = sizes;
        let expected = Grid {
            first_px: [first_height, first_width],
            second_px: [second_height, second_width],
            rows,
            columns,
        };
        let spec = split(longest, tile);
        assert_eq!(spec.grid([height, width]), expected, "{row:?}");
        // Not split, the first resize is the same.
        let whole = GridSpec {
            splits: false,
            ..spec
        };
        let expected = Grid {
            second_px: [tile, tile],
            rows: 0,
            columns: 0,
            ..expected
        };
        assert_eq!(whole.grid([height, width]), expected, "{row:?}");
        assert_eq!(expected.tiles(), 1);
    }
}

/// 2048 / (2048 / 93) is less than 93 in doubles: 92, where integers have 94.
#[test]
fn sides_are_truncated_in_doubles() {
    for (height, first) in [(93, 92), (95, 96), (99, 98), (101, 102)] {
        assert_eq!(
            split(2048, 512).grid([height, 2048]).first_px,
            [first, 2048]
        );
        assert_eq!(
            split(2048, 512).grid([2 * height, 4096]).first_px,
            [first, 2048]
        );
        // The other way round it is exact.
        let after = height.next_multiple_of(2);
        assert_eq!(
            split(2048, 512).grid([2048, height]).first_px,
            [2048, after]
        );
    }
}

#[test]
fn hostile_sizes_have_grids_too() {
    let grid = |spec: GridSpec, size| {
        let Grid {
            first_px,
            second_px,
            rows,
            columns,
        } = spec.grid(size);
        (first_px, second_px, [rows, columns])
    };
    let smolvlm = split(2048, 512);
    // Rounded to nothing: one pixel, one tile.
    let wide = ([1, 2048], [512, 2048], [1, 4]);
    for size in [[1, 60_000], [0, 60_000], [1, usize::MAX]] {
        assert_eq!(grid(smolvlm, size), wide);
    }
    let tall = ([2048, 1], [2048, 512], [4, 1]);
    for size in [[60_000, 1], [usize::MAX, 0]] {
        assert_eq!(grid(smolvlm, size), tall);
    }
    let square = ([2048, 2048], [2048, 2048], [4, 4]);
    for size in [[0, 0], [1, 1], [usize::MAX, usize::MAX]] {
        assert_eq!(grid(smolvlm, size), square);
    }
    // 1470 * (1 / 1470) is less than 1 in doubles; transformers resizes to no pixels and fails.
    let thin = ([1470, 1], [1470, 490], [3, 1]);
    assert_eq!(grid(split(1470, 490), [60_000, 1]), thin);
    // An odd L makes a square higher than wide.
    assert_eq!(grid(split(5, 4), [9, 9]), ([6, 5], [8, 8], [2, 2]));
    // Reduced to fit 4096, after the shorter side was made even: then it may be odd.
    let reduced = ([4096, 1365], [4096, 1536], [8, 3]);
    assert_eq!(grid(split(8192, 512), [300, 100]), reduced);
    let most = ([4096, 4096], [4096, 4096], [8, 8]);
    assert_eq!(grid(split(usize::MAX, 512), [3, 3]), most);
    // Specs without sense.
    assert_eq!(grid(split(0, 0), [2, 1]), ([1, 1], [1, 1], [0, 0]));
    assert_eq!(grid(split(1, 1), [0, 0]), ([2, 1], [2, 1], [2, 1]));
    let one = ([2048, 2048], [usize::MAX; 2], [0, 0]);
    assert_eq!(grid(split(2048, usize::MAX), [7, 7]), one);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn grids_keep_the_rules(
        height in side(), width in side(), half_longest in 1_usize..2048, tile in 16_usize..600,
    ) {
        let longest = 2 * half_longest;
        let grid = split(longest, tile).grid([height, width]);
        let longer = usize::from(width >= height);
        let [first, second] = [grid.first_px, grid.second_px];
        // The longer side is L, the other one even, or a single pixel.
        prop_assert_eq!(first[longer], longest);
        let other = first[1 - longer];
        prop_assert!(other <= longest && (other == 1 || other.is_multiple_of(2)));
        // Whole tiles, no more than are needed, as many on the longer side.
        prop_assert_eq!(second[longer], longest.next_multiple_of(tile));
        prop_assert!(second.iter().all(|side| *side > 0 && side.is_multiple_of(tile)));
        prop_assert!(second[1 - longer] <= second[longer]);
        // The other side is within the aspect ratio's pixel and a tile of what it would be.
        let exact = second[longer] as f64 * other as f64 / longest as f64;
        prop_assert!((second[1 - longer] as f64) > exact - 1.0 - 1e-6);
        prop_assert!((second[1 - longer] as f64) < exact + tile as f64 + 1e-6);
        // Rows and columns say the same as the size.
        let is_one = second == [tile, tile];
        let tiles = second.map(|side| if is_one { 0 } else { side / tile });
        prop_assert_eq!([grid.rows, grid.columns], tiles);
        prop_assert!(grid.tiles() <= longest.div_ceil(tile).pow(2) + 1);
        // Every pixel of the second picture is in exactly one tile.
        let pixels = second.map(|side| if is_one { 0 } else { side });
        let mut views: Vec<[usize; 2]> = grid.split_views().map(corner).collect();
        prop_assert!(views.is_sorted());
        views.dedup();
        prop_assert_eq!(views.len() * tile * tile, pixels[0] * pixels[1]);
        let is_inside = |[top, left]: &[usize; 2]| top + tile <= pixels[0] && left + tile <= pixels[1];
        prop_assert!(views.iter().all(is_inside));
        prop_assert!(views.as_flattened().iter().all(|side| side.is_multiple_of(tile)));
    }

    /// Where L is a power of two, doubles and integers agree, but for a shorter side that is a whole odd number: the
    /// double may be just below it, and then becomes the even number before it, not the one after it.
    #[test]
    fn grids_of_smolvlm_are_nearly_those_of_integers(height in side(), width in side()) {
        let grid = split(2048, 512).grid([height, width]);
        let [found, longer] = match width >= height {
            true => grid.first_px,
            false => [grid.first_px[1], grid.first_px[0]],
        };
        prop_assert_eq!(longer, 2048);
        let [shorter, longer] = [height.min(width), height.max(width)];
        let exact = 2048 * shorter / longer;
        let is_whole = (2048 * shorter).is_multiple_of(longer);
        let is_below = is_whole && found + 1 == exact;
        prop_assert!(found == exact.next_multiple_of(2).max(1) || is_below, "{found}, {exact}");
        let tiles = found.div_ceil(512);
        let tiles = if width >= height { [tiles, 4] } else { [4, tiles] };
        prop_assert_eq!([grid.rows, grid.columns], tiles);
        prop_assert_eq!(grid.second_px, tiles.map(|count| 512 * count));
    }
}

/// Small ones and large ones, of every magnitude.
fn side() -> impl Strategy<Value = usize> {
    (0..15_u32, any::<u32>()).prop_map(|(bits, value)| 1 + (value & ((1 << bits) - 1)) as usize)
}
