//! Conversations: which tokens they are, and which of them are learnt.

use std::fs;
use std::sync::LazyLock;

use inf_llava_core::Error;
use inf_llava_core::dataset::conversation::example;
use inf_llava_core::dataset::{IGNORE, Template, Turn};
use inf_llava_core::sequence::Media;
use inf_llava_core::text::Tokenizer;
use inf_llava_core::text::prompt::conv_llama3::{answer_ids, first_turn, next_turn};

/// `bos_token_id` and `<|eot_id|>` of the fixture `tiny`.
pub const BOS: u32 = 501;
const END: i32 = 505;
/// As the release writes a picture.
const IMAGE: i32 = -200;
/// The picture of an example.
pub const PICTURE: Media = Media::only(144);

pub static TINY: LazyLock<Tokenizer> = LazyLock::new(|| {
    let json = fs::read(super::fixture("tiny").join("tokenizer.json")).expect("fixture");
    Tokenizer::from_bytes("tokenizer.json", &json).expect("tokenizer")
});

pub fn turns(pairs: &[(&str, &str)]) -> Vec<Turn> {
    let turn = |(question, answer): &(&str, &str)| Turn {
        question: (*question).into(),
        answer: (*answer).into(),
    };
    pairs.iter().map(turn).collect()
}

pub fn ids_of(text: &str) -> Vec<i32> {
    let ids = answer_ids(&TINY, text).expect("encode");
    ids.into_iter().map(|id| id as i32).collect()
}

/// Ids and labels of an example, as the release writes them.
struct Numbers {
    ids: Vec<i32>,
    labels: Vec<i32>,
    tokens: usize,
    learnt: usize,
}

fn numbers(template: Template, asked: &[Turn], with_image: bool) -> Numbers {
    let picture = with_image.then_some(PICTURE);
    let found = example(&TINY, BOS, template, asked, picture).expect("example");
    let (ids, labels) = found.to_numbers();
    Numbers {
        ids,
        labels,
        tokens: found.sequence.len(),
        learnt: found.learnt(),
    }
}

#[test]
fn ids_are_those_of_inference() {
    let asked = turns(&[("What is it?", "A red cat."), ("Why?", "yes")]);
    for with_image in [true, false] {
        let found = numbers(Template::Llama3, &asked, with_image);
        let mut ids = Vec::new();
        let mut labels = Vec::new();
        for (index, turn) in asked.iter().enumerate() {
            let prompt = match index {
                0 => first_turn(&TINY, BOS, &turn.question, with_image.then_some(PICTURE)),
                _ => next_turn(&TINY, END as u32, &turn.question),
            };
            let prompt = prompt.expect("prompt").to_numbers();
            let answer = [ids_of(&turn.answer), vec![END]].concat();
            labels.extend(vec![IGNORE; prompt.len()]);
            labels.extend(&answer);
            ids.extend(prompt);
            ids.extend(answer);
        }
        assert_eq!(found.ids, ids);
        assert_eq!(found.labels, labels);
        let learnt = ids_of("A red cat.").len() + 1 + ids_of("yes").len() + 1;
        assert_eq!(found.learnt, learnt);
        let pictures = usize::from(with_image);
        assert_eq!(found.tokens, ids.len() + pictures * 143);
    }
}

/// Written by hand from the fixture's vocabulary, so that a fault in the functions that build
/// prompts would show here too.
#[test]
fn labels_are_the_answer_and_its_end() {
    let found = numbers(Template::Llama3, &turns(&[("Hi", "Ho")]), true);
    let byte = |letter: &str| TINY.id_of(letter).expect("a byte's token") as i32;
    let [h, i, o, newline] = ["H", "i", "o", "\u{10A}"].map(byte);
    let (start, end_header) = (503, 504);
    let at = found.ids.iter().position(|&id| id == IMAGE);
    let tail = &found.ids[at.expect("a picture")..];
    let assistant = ids_of("assistant");
    let expected = [
        vec![IMAGE, newline, h, i, END, start],
        assistant.clone(),
        vec![end_header, newline, newline, h, o, END],
    ];
    assert_eq!(tail, expected.concat());
    let learnt = [h, o, END];
    let (ignored, answer) = found.labels.split_at(found.labels.len() - learnt.len());
    assert_eq!(answer, learnt);
    assert!(ignored.iter().all(|&label| label == IGNORE));
    assert_eq!(found.ids[..2], [501, 501], "the release begins with two");
}

#[test]
fn facts_are_lines_of_which_the_answers_are_learnt() {
    let asked = turns(&[("colour of the star", "red"), ("number of rings", "2")]);
    let found = numbers(Template::Facts, &asked, true);
    let lines = ["colour of the star", " red\n", "number of rings", " 2\n"].map(ids_of);
    let mut expected = vec![501, IMAGE];
    expected.extend(lines.concat());
    assert_eq!(found.ids, expected);
    let learnt: Vec<i32> = found
        .labels
        .iter()
        .copied()
        .filter(|&l| l != IGNORE)
        .collect();
    assert_eq!(learnt, [lines[1].clone(), lines[3].clone()].concat());
    let result = example(&TINY, BOS, Template::Facts, &[], Some(PICTURE));
    assert!(matches!(result, Err(Error::Example { .. })), "{result:?}");
}

#[test]
fn the_plain_template_is_picture_caption_newline() {
    let asked = turns(&[("Describe it.", "Ho Ho")]);
    let found = numbers(Template::Plain, &asked, true);
    let caption = ids_of("Ho Ho\n");
    assert_eq!(found.ids[..2], [501, IMAGE]);
    assert_eq!(found.ids[2..], caption);
    assert_eq!(found.labels[..2], [IGNORE; 2]);
    assert_eq!(found.labels[2..], caption);
    for (asked, with_image) in [
        (turns(&[("a", "b"), ("c", "d")]), true),
        (turns(&[("a", "b")]), false),
        (turns(&[]), true),
    ] {
        let result = example(
            &TINY,
            BOS,
            Template::Plain,
            &asked,
            with_image.then_some(PICTURE),
        );
        assert!(matches!(result, Err(Error::Example { .. })), "{result:?}");
    }
    let result = example(&TINY, BOS, Template::Llama3, &[], Some(PICTURE));
    assert!(matches!(result, Err(Error::Example { .. })), "{result:?}");
}

#[test]
fn typed_control_tokens_are_learnt_as_letters() {
    let asked = turns(&[("<|eot_id|>", "<|eot_id|><image>")]);
    let found = numbers(Template::Llama3, &asked, true);
    let count = |id| found.ids.iter().filter(|&&other| other == id).count();
    // System, question and answer end once each.
    assert_eq!((count(END), count(IMAGE)), (3, 1));
}
