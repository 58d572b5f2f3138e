//! The families of questions: each draws a question with an unambiguous answer, or none.
//!
//! Yes or no is drawn first and a matching question is searched for, so that both are equally
//! common. Draws that fail, or repeat an earlier question, keep that answer; otherwise "no", which
//! more questions of a scene have, would be more common.
//! questions in a scene, would win.

use rand_chacha::ChaCha8Rng;

use super::layout::{Object, Scene};
use super::palette::{Colour, Shape, is_held_out};
use super::question::{Family, Question};
use super::wording::{self, named, say, with_article};
use super::words::is_word;
use super::{ALPHABET, dice};
use crate::scenes::split::Split;

/// "To the left of" requires at least this distance between the centres, px.
const SIDE_PX: f32 = 48.0;
/// "Leftmost" requires at least this distance to the next, px: more than one of the model's 8 by 8
/// positions covers.
const EXTREME_PX: f32 = 44.0;
/// "In the top left" requires at least this distance to the picture's centre lines, px.
const QUARTER_PX: f32 = 28.0;
/// Weight with which a count is chosen as the answer, by its value: high counts are rarer in the
/// pictures, and 0 must not become the most common answer.
const COUNT_WEIGHTS: [f32; 7] = [0.55, 1.0, 1.6, 2.4, 3.0, 3.0, 3.0];

/// How often an absent thing is chosen from the near misses. More than half, since some scenes have
/// none: those of one shape or one colour.
const NEAR_SHARE: f32 = 0.65;
/// How often held-out pairs may be the absent thing in Test: as often as they are the present one,
/// so that always answering no (or yes) about an unknown pair gains nothing.
const HELD_OUT_ABSENT: f32 = 0.7;

/// A question and its subject, in a form that does not depend on the wording.
pub struct Draft {
    pub question: Question,
    pub subject: String,
}

/// A random question of this family, with the answer `yes` if it is a yes-or-no question; `None` if
/// the scene has none or this draw finds none.
pub fn draft(family: Family, scene: &Scene, rng: &mut ChaCha8Rng, yes: bool) -> Option<Draft> {
    match family {
        Family::Existence => existence(scene, rng, yes),
        Family::Attribute => attribute(scene, rng),
        Family::Counting => counting(scene, rng),
        Family::Relation => match dice::below(rng, 4) {
            0 | 1 => side(scene, rng, yes),
            2 => extreme(scene, rng),
            _ => quarter(scene, rng),
        },
        Family::Reading => reading(scene, rng),
        Family::Chart => match dice::below(rng, 3) {
            0 => count_bars(scene, rng),
            1 => extreme_bar(scene, rng),
            _ => compare_bars(scene, rng, yes),
        },
    }
}

