//! Pictures to tiles: the resize, against Pillow; the grid, against transformers.

use inf_llava_core::Error;
use inf_llava_core::image::{Filter, Picture, resize};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::spec::{Grid, GridSpec, View};
use proptest::prelude::*;
use serde::Deserialize;

use crate::image::{pattern, sha256};

/// `smolvlm-sizes.json`.
#[derive(Deserialize)]
struct Sizes {
    columns: [String; 10],
    rows: Vec<[usize; 10]>,
}

/// L, T, and pictures are split.
fn split(longest_px: usize, tile_px: usize) -> GridSpec {
    GridSpec {
        longest_px,
        tile_px,
        splits: true,
    }
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

/// `[height, width]` before and after, and the sha256 of [`pattern`] resized by Pillow 12.2.0: BICUBIC, LANCZOS. The
/// last four are near the rule for tall pictures: the height is 100 times the width and no more, more and shrinks, more
/// and grows; Pillow's other order of the passes has other bytes for each.
const GOLDEN: [([usize; 2], [usize; 2], [&str; 2]); 11] = [
    (
        [4, 5],
        [100, 168],
        [
            "eb19d94262836fc8a4aba1bde4d11dcd287390f0c16932cb4f34d5ff83243805",
            "2178990729f5868db670174343b50d732aed3496fbd78587a234343d8fdc76ee",
        ],
    ),
    (
        [480, 640],
        [77, 100],
        [
            "49950069fbf7bd3464622f93b2acc9ec2b8e7ae1df05c34f537c1a48517b7bbe",
            "e3f709b4b607a5b915685417ce67b6fb97eb0ea3688b0bb373676516a5c7fd3a",
        ],
    ),
    (
        [20, 300],
        [200, 50],
        [
            "299f033ee47157ebab087c885cc2a642d2daf75f2b080da22a9930eb9cad831d",
            "59500415450914e31d6d2a1bb6af527bc0a92030f13915647fa723894e3d762b",
        ],
    ),
    (
        [56, 57],
        [20, 57],
        [
            "d2b4e547b1c705d0913862cd60988881c2bb10d2925a1d318a8da80034ff8529",
            "dbcaa3832d5beb133e58bf4febce4e7125bbf05b919c0c8739b17af317900304",
        ],
    ),
    (
        [56, 57],
        [56, 20],
        [
            "acb13fe82d2fbaa3c6b48b68ea670e0c196cf36c11fc5483e750560a3f2c896c",
            "e1f504c392dcfd2c9a4ba33a4e16a131ecd8e77b4409588059201b365be16ea2",
        ],
    ),
    (
        [1, 1],
        [3, 7],
        [
            "e36fc1a81144b42b1d70a2a389a1988929c6fcf31bcf639c4853d36882ed67a8",
            "e36fc1a81144b42b1d70a2a389a1988929c6fcf31bcf639c4853d36882ed67a8",
        ],
    ),
    (
        [800, 1201],
        [1364, 2048],
        [
            "f9947cb80dbff36635cef78ce406e7ccfcf72d06b9641319a390c76392ba3f10",
            "d709905b3c06b75c9102bd910fa89e9470b0be379dd5af59d98cabd2856f95a7",
        ],
    ),
    (
        [2000, 20],
        [1999, 30],
        [
            "9efb1fb6a38d7467cdca354d3c94c33bebe9c86719e52820184d0c2d066e59b9",
            "7adf11cea9f518927277aa7f90954c8f31ec8f52957bbe7d269c43a93fa52da2",
        ],
    ),
    (
        [2001, 20],
        [1900, 30],
        [
            "58cce8f0ce1ca849f206a21593dc56391b91da3c527db8fc2de202df29993b54",
            "0e170efe7be072098f47b43910595111c5fb7cf965120e630858c8c19a6b4f74",
        ],
    ),
    (
        [800, 7],
        [64, 40],
        [
            "14129e339f92695645bb2d54553f2ab3453fdc308a7fa15f726331c795500257",
            "2694ef4b2053bd80d1c0d89a6509a4adade8588c95934cec3ea2e9e53a2d9d99",
        ],
    ),
    (
        [300, 2],
        [400, 7],
        [
            "7fa047d01984d77f7cd51b9fb25a9abb2b9d5b8f7e75c023e844955f669f0f62",
            "37f92089aa34a27b00001446d9cd8d4647c884c101fb0f8fe44f00e6f67378b4",
        ],
    ),
];

#[test]
fn whole_pictures_equal_pillow() {
    for ([height, width], to, hashes) in GOLDEN {
        for (filter, hash) in [Filter::Bicubic, Filter::Lanczos].into_iter().zip(hashes) {
            let resized = resize(&pattern(width, height), to, filter, &StopFlag::default());
            let resized = resized.expect("resized");
            assert_eq!([resized.height, resized.width], to);
            let found = sha256(&resized.rgb);
            assert_eq!(found, hash, "{height} x {width} to {to:?}, {filter:?}");
        }
    }
}

#[test]
fn what_cannot_be_resized_is_refused() {
    let to = |picture: &Picture, size| {
        let error = resize(picture, size, Filter::Lanczos, &StopFlag::default());
        error.expect_err("refused").code()
    };
    let picture = pattern(4, 3);
    assert_eq!(to(&picture, [0, 4]), "image-damaged");
    assert_eq!(to(&picture, [4, 0]), "image-damaged");
    assert_eq!(to(&picture, [usize::MAX, 4]), "image-too-large");
    assert_eq!(to(&picture, [1 << 14, 1 << 14]), "image-too-large");
    // Neither before nor after, but between the passes.
    assert_eq!(to(&pattern(200, 16_384), [1, 16_384]), "image-too-large");

    let damaged = |width, height, bytes| Picture {
        width,
        height,
        rgb: vec![0; bytes],
        notices: Vec::new(),
    };
    for (width, height, bytes) in [(0, 0, 0), (4, 3, 35), (4, 3, 37), (usize::MAX, 3, 9)] {
        assert_eq!(to(&damaged(width, height, bytes), [4, 4]), "image-damaged");
    }
    let stop = StopFlag::default();
    stop.stop();
    for size in [[3, 9], [9, 4]] {
        let stopped = resize(&picture, size, Filter::Lanczos, &stop);
        assert_eq!(stopped, Err(Error::Stopped));
    }
}

#[test]
fn a_picture_that_keeps_its_size_keeps_its_bytes() {
    let mut picture = pattern(5, 4);
    picture.notices.push("it was animated".into());
    let same = resize(&picture, [4, 5], Filter::Bicubic, &StopFlag::default()).expect("resized");
    assert_eq!(same.rgb, picture.rgb);
    assert!(same.notices.is_empty());
}

proptest! {
    /// Black and white next to one another make the largest sums, positive and negative.
    #[test]
    fn no_small_picture_upsets_a_resize(
        width in 1_usize..40, height in 1_usize..300, to in [1_usize..60, 1_usize..60],
        bits in proptest::collection::vec(any::<bool>(), 40), colour in any::<[u8; 3]>(),
    ) {
        let black_or_white = |(index, byte): (usize, &mut u8)| {
            *byte = 255 * u8::from(bits[index % 37] ^ bits[index / 37 % 40]);
        };
        let mut picture = pattern(width, height);
        picture.rgb.iter_mut().enumerate().for_each(black_or_white);
        for filter in [Filter::Bicubic, Filter::Lanczos] {
            let resized = resize(&picture, to, filter, &StopFlag::default()).expect("resized");
            prop_assert_eq!(resized.rgb.len(), to[0] * to[1] * 3);
            // One colour remains itself.
            let plain = Picture { rgb: colour.repeat(width * height), ..picture.clone() };
            let resized = resize(&plain, to, filter, &StopFlag::default()).expect("resized");
            prop_assert_eq!(resized.rgb, colour.repeat(to[0] * to[1]));
        }
    }
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

/// `[top, left]`.
fn corner(view: View) -> [usize; 2] {
    match view {
        View::Pixels { top, left, step: 1 } => [top, left],
        other => panic!("{other:?} is no tile"),
    }
}
