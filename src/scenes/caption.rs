//! A scene in one or two plain sentences, of which every scene has exactly one.
//!
//! Figures come by colour and those of one colour by shape, in the order of [`Colour::ALL`] and [`Shape::ALL`], with how
//! many there are of each; then the signs with their texts, by colour; then the chart. A model that describes must know
//! what it has told already and what comes next. A fixed order of what is told in words says both: whatever comes later
//! in it has not been told yet. For the same reason there is no "and" before the last, which would have to be known as the
//! last first.

use super::chart::Chart;
use super::layout::Scene;
use super::palette::{Colour, Shape};
use super::sign::Sign;
use super::wording::{named, number, with_article};

/// What is in the picture: the figures, the signs with their texts, the chart.
pub fn caption(scene: &Scene) -> String {
    let figures: Vec<String> = Colour::ALL
        .into_iter()
        .flat_map(|colour| Shape::ALL.map(|shape| (colour, shape)))
        .filter_map(|(colour, shape)| figures(scene, colour, shape))
        .collect();
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

/// "two red circles", "an orange star", if there are any.
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
