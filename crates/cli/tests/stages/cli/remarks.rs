//! `chat` with a model of narrow scope: what it says instead of an answer, and beside one.

use super::{json, run, run_with_input, stdout, text};

fn demo<'a>(more: &[&'a str]) -> Vec<&'a str> {
    const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/demo");
    let chat = [
        "chat",
        "--device",
        "cpu",
        "--temperature",
        "0",
        "--model",
        DEMO,
    ];
    [&chat[..], more].concat()
}

const PICTURE: [&str; 2] = [
    "--image",
    concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../models/demo/samples/1.png"
    ),
];

#[test]
fn a_question_without_a_picture_is_answered_by_asking_for_one() {
    let said = stdout(&demo(&["--prompt", "Hello?"]));
    assert!(said.contains("choose a picture first"), "{said}");
    assert!(said.contains("How many shapes are there?"), "{said}");
    let told = run(&demo(&["--prompt", "Hello?"]));
    assert!(text(&told.stderr).contains("--image FILE"));
    let answer = json(&stdout(&demo(&["--prompt", "Hello?", "--json"])));
    assert_eq!(answer["remark"]["code"], "needs_picture");
    assert_eq!(answer["remark"]["answered"], false);
    assert_eq!(answer["text"], answer["remark"]["text"]);
    let anyway = json(&stdout(&demo(&[
        "--prompt", "Hello?", "--json", "--anyway",
    ])));
    assert_eq!(anyway.get("remark"), None);
    assert!(anyway["answer_tokens"].as_u64() > Some(0));
}

#[test]
fn what_was_never_learnt_and_other_languages_are_told() {
    for (question, code, words) in [
        ("Who are you?", "unlike_questions", "not learnt"),
        ("Wie viele Kreise gibt es?", "not_english", "in English"),
    ] {
        let more = [&PICTURE[..], &["--prompt", question]].concat();
        let said = stdout(&demo(&more));
        assert!(said.contains(words), "{said}");
        let answer = json(&stdout(&demo(&[&more[..], &["--json"]].concat())));
        assert_eq!(answer["remark"]["code"], code);
    }
    let more = [&PICTURE[..], &["--prompt", "Is there a circle?"]].concat();
    let beside = run(&demo(&more));
    assert!(
        text(&beside.stderr).contains("may be wrong"),
        "beside the answer"
    );
    assert!(!text(&beside.stdout).contains("may be wrong"), "not in it");
}

#[test]
fn a_conversation_goes_on_behind_a_remark() {
    let lines = b"Hello?\n/again\nRead the white sign.\n";
    let output = run_with_input(&demo(&PICTURE), lines);
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    let [remark, again, answer] = lines[..] else {
        panic!("{said}")
    };
    assert!(remark.contains("not learnt"), "{remark}");
    assert_eq!(again, remark);
    assert_eq!(answer, "QH9V");
}

#[test]
fn without_a_temperature_a_model_of_narrow_scope_takes_the_likeliest() {
    let args: Vec<&str> = demo(&PICTURE)
        .into_iter()
        .filter(|arg| !["--temperature", "0"].contains(arg))
        .collect();
    for seed in ["0", "1", "2", "3"] {
        let more = ["--prompt", "Read the white sign.", "--seed", seed];
        assert_eq!(stdout(&[&args[..], &more].concat()).trim(), "QH9V");
    }
}
