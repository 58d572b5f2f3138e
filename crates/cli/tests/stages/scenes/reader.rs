//! Answers a question about a scene from its words alone, by looking at everything. It shares no
//! code with the questions' making, and fails where a question has more than one answer.

use inf_llava_cli::scenes::{Colour, Object, Scene, Shape};

/// Lower-case words without punctuation.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| {
            word.trim_matches(|c: char| !c.is_alphabetic())
                .to_lowercase()
        })
        .collect()
}

fn colour(word: &str) -> Option<Colour> {
    Colour::ALL.into_iter().find(|colour| colour.name() == word)
}

fn shape(word: &str) -> Option<Shape> {
    let is = |shape: &Shape| shape.name() == word || shape.plural() == word;
    Shape::ALL.into_iter().find(is)
}

/// Each colour that is followed by a shape.
pub fn pairs(text: &str) -> Vec<(Colour, Shape)> {
    words(text)
        .windows(2)
        .filter_map(|two| Some((colour(&two[0])?, shape(&two[1])?)))
        .collect()
}

fn the_only<T>(items: impl IntoIterator<Item = T>, text: &str) -> T {
    let mut items = items.into_iter();
    let first = items
        .next()
        .unwrap_or_else(|| panic!("nothing is meant by {text}"));
    assert!(items.next().is_none(), "two things are meant by {text}");
    first
}

/// The end of the list sorted by `key`, with `margin` to the next.
fn least<'a, T>(items: &'a [T], key: impl Fn(&T) -> f32, margin: f32, text: &str) -> &'a T {
    let mut sorted: Vec<&T> = items.iter().collect();
    sorted.sort_by(|a, b| key(a).total_cmp(&key(b)));
    let clear = sorted.len() < 2 || key(sorted[1]) - key(sorted[0]) >= margin;
    assert!(clear, "too close: {text}");
    sorted[0]
}

fn yes(is: bool) -> String {
    if is { "yes".into() } else { "no".into() }
}

/// The answer to `text`.
pub fn answer(scene: &Scene, text: &str) -> String {
    let words = words(text);
    let has = |word: &str| words.iter().any(|w| w == word);
    let colours: Vec<Colour> = words.iter().filter_map(|w| colour(w)).collect();
    let shapes: Vec<Shape> = words.iter().filter_map(|w| shape(w)).collect();
    let pairs = pairs(text);
    let the = |(c, s): (Colour, Shape)| {
        the_only(
            scene
                .objects
                .iter()
                .filter(|o| (o.colour, o.shape) == (c, s)),
            text,
        )
    };

    if has("sign") {
        let signs = scene.signs.iter();
        let named = signs.filter(|sign| colours.first().is_none_or(|&c| c == sign.colour));
        return the_only(named, text).text.clone();
    }
    if has("bar") || has("bars") {
        return about_bars(scene, text, &colours, &has);
    }
    if let &[a, b] = pairs.as_slice() {
        let away = |axis: usize| the(b).centre[axis] - the(a).centre[axis];
        let by = match () {
            () if has("left") => away(0),
            () if has("right") => -away(0),
            () if has("above") => away(1),
            () if has("below") => -away(1),
            () => panic!("no relation: {text}"),
        };
        assert!(by.abs() >= 48.0, "too close: {text}");
        return yes(by > 0.0);
    }
    if has("nearest") || has("where") || has("quarter") {
        let object = match pairs.first() {
            Some(&pair) => the(pair),
            None => the_only(scene.objects.iter().filter(|o| o.shape == shapes[0]), text),
        };
        let [x, y] = object.centre.map(|c| c - scene.side_px as f32 / 2.0);
        assert!(x.abs() >= 28.0 && y.abs() >= 28.0, "too central: {text}");
        let row = if y < 0.0 { "top" } else { "bottom" };
        return format!("{row} {}", if x < 0.0 { "left" } else { "right" });
    }
    let ends: [(&[&str], usize, f32); 4] = [
        (&["leftmost"], 0, 1.0),
        (&["rightmost"], 0, -1.0),
        (&["topmost", "highest"], 1, 1.0),
        (&["bottommost", "lowest"], 1, -1.0),
    ];
    for (names, axis, sign) in ends {
        if names.iter().any(|name| has(name)) {
            let along = |o: &Object| sign * o.centre[axis];
            return least(&scene.objects, along, 24.0, text)
                .colour
                .name()
                .into();
        }
    }
    if has("many") || has("count") || has("number") {
        let counted = scene.objects.iter().filter(|o| {
            colours.first().is_none_or(|&c| c == o.colour)
                && shapes.first().is_none_or(|&s| s == o.shape)
        });
        return counted.count().to_string();
    }
    if let &[pair] = pairs.as_slice() {
        return yes(scene.objects.iter().any(|o| (o.colour, o.shape) == pair));
    }
    match (colours.as_slice(), shapes.as_slice()) {
        (&[], &[s]) if has("colour") => {
            let object = the_only(scene.objects.iter().filter(|o| o.shape == s), text);
            object.colour.name().into()
        }
        (&[c], &[]) => {
            let object = the_only(scene.objects.iter().filter(|o| o.colour == c), text);
            object.shape.name().into()
        }
        _ => panic!("not understood: {text}"),
    }
}

fn about_bars(scene: &Scene, text: &str, colours: &[Colour], has: &dyn Fn(&str) -> bool) -> String {
    let chart = scene.chart.as_ref().expect("a chart");
    let height = |c: Colour| {
        let bar = the_only(chart.bars.iter().filter(|bar| bar.colour == c), text);
        bar.bottom - bar.top
    };
    if has("tallest") || has("shortest") {
        let sign = if has("tallest") { -1.0 } else { 1.0 };
        let key = |bar: &inf_llava_cli::scenes::Bar| sign * (bar.bottom - bar.top);
        return least(&chart.bars, key, 8.99, text).colour.name().into();
    }
    if let &[a, b] = colours {
        return yes((height(a) > height(b)) == has("taller"));
    }
    assert!(colours.is_empty(), "not understood: {text}");
    chart.bars.len().to_string()
}
