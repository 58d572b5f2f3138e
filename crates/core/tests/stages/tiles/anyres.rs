//! Tiles at the best of several sizes, against transformers. Their own rules are in `anyres_rules.rs`.

use inf_llava_core::Error;
use inf_llava_core::image::{AnyresViews, Filter, Picture, anyres};
use inf_llava_core::progress::StopFlag;
use inf_llava_core::spec::{Anyres, AnyresSpec, Merge, Padding, TokenMap};
use serde_json::{Value, json};

use super::family::{Compared, Fixture, Sizes, cut};
use super::size;
use crate::image::{pattern, sha256};

/// As in transformers, without a limit.
pub fn spec(view_px: usize, pinpoints: Vec<[usize; 2]>) -> AnyresSpec {
    AnyresSpec {
        view_px,
        pinpoints,
        most: None,
        rounds: true,
        merge: Merge::SpatialUnpad,
        several: None,
    }
}

/// LLaVA-NeXT's pinpoints.
fn next(view_px: usize) -> AnyresSpec {
    let tiles = [[1, 2], [2, 1], [2, 2], [3, 1], [1, 3]];
    spec(
        view_px,
        tiles.map(|tiles| tiles.map(|count| count * view_px)).into(),
    )
}

/// LLaVA-OneVision's.
fn onevision(view_px: usize) -> AnyresSpec {
    let rows = (1..=6).flat_map(|rows| (1..=6).map(move |columns| [rows, columns]));
    let pinpoints = rows.map(|tiles| tiles.map(|count| count * view_px));
    AnyresSpec {
        most: Some(9),
        ..spec(view_px, pinpoints.collect())
    }
}

/// The views of a picture, `[views, P, P, 3]`.
fn views_u8(picture: &Picture, view_px: usize, sizes: &Anyres, filter: Filter) -> Vec<u8> {
    let found = anyres(picture, sizes, view_px, filter, &StopFlag::default());
    let AnyresViews { base, tiles } = found.expect("views");
    assert_eq!([base.height, base.width], [view_px; 2]);
    assert_eq!(tiles.is_none(), sizes.is_base_tile);
    let mut views = base.rgb;
    match tiles {
        Some(canvas) => views.extend(cut(&canvas, sizes.tile_views(), view_px)),
        // The same again.
        None => views.extend(views.clone()),
    }
    views
}

/// A fixture's settings. The original layout has width before height, and an order of its own.
fn fixture_spec(fixture: &Fixture) -> (AnyresSpec, usize) {
    let [view_px, tokens_per_side] = fixture.view();
    let is_original = fixture.settings["image_grid_pinpoints"].is_null();
    let pinpoints = match is_original {
        true => &fixture.config["image_grid_pinpoints"],
        false => &fixture.settings["image_grid_pinpoints"],
    };
    let pair = |pair: &Value| match is_original {
        true => [size(&pair[1]), size(&pair[0])],
        false => [size(&pair[0]), size(&pair[1])],
    };
    let pinpoints = pinpoints.as_array().expect("pinpoints").iter().map(pair);
    let most = fixture.config["vision_aspect_ratio"].as_str();
    let most = most.and_then(|most| most.strip_prefix("anyres_max_"));
    let spec = AnyresSpec {
        most: most.map(|most| most.parse().expect("a number")),
        rounds: !is_original,
        ..spec(view_px, pinpoints.collect())
    };
    assert_eq!(spec.check(), Ok(()));
    (spec, tokens_per_side)
}

