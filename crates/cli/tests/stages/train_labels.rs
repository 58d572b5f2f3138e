//! The tower's targets, against the scenes they are made from.

use inf_llava_cli::scenes::{Colour, Scene, SceneOptions, scene};
use inf_llava_cli::train::labels::{BAR_HEIGHTS, CHARACTERS, Labels, TOTALS, View, labels};
use inf_llava_cli::train::spelling::{CODE, code};

const SIDE: usize = 8;
const PATCH_PX: usize = 14;

/// The whole picture at stride 3, as the global crop in the middle sees it.
const WHOLE: View = View {
    origin_px: [1.0, 1.0],
    stride: 3.0,
    legible: false,
    crops: 1,
};

fn local(row: usize, column: usize) -> View {
    View {
        origin_px: [column as f32 * 112.0, row as f32 * 112.0],
        stride: 1.0,
        legible: true,
        crops: 1,
    }
}

fn scenes() -> impl Iterator<Item = Scene> {
    (0..200).map(|index| scene(11, index, &SceneOptions::default()))
}

fn seen(scene: &Scene, view: View) -> Labels {
    labels(scene, view, SIDE, PATCH_PX)
}

fn text(slots: &[usize]) -> String {
    let letters: Vec<char> = CHARACTERS.chars().collect();
    slots
        .iter()
        .filter(|&&s| s > 0)
        .map(|s| letters[s - 1])
        .collect()
}

#[test]
fn the_whole_view_has_every_figure_once() {
    let mut alike = 0;
    for scene in scenes() {
        let labels = seen(&scene, WHOLE);
        let found: Vec<(usize, usize)> = labels
            .shape
            .iter()
            .zip(&labels.colour)
            .filter_map(|(shape, colour)| Some((shape.checked_sub(1)?, (*colour)?)))
            .collect();
        for object in &scene.objects {
            assert!(found.contains(&(object.shape.index(), object.colour.index())));
        }
        alike += usize::from(found.len() == scene.objects.len());
        assert!(
            labels.text.iter().flatten().all(|slots| slots == &[0; 4]),
            "letters vanish at stride 3"
        );
    }
    // A centre on the edge between two windows may be in both, two in one window count once.
    assert!(alike > 180, "{alike} of 200");
}

#[test]
fn a_sign_is_read_in_its_crop_and_reaches_a_visual_token() {
    for scene in scenes() {
        for sign in &scene.signs {
            let [column, row] = sign.centre.map(|at| (at / 112.0) as usize);
            let labels = seen(&scene, local(row, column));
            // The map positions 3i + 1 become visual tokens.
            let reached = (0..SIDE * SIDE).any(|token| {
                let at = [row * SIDE + token / SIDE, column * SIDE + token % SIDE];
                let is_selected = at.iter().all(|at| at % 3 == 1);
                is_selected
                    && labels.sign[token] == 1 + sign.colour.index()
                    && labels.text[token].is_some_and(|slots| text(&slots) == sign.text)
            });
            assert!(reached, "{sign:?}");
        }
    }
}

#[test]
fn the_halves_of_a_line_of_patches_spell_the_sign() {
    let mut spelled = 0;
    let mut signs = 0;
    for scene in scenes() {
        for sign in scene.signs.iter().filter(|sign| sign.angle == 0.0) {
            let [column, row] = sign.centre.map(|at| (at / 112.0) as usize);
            let labels = seen(&scene, local(row, column));
            let line = ((sign.centre[1] - row as f32 * 112.0) / PATCH_PX as f32) as usize;
            let halves: Vec<usize> = (line * SIDE..(line + 1) * SIDE)
                .filter(|&token| labels.sign[token] == 1 + sign.colour.index())
                .flat_map(|token| [labels.halves[0][token], labels.halves[1][token]])
                .flatten()
                .collect();
            signs += 1;
            spelled += usize::from(text(&halves) == sign.text);
        }
    }
    // Two narrow letters may share a half.
    assert!(spelled * 10 > signs * 8, "{spelled} of {signs}");
}

#[test]
fn a_chart_tells_its_bars_heights_by_colour_and_only_where_it_is_whole() {
    let mut charts = 0;
    for scene in scenes() {
        let Some(chart) = &scene.chart else {
            assert!(seen(&scene, WHOLE).chart.iter().all(|&on| on == 0));
            continue;
        };
        charts += 1;
        let labels = seen(&scene, WHOLE);
        let heights = labels
            .bars
            .iter()
            .flatten()
            .next()
            .expect("a token on the chart");
        let height = |colour: Colour| heights[colour.index()];
        for a in &chart.bars {
            assert!((1..=BAR_HEIGHTS).contains(&height(a.colour)));
            for b in &chart.bars {
                assert_eq!(
                    height(a.colour).cmp(&height(b.colour)),
                    a.height_px().total_cmp(&b.height_px()),
                    "{chart:?}"
                );
            }
        }
        let standing = heights.iter().filter(|&&height| height > 0).count();
        assert_eq!(standing, chart.bars.len());
        for crop in 0..9 {
            let labels = seen(&scene, local(crop / 3, crop % 3));
            let [left, top] = [crop % 3, crop / 3].map(|at| at as f32 * 112.0);
            let is_whole = chart.left >= left
                && chart.top >= top
                && chart.right <= left + 112.0
                && chart.bottom <= top + 112.0;
            assert_eq!(labels.bars.iter().any(Option::is_some), is_whole);
        }
    }
    assert!(charts > 50);
}

#[test]
fn any_two_codes_differ_in_half_of_their_channels_or_in_all() {
    let codes: Vec<[f32; CODE]> = (1..=CHARACTERS.len()).map(code).collect();
    for (at, one) in codes.iter().enumerate() {
        assert!(one.iter().all(|channel| channel.abs() == 1.0));
        for other in &codes[..at] {
            let differ = one.iter().zip(other).filter(|(a, b)| a != b).count();
            assert!(differ == CODE / 2 || differ == CODE, "{one:?} {other:?}");
        }
    }
}

#[test]
fn a_figure_knows_how_many_are_like_it_where_the_picture_is_whole() {
    let (mut figures, mut high) = (0, 0);
    for scene in scenes() {
        let labels = seen(&scene, WHOLE);
        let totals = labels.totals.unwrap();
        assert_eq!(totals.iter().sum::<usize>(), 3 * scene.objects.len());
        for token in 0..SIDE * SIDE {
            let found = labels.shape[token].checked_sub(1).zip(labels.colour[token]);
            assert_eq!(labels.counts[token].is_some(), found.is_some());
            let (Some((shape, colour)), Some(counts)) = (found, labels.counts[token]) else {
                continue;
            };
            let of_colour = scene.objects.iter().filter(|o| o.colour.index() == colour);
            let of_shape = scene.objects.iter().filter(|o| o.shape.index() == shape);
            let wanted = [of_colour.count(), of_shape.count(), scene.objects.len(), 0];
            assert_eq!(counts, wanted);
            let of_shape = totals[Colour::ALL.len() + shape];
            assert_eq!([totals[colour], of_shape, totals[TOTALS - 1], 0], wanted);
            figures += 1;
            high += usize::from(wanted[0] > 2 || wanted[1] > 2);
        }
        for crop in 0..9 {
            let labels = seen(&scene, local(crop / 3, crop % 3));
            assert!(labels.totals.is_none() && labels.counts.iter().all(Option::is_none));
        }
    }
    assert!(figures > 600 && high > 150, "{figures} {high}");
}
