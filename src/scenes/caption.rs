//! A scene in one or two plain sentences.

use rand_chacha::ChaCha8Rng;

use super::chart::{Bar, Chart};
use super::dice;
use super::layout::{Object, Scene};
use super::wording::{named, number, with_article};

/// How a caption is asked for.
pub const REQUESTS: [&str; 3] = [
    "Describe the picture.",
    "What is in the picture?",
    "What can you see?",
];

/// How far a figure's middle must be from the picture's to be on one side of it, px.
const MIDDLE_PX: f32 = 28.0;

/// What is in the picture: the figures, in half of the captions each with its place, the signs with their texts,
/// the chart; in random order.
pub fn caption(scene: &Scene, rng: &mut ChaCha8Rng) -> String {
    let mut things = match dice::chance(rng, 0.5) {
        true => scene.objects.iter().map(|o| placed(scene, o)).collect(),
        false => figures(scene),
    };
    dice::shuffle(rng, &mut things);
    let mut signs: Vec<String> = scene
        .signs
        .iter()
        .map(|sign| {
            let noun = with_article(&format!("{} sign", sign.colour.name()));
            format!("{noun} that says {}", sign.text)
        })
        .collect();
    dice::shuffle(rng, &mut signs);
    if let Some(chart) = &scene.chart {
        signs.push(bars(chart, rng));
    }
    let way = dice::below(rng, 3);
    if things.is_empty() || signs.is_empty() {
        things.append(&mut signs);
        return match things.is_empty() {
            true => "The picture is empty.".to_string(),
            false => format!("The picture shows {}.", list(&things)),
        };
    }
    match way {
        0 => format!(
            "The picture shows {}. It also has {}.",
            list(&things),
            list(&signs)
        ),
        1 => format!(
            "In this picture you can see {}, and {}.",
            list(&things),
            list(&signs)
        ),
        _ => format!(
            "{}. The picture also has {}.",
            capital(&list(&things)),
            list(&signs)
        ),
    }
}

/// "a red circle at the top left".
fn placed(scene: &Scene, object: &Object) -> String {
    let side = |axis: usize, [low, high]: [&'static str; 2]| {
        let from_middle = object.centre[axis] - scene.side_px as f32 / 2.0;
        match from_middle {
            _ if from_middle.abs() < MIDDLE_PX => None,
            _ if from_middle < 0.0 => Some(low),
            _ => Some(high),
        }
    };
    let sides = [side(1, ["top", "bottom"]), side(0, ["left", "right"])];
    let sides: Vec<&str> = sides.into_iter().flatten().collect();
    let place = match sides.is_empty() {
        true => "in the middle".to_string(),
        false => format!("at the {}", sides.join(" ")),
    };
    format!(
        "{} {place}",
        with_article(&named(object.colour, object.shape))
    )
}

/// "a chart with four bars", and in half of the captions which is the tallest and the shortest.
fn bars(chart: &Chart, rng: &mut ChaCha8Rng) -> String {
    let text = format!("a chart with {} bars", number(chart.bars.len()));
    let by_height = |a: &&Bar, b: &&Bar| a.height_px().total_cmp(&b.height_px());
    let (tallest, shortest) = (
        chart.bars.iter().max_by(by_height),
        chart.bars.iter().min_by(by_height),
    );
    match (tallest, shortest) {
        (Some(tallest), Some(shortest)) if dice::chance(rng, 0.5) => format!(
            "{text}, the tallest {} and the shortest {}",
            tallest.colour.name(),
            shortest.colour.name()
        ),
        _ => text,
    }
}

/// "two red circles", "an orange star": one entry for each colour and shape that is there.
fn figures(scene: &Scene) -> Vec<String> {
    let mut pairs: Vec<(_, usize)> = Vec::new();
    for object in &scene.objects {
        let pair = (object.colour, object.shape);
        match pairs.iter_mut().find(|(other, _)| *other == pair) {
            Some((_, count)) => *count += 1,
            None => pairs.push((pair, 1)),
        }
    }
    let describe = |((colour, shape), count)| match count {
        1 => with_article(&named(colour, shape)),
        _ => format!("{} {} {}", number(count), colour.name(), shape.plural()),
    };
    pairs.into_iter().map(describe).collect()
}

/// "a, b and c".
fn list(things: &[String]) -> String {
    match things {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