fn compare(name: &str) -> Compared {
    let fixture = Fixture::new(name);
    let (spec, tokens_per_side) = fixture_spec(&fixture);
    let mut compared = Compared::default();
    for (index, image) in fixture.images.iter().enumerate() {
        if image["treatment"] != "anyres" {
            continue;
        }
        let picture = &fixture.pictures(image)[0];
        let found = spec.anyres([picture.height, picture.width], tokens_per_side);
        let found = found.expect("tiles");
        let Padding {
            top,
            bottom,
            left,
            right,
        } = found.padding;
        let (rows, columns) = (&found.kept_rows, &found.kept_columns);
        let geometry = json!({
            "best_resolution": found.best_px,
            "tiles": found.tiles,
            "resized": found.resized_px,
            "padding": [top, bottom, left, right],
            "unpad": [rows.start, rows.end, columns.start, columns.end],
            "kept": [rows.len(), columns.len()],
            "shrunk": found.shrunk,
            "num_tokens": found.tokens(),
            "newlines": found.newlines().collect::<Vec<_>>(),
        });
        for (key, value) in geometry.as_object().expect("keys") {
            assert_eq!(&image[key], value, "{name}, {index}: {key}");
        }
        let views = views_u8(picture, spec.view_px, &found, fixture.filter());
        fixture.compare(index, &views, &mut compared);
    }
    compared
}

#[test]
fn the_views_of_llava_next_equal_transformers_in_every_byte() {
    for (name, images, tensors) in [
        ("llava-next-clip-mistral", 3, 4),
        ("llava-next-clip-mistral-window", 2, 4),
        ("llava-next-clip-llama", 3, 4),
    ] {
        assert_eq!(compare(name), Compared { images, tensors }, "{name}");
    }
}

#[test]
fn the_views_of_onevision_equal_transformers_in_every_byte() {
    let compared = compare("llava-onevision-siglip-qwen2");
    let all = Compared {
        images: 4,
        tensors: 4,
    };
    assert_eq!(compared, all);
}

#[test]
fn the_views_of_the_original_layout_equal_its_own() {
    let compared = compare("llava-next-original");
    let all = Compared {
        images: 3,
        tensors: 4,
    };
    assert_eq!(compared, all);
}

