//! A scene in one or two plain sentences.

use rand_chacha::ChaCha8Rng;

use super::dice;
use super::layout::Scene;
use super::wording::{named, number, with_article};

/// How a caption is asked for.
pub const REQUESTS: [&str; 3] = [
    "Describe the picture.",
    "What is in the picture?",
    "What can you see?",
];

/// What is in the picture: the figures, the signs with their texts, the chart; in random order.
pub fn caption(scene: &Scene, rng: &mut ChaCha8Rng) -> String {
    let mut things = figures(scene);
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
        signs.push(format!("a chart with {} bars", number(chart.bars.len())));
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
