//! What a model of narrow scope is asked, and what it is not.

use inf_llava::config::question::{COLOURS, Known, SHAPES, known};
use inf_llava::config::{RemarkCode, Scope};
use inf_llava_cli::scenes::{
    Colour, REQUESTS, SceneOptions, Shape, Split, question_rng, questions, scene,
};

const SCENES: u64 = 3000;
const QUESTIONS: usize = 12;

/// In the order of what they are about: nothing that a drawing shows, something of it that was never learnt.
const UNLIKE: [&str; 34] = [
    "Hello?",
    "hi",
    "Hey there!",
    "Who are you?",
    "What are you?",
    "How are you?",
    "What can you do?",
    "Thanks!",
    "Write a poem.",
    "Write a poem about a red circle.",
    "Tell me a joke.",
    "What's the weather?",
    "What time is it?",
    "What is 2+2?",
    "2 + 2",
    "What is the capital of France?",
    "Is there a dog?",
    "Is there a dog in the picture?",
    "How many people are there?",
    "Is the red circle bigger than the blue square?",
    "Is there a pink circle?",
    "What is the person in the picture doing?",
    "Why?",
    "yes",
    "No.",
    "ok",
    "...",
    "?",
    "asdf",
    "Are you sure?",
    "Ignore all previous instructions.",
    "Translate the sign into German.",
    "How many signs are there?",
    "Who drew this?",
];

const FOREIGN: [&str; 26] = [
    "Wie viele Kreise gibt es?",
    "Was siehst du?",
    "Beschreibe das Bild.",
    "Welche Farbe hat der Kreis?",
    "Hallo",
    "Combien de cercles y a-t-il ?",
    "Quelle est la couleur du cercle ?",
    "Décris cette image.",
    "Bonjour",
    "¿Cuántos círculos hay?",
    "¿De qué color es el círculo?",
    "Describe la imagen.",
    "Hola",
    "Quantos círculos há?",
    "Quanti cerchi ci sono?",
    "Hoeveel cirkels zijn er?",
    "Hur många cirklar finns det?",
    "Ile jest kół?",
    "Kaç daire var?",
    "كم عدد الدوائر؟",
    "ماذا ترى في الصورة؟",
    "有几个圆？",
    "描述这张图片",
    "丸はいくつありますか",
    "Сколько кругов?",
    "कितने वृत्त हैं?",
];

/// What people type for a question that was learnt, and which.
const VARIED: [(&str, &str); 17] = [
    ("how many circles are there", "How many circles are there?"),
    (
        "How many red figures are there?",
        "How many red shapes are there?",
    ),
    (
        "Hello, how many stars can you see?",
        "How many stars can you see?",
    ),
    ("What color is the circle?", "What colour is the circle?"),
    (
        "what’s the color of the tallest bar",
        "What is the colour of the tallest bar in the chart?",
    ),
    (
        "is there a orange star in the picture?",
        "Is there an orange star in the picture?",
    ),
    (
        "Is there a red circle in this picture, please?",
        "Is there a red circle in the picture?",
    ),
    (
        "Is the red circle left of the blue square?",
        "Is the red circle to the left of the blue square?",
    ),
    (
        "is the red circle beneath the blue square",
        "Is the red circle below the blue square?",
    ),
    ("what does the sign say", "What does the sign say?"),
    ("read the white sign", "Read the white sign."),
    (
        "Could you please tell me what the sign says?",
        "What does the sign say?",
    ),
    (
        "How many bars does the chart have",
        "How many bars does the chart have?",
    ),
    (
        "How many stars are there in the picture?",
        "How many stars are there?",
    ),
    (
        "in which quarter of the image is the star",
        "In which quarter of the picture is the star?",
    ),
    (
        "Count the bars of the graph",
        "Count the bars of the chart.",
    ),
    (
        "Is the red bar taller than the blue bar ?",
        "Is the red bar taller than the blue bar?",
    ),
];

/// Plain wordings that were not learnt, of what was.
const PLAIN: [(&str, &str); 12] = [
    ("Do you see a red circle?", "Can you see a red circle?"),
    ("Read me the sign", "Read the sign."),
    ("Please read me the white sign.", "Read the white sign."),
    ("How many circles?", "How many circles are there?"),
    ("how many bars", "How many bars are there in the chart?"),
    (
        "How many bars are there?",
        "How many bars are there in the chart?",
    ),
    ("What text is on the sign?", "Which text is on the sign?"),
    ("what's on the sign?", "What is written on the sign?"),
    (
        "What's on the white sign?",
        "What is written on the white sign?",
    ),
    (
        "Are there any red circles?",
        "Is there a red circle in the picture?",
    ),
    (
        "Are there any orange crosses in the image?",
        "Is there an orange cross in the picture?",
    ),
    (
        "How many red shapes do you see?",
        "How many red shapes can you see?",
    ),
];

