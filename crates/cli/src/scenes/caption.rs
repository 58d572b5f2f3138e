//! A scene described in one or two plain sentences; every scene has exactly one such description.
//!
//! Figures are listed with their counts, by colour and then by shape, in the order of
//! [`Colour::ALL`] and [`Shape::ALL`]; then the signs with their texts, by colour; then the chart.
//! A model that writes a description must know what it has mentioned and what comes next; with a
//! fixed order the last words mentioned determine both. For the same reason there is no "and"
//! before the last item, which the model would have to recognize in advance as the last one.

use super::chart::Chart;
use super::description::MIDDLE_PX;
use super::layout::{Object, Scene};
use super::palette::{Colour, Shape};
use super::sign::Sign;
use super::wording::{named, number, with_article};

/// The description: the figures, the signs with their texts, the chart.
pub fn caption(scene: &Scene) -> String {
    let figures: Vec<String> = Colour::ALL
        .into_iter()
        .flat_map(|colour| Shape::ALL.map(|shape| (colour, shape)))
        .filter_map(|(colour, shape)| figures(scene, colour, shape))
        .collect();
    told(&figures, scene)
}

/// An alternative text for people who cannot see the picture: every figure with its place, in
/// reading order.
pub(super) fn alt(scene: &Scene) -> String {
    let mut objects: Vec<&Object> = scene.objects.iter().collect();
    objects.sort_by(|a, b| {
        let line = |object: &Object| (object.centre[1] * LINES / scene.side_px as f32).floor();
        let by_line = line(a).total_cmp(&line(b));
        by_line.then(a.centre[0].total_cmp(&b.centre[0]))
    });
    let figures: Vec<String> = objects
        .into_iter()
        .map(|object| {
            let noun = with_article(&named(object.colour, object.shape));
            format!("{noun} {}", place(scene, object))
        })
        .collect();
    told(&figures, scene)
}

/// Number of rows into which a picture is divided for the reading order.
const LINES: f32 = 8.0;

/// "at the top left", "at the right", "in the middle".
fn place(scene: &Scene, object: &Object) -> String {
    let side = |axis: usize, [low, high]: [&'static str; 2]| {
        let from_middle = object.centre[axis] - scene.side_px as f32 / 2.0;
        match from_middle {
            _ if from_middle < -MIDDLE_PX => Some(low),
            _ if from_middle >= MIDDLE_PX => Some(high),
            _ => None,
        }
    };
    let sides = [side(1, ["top", "bottom"]), side(0, ["left", "right"])];
    let sides: Vec<&str> = sides.into_iter().flatten().collect();
    match sides.is_empty() {
        true => "in the middle".to_string(),
        false => format!("at the {}", sides.join(" ")),
    }
}

/// The sentences: figures in the first, signs and the chart in the second.
fn told(figures: &[String], scene: &Scene) -> String {
    let mut signs: Vec<&Sign> = scene.signs.iter().collect();
    signs.sort_by_key(|sign| (sign.colour.index(), &sign.text));
    let others: Vec<String> = signs
        .into_iter()
        .map(told_sign)
        .chain(scene.chart.iter().map(told_chart))
        .collect();
    match (figures.is_empty(), others.is_empty()) {
        (true, true) => "The picture is empty.".to_string(),
        (false, true) => format!("The picture shows {}.", figures.join(", ")),
        (true, false) => format!("The picture has {}.", others.join(", ")),
        (false, false) => format!(
            "The picture shows {}. It also has {}.",
            figures.join(", "),
            others.join(", ")
        ),
    }
}

/// "two red circles", "an orange star"; `None` if there are none.
fn figures(scene: &Scene, colour: Colour, shape: Shape) -> Option<String> {
    let alike = scene.objects.iter();
    let alike = alike.filter(|object| (object.colour, object.shape) == (colour, shape));
    match alike.count() {
        0 => None,
        1 => Some(with_article(&named(colour, shape))),
        count => Some(format!(
            "{} {} {}",
            number(count),
            colour.name(),
            shape.plural()
        )),
    }
}

/// "a red sign that says QH9V".
fn told_sign(sign: &Sign) -> String {
    let noun = with_article(&format!("{} sign", sign.colour.name()));
    format!("{noun} that says {}", sign.text)
}

/// "a chart with four bars".
fn told_chart(chart: &Chart) -> String {
    format!("a chart with {} bars", number(chart.bars.len()))
}