/// Assembles a draft; `answers` is the number of possible answers.
fn draw_up(
    family: Family,
    kind: &'static str,
    (subject, brief, text): (String, String, String),
    answer: impl Into<String>,
    answers: usize,
    held_out: bool,
) -> Option<Draft> {
    let question = Question {
        family,
        text,
        brief,
        answer: answer.into(),
        held_out,
        kind,
        chance: 1.0 / answers as f32,
    };
    let subject = format!("{kind} {subject}");
    Some(Draft { question, subject })
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// "Is there a red circle?" About half of the absent pairs combine a colour and a shape that both
/// occur in the scene (like POPE's adversarial questions).
fn existence(scene: &Scene, rng: &mut ChaCha8Rng, yes: bool) -> Option<Draft> {
    let has = |colour, shape| {
        let is = |o: &Object| (o.colour, o.shape) == (colour, shape);
        scene.objects.iter().any(is)
    };
    let (colour, shape) = if yes {
        let object = dice::pick(rng, &scene.objects)?;
        (object.colour, object.shape)
    } else {
        let shows = |colour| scene.objects.iter().any(|o| o.colour == colour);
        let draws = |shape| scene.objects.iter().any(|o| o.shape == shape);
        let held_out_too = scene.split == Split::Test && dice::chance(rng, HELD_OUT_ABSENT);
        let mut absent = Vec::new();
        for colour in Colour::ALL {
            for shape in Shape::ALL {
                if !has(colour, shape) && (held_out_too || !is_held_out(colour, shape)) {
                    absent.push((colour, shape));
                }
            }
        }
        let is_near = |&&(colour, shape): &&_| shows(colour) && draws(shape);
        let near: Vec<_> = absent.iter().filter(is_near).copied().collect();
        if dice::chance(rng, NEAR_SHARE) && !near.is_empty() {
            absent = near;
        }
        *dice::pick(rng, &absent)?
    };
    let noun = named(colour, shape);
    let brief = with_article(&noun);
    let text = say(rng, &wording::EXISTENCE, &[&brief]);
    let held_out = is_held_out(colour, shape);
    let answer = yes_or_no(yes);
    draw_up(
        Family::Existence,
        "existence",
        (noun, brief, text),
        answer,
        2,
        held_out,
    )
}

/// The colour of a shape, or the shape of a colour, that exactly one figure has.
fn attribute(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Draft> {
    let by_shape = dice::chance(rng, 0.5);
    let same = |a: &Object, b: &Object| match by_shape {
        true => a.shape == b.shape,
        false => a.colour == b.colour,
    };
    let alone: Vec<&Object> = scene
        .objects
        .iter()
        .filter(|a| scene.objects.iter().filter(|b| same(a, b)).count() == 1)
        .collect();
    let object = *dice::pick(rng, &alone)?;
    let (shape, colour) = (object.shape.name(), object.colour.name());
    let held_out = object.is_held_out();
    if by_shape {
        let text = say(rng, &wording::COLOUR_OF_SHAPE, &[shape]);
        let brief = format!("colour of the {shape}");
        let subject = (shape.to_string(), brief, text);
        draw_up(
            Family::Attribute,
            "colour_of_shape",
            subject,
            colour,
            8,
            held_out,
        )
    } else {
        let text = say(rng, &wording::SHAPE_OF_COLOUR, &[colour]);
        let brief = format!("shape that is {colour}");
        let subject = (colour.to_string(), brief, text);
        draw_up(
            Family::Attribute,
            "shape_of_colour",
            subject,
            shape,
            6,
            held_out,
        )
    }
}

/// The number of figures of a shape, of a colour, or in all.
fn counting(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Draft> {
    let count = |is: &dyn Fn(&Object) -> bool| scene.objects.iter().filter(|o| is(o)).count();
    let kind = dice::between(rng, 0.0, 1.0);
    // The things that could be counted, and their counts.
    let (kind, answers, countable): (_, _, Vec<(String, usize)>) = if kind < 0.45 {
        let of = |shape: Shape| (shape.plural().to_string(), count(&|o| o.shape == shape));
        ("count_of_shape", 7, Shape::ALL.map(of).to_vec())
    } else if kind < 0.8 {
        let of = |colour: Colour| {
            let noun = format!("{} shapes", colour.name());
            (noun, count(&|o| o.colour == colour))
        };
        ("count_of_colour", 7, Colour::ALL.map(of).to_vec())
    } else {
        let all = ("shapes".to_string(), scene.objects.len());
        ("count_of_all", 5, vec![all])
    };
    // Draws the count first and then a thing with it; otherwise most answers would be 0.
    let weight = |value: usize| match countable.iter().any(|(_, count)| *count == value) {
        true => COUNT_WEIGHTS.get(value).copied().unwrap_or(3.0),
        false => 0.0,
    };
    let most = countable.iter().map(|(_, count)| *count).max()?;
    let total: f32 = (0..=most).map(weight).sum();
    let mut left = dice::between(rng, 0.0, total);
    let value = (0..=most).find(|&value| {
        left -= weight(value);
        left < 0.0
    })?;
    let having: Vec<&(String, usize)> = countable.iter().filter(|c| c.1 == value).collect();
    let (noun, _) = dice::pick(rng, &having)?;
    let text = say(rng, &wording::COUNT, &[noun]);
    let brief = format!("number of {noun}");
    let subject = (noun.clone(), brief, text);
    draw_up(
        Family::Counting,
        kind,
        subject,
        value.to_string(),
        answers,
        false,
    )
}

/// The figures whose combination of colour and shape is unique.
fn distinct(scene: &Scene) -> Vec<&Object> {
    let like = |a: &Object, b: &Object| (a.colour, a.shape) == (b.colour, b.shape);
    let is_alone = |a: &&Object| scene.objects.iter().filter(|b| like(a, b)).count() == 1;
    scene.objects.iter().filter(is_alone).collect()
}

/// "Is the red circle to the left of the blue square?"
fn side(scene: &Scene, rng: &mut ChaCha8Rng, yes: bool) -> Option<Draft> {
    let objects = distinct(scene);
    let axis = dice::below(rng, 2);
    let lower = dice::chance(rng, 0.5); // left or above
    let mut couples = Vec::new();
    for &a in &objects {
        for &b in &objects {
            if b.centre[axis] - a.centre[axis] >= SIDE_PX {
                couples.push((a, b));
            }
        }
    }
    // The first of a couple is left of the second, or above it.
    let &(a, b) = dice::pick(rng, &couples)?;
    let (a, b) = if yes == lower { (a, b) } else { (b, a) };
    let relation = match (axis, lower) {
        (0, true) => "to the left of",
        (0, false) => "to the right of",
        (_, true) => "above",
        (_, false) => "below",
    };
    let (first, second) = (named(a.colour, a.shape), named(b.colour, b.shape));
    let text = say(rng, &wording::SIDE, &[&first, relation, &second]);
    // The same couple on the same axis is the same question, in either order.
    let (low, high) = if yes == lower {
        (&first, &second)
    } else {
        (&second, &first)
    };
    let brief = format!("the {first} {relation} the {second}");
    let subject = (format!("{axis} {low} {high}"), brief, text);
    let held_out = a.is_held_out() || b.is_held_out();
    draw_up(
        Family::Relation,
        "side",
        subject,
        yes_or_no(yes),
        2,
        held_out,
    )
}

/// "What colour is the leftmost shape?"
fn extreme(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Draft> {
    const NAMES: [[&str; 2]; 4] = [
        ["leftmost", "leftmost"],
        ["rightmost", "rightmost"],
        ["topmost", "highest"],
        ["bottommost", "lowest"],
    ];
    let end = dice::below(rng, 4);
    let sign = if end.is_multiple_of(2) { 1.0 } else { -1.0 };
    let mut objects: Vec<&Object> = scene.objects.iter().collect();
    let along = |o: &Object| sign * o.centre[end / 2];
    objects.sort_by(|a, b| along(a).total_cmp(&along(b)));
    let (first, second) = (objects.first()?, objects.get(1)?);
    if along(second) - along(first) < EXTREME_PX {
        return None;
    }
    let name = NAMES[end][dice::below(rng, 2)];
    let text = say(rng, &wording::EXTREME, &[name]);
    let brief = format!("colour of the {name} shape");
    let subject = (end.to_string(), brief, text);
    let (colour, held_out) = (first.colour.name(), first.is_held_out());
    draw_up(
        Family::Relation,
        "colour_at_edge",
        subject,
        colour,
        8,
        held_out,
    )
}

/// "In which quarter of the picture is the star?"
fn quarter(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Draft> {
    let middle = scene.side_px as f32 / 2.0;
    let is_clear = |o: &&Object| o.centre.iter().all(|c| (c - middle).abs() >= QUARTER_PX);
    let objects: Vec<&Object> = distinct(scene).into_iter().filter(is_clear).collect();
    let object = *dice::pick(rng, &objects)?;
    let same_shape = |o: &&Object| o.shape == object.shape;
    let full = named(object.colour, object.shape);
    // Names the shape alone where that is unambiguous.
    let short = scene.objects.iter().filter(same_shape).count() == 1 && dice::chance(rng, 0.5);
    let noun = if short { object.shape.name() } else { &full };
    let brief = format!("quarter of the {noun}");
    let text = say(rng, &wording::QUARTER, &[noun]);
    let answer = match object.centre.map(|c| c < middle) {
        [true, true] => "top left",
        [false, true] => "top right",
        [true, false] => "bottom left",
        [false, false] => "bottom right",
    };
    let held_out = object.is_held_out();
    draw_up(
        Family::Relation,
        "quarter",
        (full, brief, text),
        answer,
        4,
        held_out,
    )
}

/// The text of a sign, which is identified by its colour if there are several, and sometimes if
/// there is one.
fn reading(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Draft> {
    let sign = dice::pick(rng, &scene.signs)?;
    if scene
        .signs
        .iter()
        .filter(|s| s.colour == sign.colour)
        .count()
        > 1
    {
        return None;
    }
    let colour = sign.colour.name();
    let (brief, text) = if scene.signs.len() == 1 && dice::chance(rng, 0.7) {
        let text = say(rng, &wording::READ_ONLY_SIGN, &[]);
        ("text of the sign".to_string(), text)
    } else {
        let text = say(rng, &wording::READ_SIGN, &[colour]);
        (format!("text of the {colour} sign"), text)
    };
    let kind = if is_word(&sign.text) {
        "read_word"
    } else {
        "read_code"
    };
    let answers = ALPHABET.len().pow(sign.text.len() as u32);
    let subject = (colour.to_string(), brief, text);
    draw_up(
        Family::Reading,
        kind,
        subject,
        sign.text.clone(),
        answers,
        sign.held_out,
    )
}

fn count_bars(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Draft> {
    let chart = scene.chart.as_ref()?;
    let text = say(rng, &wording::COUNT_BARS, &[]);
    let subject = (String::new(), "number of bars".to_string(), text);
    let answer = chart.bars.len().to_string();
    draw_up(Family::Chart, "count_of_bars", subject, answer, 3, false)
}

fn extreme_bar(scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Draft> {
    let chart = scene.chart.as_ref()?;
    let tallest = dice::chance(rng, 0.5);
    let sign = if tallest { -1.0 } else { 1.0 };
    let bars = chart.bars.iter();
    let bar =
        bars.min_by(|a, b| f32::total_cmp(&(sign * a.height_px()), &(sign * b.height_px())))?;
    let name = if tallest { "tallest" } else { "shortest" };
    let text = say(rng, &wording::EXTREME_BAR, &[name]);
    let brief = format!("colour of the {name} bar");
    let subject = (name.to_string(), brief, text);
    // Every colour but white.
    draw_up(
        Family::Chart,
        "colour_of_bar",
        subject,
        bar.colour.name(),
        7,
        false,
    )
}

fn compare_bars(scene: &Scene, rng: &mut ChaCha8Rng, yes: bool) -> Option<Draft> {
    let mut bars: Vec<_> = scene.chart.as_ref()?.bars.iter().collect();
    dice::shuffle(rng, &mut bars);
    let &[mut a, mut b, ..] = bars.as_slice() else {
        return None;
    };
    let taller = dice::chance(rng, 0.5);
    let is_so = (a.height_px() > b.height_px()) == taller;
    if is_so != yes {
        (a, b) = (b, a);
    }
    let relation = if taller { "taller" } else { "shorter" };
    let (first, second) = (a.colour.name(), b.colour.name());
    let text = say(rng, &wording::COMPARE_BARS, &[first, relation, second]);
    let (low, high) = if a.colour.index() < b.colour.index() {
        (first, second)
    } else {
        (second, first)
    };
    let brief = format!("the {first} bar {relation} than the {second} bar");
    let subject = (format!("{low} {high}"), brief, text);
    draw_up(
        Family::Chart,
        "compare_bars",
        subject,
        yes_or_no(yes),
        2,
        false,
    )
}