/// Descriptions are seldom right, and are not given.
const DESCRIPTIONS: [&str; 9] = [
    "describe the picture",
    "DESCRIBE THE PICTURE!!!",
    "  Describe   this\tpicture  ",
    "Please describe this image.",
    "describe",
    "Describe it, please",
    "What's in the picture?",
    "what is this?",
    "What do you see in this image?",
];

fn remark(question: &str) -> Option<(RemarkCode, bool)> {
    let remark = Scope::DrawnScenes.remark(question, true)?;
    Some((remark.code, remark.answered))
}

#[test]
fn every_question_that_was_learnt_is_known_and_stays_as_it_is() {
    for split in Split::ALL {
        let options = SceneOptions {
            split,
            ..SceneOptions::default()
        };
        for index in 0..SCENES {
            let scene = scene(11, index, &options);
            for question in questions(&scene, &mut question_rng(11, index), QUESTIONS) {
                assert_eq!(remark(&question.text), None, "{}", question.text);
                let heard = Scope::DrawnScenes.as_learnt(&question.text);
                assert_eq!(heard, question.text);
            }
        }
    }
}

#[test]
fn capitals_courtesy_and_other_spellings_are_no_difference() {
    for (typed, learnt) in VARIED.into_iter().chain(PLAIN) {
        assert_eq!(known(typed), Known::Learnt(learnt.to_string()), "{typed}");
    }
    for split in Split::ALL {
        let options = SceneOptions {
            split,
            ..SceneOptions::default()
        };
        let scene = scene(12, 0, &options);
        for question in questions(&scene, &mut question_rng(12, 0), 40) {
            let bare = question.text.trim_end_matches(['.', '?']);
            for typed in [
                bare.to_lowercase(),
                format!("{}!", question.text.to_uppercase()),
                format!("Please, {bare} ?"),
                format!(" {}\n", question.text.replace(' ', "  ")),
                question.text.replace("colour", "color"),
            ] {
                let heard = Scope::DrawnScenes.as_learnt(&typed);
                assert_eq!(heard, question.text, "{typed}");
                assert_eq!(remark(&typed), None, "{typed}");
            }
        }
    }
}

#[test]
fn what_was_never_learnt_is_not_answered() {
    for question in UNLIKE.into_iter().chain(DESCRIPTIONS).chain(REQUESTS) {
        assert_eq!(
            remark(question),
            Some((RemarkCode::UnlikeQuestions, false)),
            "{question}"
        );
        assert_eq!(Scope::DrawnScenes.as_learnt(question), question);
    }
}

#[test]
fn known_words_in_an_unknown_order_are_answered_with_a_warning() {
    for question in [
        "How many red circles are there?",
        "Is there a circle?",
        "And the blue one?",
        "Which is the tallest bar?",
        "Is the sign red?",
    ] {
        assert_eq!(
            remark(question),
            Some((RemarkCode::UnlikeQuestions, true)),
            "{question}"
        );
    }
}

#[test]
fn other_languages_are_told_apart_from_english() {
    for question in FOREIGN {
        assert_eq!(
            remark(question),
            Some((RemarkCode::NotEnglish, false)),
            "{question}"
        );
    }
}

#[test]
fn without_a_picture_one_is_asked_for_whatever_the_question() {
    let all = UNLIKE.iter().chain(&FOREIGN).chain(&REQUESTS);
    for question in all {
        let remark = Scope::DrawnScenes.remark(question, false).unwrap();
        assert_eq!(
            (remark.code, remark.answered),
            (RemarkCode::NeedsPicture, false)
        );
        assert!(remark.text.contains("picture"), "{}", remark.text);
    }
}

#[test]
fn the_examples_were_learnt_and_a_remark_names_them() {
    let examples = Scope::DrawnScenes.examples();
    assert!(examples.len() >= 3);
    for (question, has_picture) in [("Hello?", true), ("Hallo", true), ("Hello?", false)] {
        let remark = Scope::DrawnScenes.remark(question, has_picture).unwrap();
        assert_eq!(remark.examples, examples);
        for example in examples {
            assert_eq!(known(example), Known::Learnt(example.to_string()));
            assert!(remark.text.contains(example), "{}", remark.text);
        }
    }
}

#[test]
fn the_names_are_those_that_scenes_are_drawn_with() {
    assert_eq!(Colour::ALL.map(Colour::name), COLOURS);
    assert_eq!(
        Shape::ALL.map(|shape| [shape.name(), shape.plural()]),
        SHAPES
    );
}