#[test]
fn tiles_of_the_pattern_equal_transformers_in_every_byte() {
    let sizes = Sizes::read();
    let mut compared = 0;
    for (treatment, spec) in [("next", next(56)), ("onevision", onevision(48))] {
        for (view_px, _, filter, size_px, hash) in sizes.views(treatment) {
            assert_eq!(view_px, spec.view_px);
            let found = spec.anyres(size_px, 4).expect("tiles");
            let picture = pattern(size_px[1], size_px[0]);
            let views = views_u8(&picture, view_px, &found, filter);
            assert_eq!(sha256(&views), hash, "{treatment}, {size_px:?}, {filter:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 32);
}

#[test]
fn sizes_and_tokens_equal_transformers() {
    let Sizes {
        specs,
        columns,
        tiles,
        ..
    } = Sizes::read();
    let names = "spec height width best_height best_width resized_height resized_width top left tokens newlines tokens_unrounded newlines_unrounded";
    assert_eq!(columns.join(" "), names);
    assert_eq!(tiles.len(), 1800);
    let (mut refused, mut shrunk, mut rounded) = (0, 0, 0);
    for row in tiles {
        let [index, height, width, rest @ ..] = row;
        let of = &specs[index];
        let spec = AnyresSpec {
            most: of.most,
            ..spec(of.view_px, of.pinpoints.clone())
        };
        assert_eq!(spec.check(), Ok(()));
        let unrounded = AnyresSpec {
            rounds: false,
            ..spec.clone()
        };
        let both = [&spec, &unrounded].map(|s| s.anyres([height, width], of.tokens_per_side));
        if rest == [0; 10] {
            let error = both[0].clone().expect_err("refused");
            assert_eq!(error.code(), "image-shape");
            let told = error.to_string();
            assert!(told.contains(&format!("{width} x {height}")), "{told}");
            refused += 1;
            continue;
        }
        let [found, unrounded] = both.map(|found| found.expect("tiles"));
        let Anyres {
            best_px: [a, b],
            resized_px: [c, d],
            padding: Padding { top, left, .. },
            ..
        } = found;
        let counts = |found: &Anyres| [found.tokens(), found.newlines().count()];
        let ([e, f], [g, h]) = (counts(&found), counts(&unrounded));
        assert_eq!([a, b, c, d, top, left, e, f, g, h], rest, "{row:?}");
        shrunk += usize::from(found.shrunk.is_some());
        rounded += usize::from([e, f] != [g, h]);
    }
    assert_eq!((refused, rounded, shrunk), (99, 228, 281));
}

/// Sizes that people know, at the released models' settings: the map before and after it is shrunk, tokens, passes.
#[test]
fn known_sizes_have_known_tokens() {
    type Known = (
        [usize; 2],
        [usize; 2],
        [usize; 2],
        Option<[usize; 2]>,
        usize,
        usize,
    );
    let clip: [Known; 6] = [
        ([336, 336], [336, 672], [24, 24], None, 1176, 3),
        ([7, 7], [336, 672], [24, 24], None, 1176, 3),
        ([480, 640], [672, 672], [36, 48], None, 2340, 5),
        ([1080, 1920], [672, 672], [28, 48], None, 1948, 5),
        ([3000, 4000], [672, 672], [36, 48], None, 2340, 5),
        ([672, 672], [672, 672], [48, 48], None, 2928, 5),
    ];
    let siglip: [Known; 6] = [
        ([384, 384], [384, 384], [27, 27], None, 1485, 1),
        ([7, 7], [384, 384], [27, 27], None, 1485, 1),
        ([480, 640], [768, 768], [40, 54], None, 2929, 5),
        (
            [1080, 1920],
            [1152, 1920],
            [75, 135],
            Some([60, 108]),
            7269,
            16,
        ),
        (
            [3000, 4000],
            [1920, 2304],
            [121, 162],
            Some([70, 93]),
            7309,
            31,
        ),
        ([1394, 1152], [1536, 1152], [98, 81], None, 8765, 13),
    ];
    for (spec, side, known) in [(next(336), 24, clip), (onevision(384), 27, siglip)] {
        for (size_px, best_px, kept, shrunk, tokens, passes) in known {
            let found = spec.anyres(size_px, side).expect("tiles");
            assert_eq!(found.best_px, best_px, "{size_px:?}");
            assert_eq!([found.kept_rows.len(), found.kept_columns.len()], kept);
            assert_eq!(found.shrunk, shrunk);
            assert_eq!((found.tokens(), found.passes()), (tokens, passes));
        }
    }
    let largest = next(336).largest(24);
    assert_eq!((largest.tokens, largest.passes), (2928, 5));
    assert_eq!(largest.size_px, [672, 672]);
    let largest = onevision(384).largest(27);
    assert_eq!((largest.tokens, largest.passes), (8765, 37));
    assert_eq!(largest.size_px, [2304, 2304]);
}

#[test]
fn the_base_view_is_the_tile_of_a_square() {
    let spec = onevision(48);
    for (size_px, is_one) in [([48, 48], true), ([20, 20], true), ([48, 49], false)] {
        let found = spec.anyres(size_px, 3).expect("tiles");
        assert_eq!(found.is_base_tile, is_one, "{size_px:?}");
        assert_eq!(
            found.passes(),
            if is_one {
                1
            } else {
                1 + found.tiles[0] * found.tiles[1]
            }
        );
        let map = found.token_map().expect("a map");
        let expected = TokenMap {
            tiles: found.tiles,
            rows: found.kept_rows.clone(),
            columns: found.kept_columns.clone(),
            shrunk: None,
            first_tile: usize::from(!is_one),
        };
        assert_eq!(map, expected);
        assert_eq!(found.tile_views().count() + 1, found.passes());
    }
    // Nearly a square: no pixel of padding is left, though a row of the map may be.
    let found = spec.anyres([800, 801], 3).expect("tiles");
    assert!(!found.is_base_tile);
    let small = AnyresSpec {
        pinpoints: vec![[48, 48]],
        ..spec.clone()
    };
    let found = small.anyres([800, 801], 3).expect("tiles");
    assert_eq!(found.resized_px, [48, 48]);
    assert!(found.is_base_tile);
    let views = views_u8(&pattern(801, 800), 48, &found, Filter::Bicubic);
    let (base, tile) = views.split_at(48 * 48 * 3);
    assert!(base == tile);
    // What is bound to have most passes is no square then.
    let largest = small.largest(3);
    assert_eq!(largest.passes, 2);
    assert_eq!(small.anyres(largest.size_px, 3).expect("tiles").passes(), 2);
}

#[test]
fn flat_views_follow_one_another() {
    let spec = AnyresSpec {
        merge: Merge::Flat,
        ..onevision(48)
    };
    for (size_px, passes) in [
        ([48, 48], 2),
        ([96, 144], 7),
        ([30, 90], 3),
        ([240, 240], 26),
    ] {
        let found = spec.anyres(size_px, 3).expect("tiles");
        let tokens = passes * 9;
        assert_eq!(
            (found.passes(), found.tokens()),
            (passes, tokens),
            "{size_px:?}"
        );
        assert_eq!(found.newlines().count(), 0);
        assert_eq!((found.token_map(), found.shrunk), (None, None));
        assert!(!found.is_base_tile);
    }
    let largest = spec.largest(3);
    assert_eq!((largest.tokens, largest.passes), (37 * 9, 37));
}

/// A picture so wide that its pixels fill a row of the canvas, but no row of the map: the base view alone is left.
#[test]
fn a_narrow_picture_may_keep_no_row_of_tokens() {
    let found = next(336).anyres([10, 3000], 24).expect("tiles");
    assert_eq!(found.resized_px, [4, 1008]);
    assert_eq!(
        (found.kept_rows.clone(), found.kept_columns.clone()),
        (12..12, 0..72)
    );
    assert_eq!((found.tokens(), found.newlines().count()), (576, 0));
    let refused = next(336).anyres([1, 3000], 24).expect_err("a sliver");
    let sliver = |error: &Error| {
        matches!(
            error,
            Error::ImageShape {
                height: 1,
                width: 3000,
                ..
            }
        )
    };
    assert!(sliver(&refused), "{refused}");
}

#[test]
fn specs_without_sense_are_refused() {
    let refused = |pinpoints: &[[usize; 2]], view_px| {
        let refused = spec(view_px, pinpoints.into()).check();
        refused.expect_err("refused")
    };
    assert!(refused(&[], 56).contains("0 sizes"));
    assert!(refused(&[[56, 56]; 1025], 56).contains("1025 sizes"));
    for pinpoint in [[0, 56], [56, 0], [55, 56], [56, 57], [usize::MAX, 56]] {
        let [height, width] = pinpoint;
        let told = refused(&[[56, 56], pinpoint], 56);
        assert!(told.contains(&format!("{height} x {width}")), "{told}");
    }
    assert!(refused(&[[56, 56]], 0).contains("0 pixels"));
    assert!(refused(&[[usize::MAX, usize::MAX]], 1).contains("more than 1024 tiles"));
    assert_eq!(spec(56, vec![[32 * 56; 2]; 1024]).check(), Ok(()));
    let none = AnyresSpec {
        most: Some(0),
        ..next(56)
    };
    assert!(none.check().is_err());
    let no_pixels = next(56).anyres([0, 9], 4).expect_err("refused");
    assert_eq!(no_pixels.code(), "image-shape");
}

#[test]
fn canvases_beyond_the_limits_are_refused() {
    let spec = spec(336, vec![[336 * 32, 336 * 32]]);
    assert_eq!(spec.check(), Ok(()));
    let stop = StopFlag::default();
    let found = spec.anyres([3, 3], 24).expect("tiles");
    let picture = pattern(3, 3);
    let refused = anyres(&picture, &found, 336, Filter::Bicubic, &stop).expect_err("refused");
    assert_eq!(refused.code(), "image-too-large");
    let none = anyres(&picture, &found, 0, Filter::Bicubic, &stop).expect_err("refused");
    assert_eq!(none.code(), "image-damaged");
    stop.stop();
    let stopped = anyres(&picture, &found, 336, Filter::Bicubic, &stop);
    assert_eq!(stopped, Err(Error::Stopped));
}
