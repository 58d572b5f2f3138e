//! Captions, and what is right of a description.

use inf_llava_cli::evaluate::Descriptions;
use inf_llava_cli::scenes::{Colour, Scene, SceneOptions, Shape, Split, caption, judge, scene};

const SCENES: u64 = 300;

fn scenes(split: Split) -> impl Iterator<Item = Scene> {
    let options = SceneOptions {
        split,
        ..SceneOptions::default()
    };
    (0..SCENES).map(move |index| scene(21, index, &options))
}

#[test]
fn a_caption_tells_everything_once() {
    for scene in Split::ALL.into_iter().flat_map(scenes) {
        let text = caption(&scene);
        let verdict = judge(&text, &scene);
        assert!(verdict.is_right(), "{text}: {verdict:?}");
        assert_eq!(verdict.figures.there, scene.objects.len());
        assert_eq!(verdict.signs.there, scene.signs.len());
        assert_eq!(verdict.charts.there, usize::from(scene.chart.is_some()));
    }
}

/// What is told next is told by what was told last.
#[test]
fn figures_come_in_one_order() {
    for scene in scenes(Split::Train) {
        let text = caption(&scene);
        let figures = text.split(". ").next().unwrap();
        let figures = figures.strip_prefix("The picture shows ").unwrap();
        let kinds: Vec<(usize, usize)> = figures
            .trim_end_matches('.')
            .split(", ")
            .map(|figure| {
                let words: Vec<&str> = figure.split(' ').collect();
                let place = |is: &dyn Fn(&str) -> bool| words.iter().position(|word| is(word));
                let colour = Colour::ALL
                    .iter()
                    .position(|colour| place(&|word| word == colour.name()).is_some());
                let shape = Shape::ALL.iter().position(|shape| {
                    place(&|word| word == shape.name() || word == shape.plural()).is_some()
                });
                (colour.unwrap(), shape.unwrap())
            })
            .collect();
        assert!(kinds.is_sorted_by(|a, b| a < b), "{text}");
    }
}

#[test]
fn what_is_left_out_told_twice_or_otherwise_is_not_right() {
    for scene in scenes(Split::Test) {
        let text = caption(&scene);
        let (told, others) = text.split_once(". ").unwrap_or((&text, ""));
        let figures = told.strip_prefix("The picture shows ").unwrap();
        let first = figures.split(", ").next().unwrap();
        let twice = format!("The picture shows {first}, {figures}. {others}");
        let wrong = |text: &str| {
            let verdict = judge(text, &scene);
            assert!(!verdict.is_right(), "{text}");
            verdict
        };
        let verdict = wrong(&twice);
        assert!(verdict.figures.told > verdict.figures.there);
        assert_eq!(verdict.figures.right, verdict.figures.there);
        if let Some((_, rest)) = figures.split_once(", ") {
            let verdict = wrong(&format!("The picture shows {rest}. {others}"));
            assert!(verdict.figures.right < verdict.figures.there);
            assert_eq!(verdict.figures.right, verdict.figures.told);
        }
        for sign in &scene.signs {
            let verdict = wrong(&text.replace(&sign.text, "XYXY"));
            assert_eq!(verdict.signs.right + 1, verdict.signs.there);
            assert!(verdict.figures.is_right());
        }
        if let Some(chart) = &scene.chart {
            let other = if chart.bars.len() == 3 {
                "five"
            } else {
                "three"
            };
            let (before, _) = text.split_once("a chart with ").unwrap();
            assert!(
                !wrong(&format!("{before}a chart with {other} bars."))
                    .charts
                    .is_right()
            );
        }
        for nonsense in ["", "3", "Hello!", "The picture shows a dog."] {
            wrong(nonsense);
        }
    }
}

/// Models that learnt other captions are judged by what they say, not by how.
#[test]
fn order_places_and_connecting_words_are_free() {
    let options = SceneOptions::default();
    let mut scene = scene(21, 0, &options);
    scene.objects.truncate(2);
    scene.signs.truncate(1);
    scene.chart = None;
    let [a, b] = &mut scene.objects[..] else {
        panic!("two figures")
    };
    (a.colour, a.shape, a.centre) = (Colour::Red, Shape::Circle, [60.0, 60.0]);
    (b.colour, b.shape, b.centre) = (Colour::Red, Shape::Circle, [170.0, 280.0]);
    let (colour, sign) = (scene.signs[0].colour.name(), scene.signs[0].text.clone());
    let article = if ["orange"].contains(&colour) {
        "an"
    } else {
        "a"
    };
    for (told, is_right) in [
        ("two red circles", true),
        ("a red circle, a red circle", true),
        (
            "a red circle at the bottom and a red circle at the top left",
            true,
        ),
        ("a red circle at the top left and a red circle", true),
        (
            "a red circle at the top left and a red circle at the top left",
            false,
        ),
        (
            "a red circle at the top left and a red circle at the right",
            false,
        ),
        ("three red circles", false),
        ("a red circle", false),
        ("a red circle and a red ring", false),
    ] {
        for text in [
            format!(
                "In this picture you can see {told}, and {article} {colour} sign that says {sign}."
            ),
            format!("{told}. The picture also has {article} {colour} sign that says {sign}."),
        ] {
            assert_eq!(judge(&text, &scene).is_right(), is_right, "{text}");
        }
    }
}

#[test]
fn shares_are_of_descriptions_and_of_things() {
    let mut all = Descriptions::default();
    let scenes: Vec<Scene> = scenes(Split::Test).take(4).collect();
    for scene in &scenes[..3] {
        all.add(&judge(&caption(scene), scene));
    }
    all.add(&judge("no description", &scenes[3]));
    assert_eq!(
        (all.whole.correct, all.whole.count, all.not_understood),
        (3, 4, 1)
    );
    assert_eq!(all.figures.precision(), 1.0);
    let there = |scenes: &[Scene]| {
        scenes
            .iter()
            .map(|scene| scene.objects.len())
            .sum::<usize>()
    };
    let recall = there(&scenes[..3]) as f64 / there(&scenes) as f64;
    assert!((all.figures.recall() - recall).abs() < 1e-9);
    let json = serde_json::to_value(all).unwrap();
    assert_eq!((&json["right"], &json["count"]), (&0.75.into(), &4.into()));
    assert!(all.to_string().contains("75.0 % of 4"), "{all}");
}
