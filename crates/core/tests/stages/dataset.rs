//! Data sets: what is read, and what becomes of entries that cannot be used.

use std::fs;
use std::path::Path;

use inf_llava_core::Error;
use inf_llava_core::dataset::conversation::example;
use inf_llava_core::dataset::{
    Limits, OnBadRecord, Reason, Records, Skipped, Template, Turn, llava, pope,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::conversation::{BOS, PICTURE, TINY, ids_of, turns};

/// A folder with `images/x.png` and the data set `set.json`.
fn folder(set: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    fs::create_dir(folder.path().join("images")).expect("folder");
    fs::write(folder.path().join("images/x.png"), b"not looked into").expect("picture");
    fs::write(folder.path().join("secret.png"), b"outside").expect("picture");
    fs::write(folder.path().join("set.json"), set).expect("data set");
    folder
}

fn images(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("images")
}

fn read(folder: &TempDir, on_bad: OnBadRecord) -> Result<Records, Error> {
    llava::read(&folder.path().join("set.json"), &images(folder), on_bad)
}

fn human(value: &str) -> Value {
    json!({"from": "human", "value": value})
}

fn gpt(value: &str) -> Value {
    json!({"from": "gpt", "value": value})
}

fn good(id: &str) -> Value {
    json!({"id": id, "image": "x.png",
        "conversations": [human("<image>\nWhat is it?"), gpt("A cat.")]})
}

/// Puts `bad` between two good entries: it is named and counted, the others are kept; under the
/// flag it is refused, by name.
#[track_caller]
fn assert_bad(bad: Value, id: &str, expected: Reason) {
    let set = json!([good("a"), bad, good("b")]).to_string();
    let folder = folder(&set);
    let found = read(&folder, OnBadRecord::Skip).expect("the others are read");
    let kept: Vec<&str> = found.records.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(kept, ["a", "b"]);
    assert_eq!(found.skipped.total, 3);
    assert_eq!(found.skipped.reasons, [(id.to_string(), expected.clone())]);
    let summary = found.skipped.to_string();
    let start = format!(
        "1 of 3 records skipped: 1 {} (first: id {id}",
        expected.name()
    );
    assert!(summary.starts_with(&start), "{summary}");

    let error = read(&folder, OnBadRecord::Refuse).expect_err("refused");
    assert_eq!(error.code(), "bad-record");
    let Error::BadRecord {
        file,
        id: named,
        reason,
    } = error
    else {
        panic!("{error}");
    };
    assert!(file.ends_with("set.json"));
    assert_eq!((named.as_str(), reason), (id, expected.to_string()));
}

fn entry(image: Value, conversations: Value) -> Value {
    json!({"id": 7, "image": image, "conversations": conversations})
}

#[test]
fn good_entries_are_read() {
    let set = json!([
        {"id": "a", "image": "./x.png", "conversations": [human("What is it?\n<image>"), gpt("A cat."),
            human("Why?"), gpt(" Because.")],
            "families": ["naming", "reason"], "held_out": [false, true], "source": "ignored"},
        {"conversations": [human("Hi "), gpt("Ho")]},
    ]);
    let folder = folder(&set.to_string());
    let found = read(&folder, OnBadRecord::Refuse).expect("all are good");
    assert_eq!(
        found.skipped,
        Skipped {
            total: 2,
            reasons: vec![]
        }
    );
    assert_eq!(found.skipped.to_string(), "0 of 2 records skipped");
    let [a, b] = found.records.as_slice() else {
        panic!("{found:?}");
    };
    assert!(a.image.as_ref().is_some_and(|path| path.is_file()));
    assert_eq!(
        a.turns,
        turns(&[("What is it?", "A cat."), ("Why?", " Because.")])
    );
    assert_eq!(a.families, Some(vec!["naming".into(), "reason".into()]));
    assert_eq!(a.held_out, Some(vec![false, true]));
    assert_eq!((b.id.as_str(), &b.image), ("#1", &None));
    assert_eq!(b.turns, turns(&[("Hi ", "Ho")]));
    assert_eq!((&b.families, &b.held_out), (&None, &None));
}

#[test]
fn an_entry_without_its_image() {
    let said = json!([human("<image>\nWhat?"), gpt("A cat.")]);
    let reason = Reason::ImageMissing("y.png".into());
    assert_bad(entry(json!("y.png"), said), "7", reason);
}

#[test]
fn an_entry_whose_image_is_elsewhere() {
    let absolute = std::env::temp_dir().join("x.png");
    let names = [
        "../secret.png",
        "a/../../secret.png",
        "",
        "..\\secret.png",
        "C:x.png",
        "x.png\0",
    ];
    let names = names.iter().map(ToString::to_string);
    for name in names.chain([absolute.display().to_string(), "x".repeat(5000)]) {
        let said = json!([human("<image>\nWhat?"), gpt("A cat.")]);
        assert_bad(entry(json!(name), said), "7", Reason::ImageName(name));
    }
}

/// Whoever packs a data set may pack links with it.
#[cfg(unix)]
#[test]
fn an_entry_whose_image_is_a_link_to_elsewhere() {
    use std::os::unix::fs::symlink;
    let pair = |name: &str| {
        json!({"id": name, "image": name,
            "conversations": [human("<image>\nWhat is it?"), gpt("A cat.")]})
    };
    let names = ["within.png", "out.png", "out/secret.png"];
    let folder = folder(&json!(names.map(pair)).to_string());
    let images = images(&folder);
    symlink("x.png", images.join("within.png")).expect("link");
    symlink("../secret.png", images.join("out.png")).expect("link");
    symlink("..", images.join("out")).expect("link");
    // The folder is named by the user, not by the data set: it may be a link.
    let alias = folder.path().join("alias");
    symlink("images", &alias).expect("link");
    for images in [images, alias] {
        let set = folder.path().join("set.json");
        let found = llava::read(&set, &images, OnBadRecord::Skip).expect("read");
        let kept: Vec<_> = found.records.iter().map(|r| r.id.as_str()).collect();
        assert_eq!(kept, ["within.png"]);
        let expected = ["out.png", "out/secret.png"]
            .map(|name| (name.to_string(), Reason::ImageName(name.into())));
        assert_eq!(found.skipped.reasons, expected);
    }
}

#[test]
fn an_entry_with_an_unknown_role() {
    let said = json!([{"from": "system", "value": "Be good."}, human("<image>\nWhat?"), gpt("A")]);
    let reason = Reason::UnknownRole("system".into());
    assert_bad(entry(json!("x.png"), said), "7", reason);
}

#[test]
fn an_entry_with_two_images() {
    for said in [
        json!([human("<image>\n<image>\nWhat?"), gpt("A cat.")]),
        json!([
            human("<image>\nWhat?"),
            gpt("A cat."),
            human("<image>\nAnd?"),
            gpt("A dog.")
        ]),
        json!([human("<image>\nWhat?"), gpt("<image>")]),
    ] {
        assert_bad(entry(json!("x.png"), said), "7", Reason::TwoImages);
    }
}

#[test]
fn an_entry_whose_image_is_not_in_the_first_question() {
    for said in [
        json!([
            human("Hi"),
            gpt("Ho"),
            human("<image>\nWhat?"),
            gpt("A cat.")
        ]),
        json!([human("What?"), gpt("<image>")]),
        json!([human("What?"), gpt("A cat.")]),
    ] {
        let reason = Reason::ImageNotInFirstQuestion;
        assert_bad(entry(json!("x.png"), said), "7", reason);
    }
    let said = json!([human("<image>\nWhat?"), gpt("A cat.")]);
    assert_bad(entry(Value::Null, said), "7", Reason::ImageUnnamed);
}

#[test]
fn an_entry_with_roles_out_of_order() {
    for said in [
        json!([gpt("A cat."), human("<image>\nWhat?")]),
        json!([human("<image>\nWhat?"), human("Why?"), gpt("A cat.")]),
        json!([human("<image>\nWhat?"), gpt("A cat."), human("Why?")]),
        json!([]),
    ] {
        assert_bad(entry(json!("x.png"), said), "7", Reason::RoleOrder);
    }
}

#[test]
fn an_entry_that_says_nothing() {
    let said = json!([human("<image>\n"), gpt("A cat.")]);
    assert_bad(entry(json!("x.png"), said), "7", Reason::Empty(0));
    let said = json!([human("<image>\nWhat?"), gpt("A"), human("Why?"), gpt(" \n")]);
    assert_bad(entry(json!("x.png"), said), "7", Reason::Empty(1));
}

#[test]
fn an_entry_of_another_form() {
    let bad = |entry: Value, id: &str, reason: &str| {
        assert_bad(entry, id, Reason::Malformed(reason.into()));
    };
    let said = json!([human("<image>\nWhat?"), gpt("A cat.")]);
    let no_list = "it has no list \"conversations\"";
    bad(json!(17), "#1", no_list);
    bad(json!({"id": 7}), "7", no_list);
    bad(entry(json!("x.png"), json!("hi")), "7", no_list);
    bad(
        entry(json!(["x.png"]), said.clone()),
        "7",
        "\"image\" is no text",
    );
    let sentence = "a sentence lacks \"from\" or \"value\"";
    bad(
        entry(json!("x.png"), json!([{"from": "human"}])),
        "7",
        sentence,
    );
    bad(
        entry(json!("x.png"), json!([{"value": 1, "from": "gpt"}])),
        "7",
        sentence,
    );
    for (key, value) in [
        ("families", json!([])),
        ("families", json!([1])),
        ("held_out", json!("x")),
    ] {
        let mut entry = entry(json!("x.png"), said.clone());
        entry[key] = value;
        bad(
            entry,
            "7",
            &format!("{key:?} is not one value for each of the 1 turns"),
        );
    }
}

fn limits(answer_tokens: usize, conversation_tokens: usize) -> Limits {
    Limits {
        answer_tokens,
        conversation_tokens,
        picture: PICTURE,
    }
}

#[test]
fn an_entry_with_an_over_long_answer() {
    let long = "Ho".repeat(10);
    let tokens = ids_of(&long).len();
    let book = "Ho".repeat(1 << 20);
    let entry = |id: &str, answer: &str| json!({"id": id, "image": "x.png", "conversations": [human("<image>\nWhat?"), gpt(answer)]});
    let missing = json!({"id": "lost", "image": "y.png", "conversations": [human("<image>\nWhat?"), gpt("A")]});
    let set = json!([
        good("a"),
        entry("long", &long),
        missing,
        entry("book", &book),
        good("b")
    ]);
    let folder = folder(&set.to_string());
    let encode = |records: &mut Records, limits: &Limits, on_bad| {
        records.examples(&TINY, BOS, Template::Llama3, limits, on_bad)
    };

    let records = read(&folder, OnBadRecord::Skip).expect("read");
    // At the limit is not over it.
    let mut found = records.clone();
    let examples = encode(&mut found, &limits(tokens, 100_000), OnBadRecord::Skip);
    assert_eq!(examples.expect("examples").len(), 3);

    let mut found = records.clone();
    let limit = tokens - 1;
    let examples = encode(&mut found, &limits(limit, 100_000), OnBadRecord::Skip);
    let examples = examples.expect("examples");
    let ids: Vec<&str> = examples
        .iter()
        .map(|(record, _)| record.id.as_str())
        .collect();
    assert_eq!(ids, ["a", "b"]);
    let (record, found_example) = &examples[0];
    let expected = example(&TINY, BOS, Template::Llama3, &record.turns, Some(PICTURE));
    assert_eq!(found_example, &expected.expect("example"));
    let at_least = book.len() / 256;
    assert_eq!(
        found.skipped.to_string(),
        format!(
            "3 of 5 records skipped: 2 answer too long (first: id long: {tokens} tokens, at most \
             {limit} are taken), 1 image missing (first: id lost: y.png)"
        )
    );
    let last = Reason::AnswerTooLong {
        tokens: at_least,
        limit,
    };
    assert_eq!(found.skipped.reasons[2], ("book".to_string(), last));

    let mut found = records.clone();
    let error = encode(&mut found, &limits(limit, 100_000), OnBadRecord::Refuse);
    assert!(matches!(error, Err(Error::BadRecord { id, .. }) if id == "long"));

    // The whole conversation, the picture's tokens included.
    let whole = expected_length(&records.records[0].turns);
    for (most, kept) in [(whole, 2), (whole - 1, 0)] {
        let mut found = records.clone();
        let examples = encode(&mut found, &limits(limit, most), OnBadRecord::Skip);
        assert_eq!(examples.expect("examples").len(), kept);
    }
}

fn expected_length(turns: &[Turn]) -> usize {
    let found = example(&TINY, BOS, Template::Llama3, turns, Some(PICTURE)).expect("example");
    found.sequence.len()
}

#[test]
fn an_entry_that_the_template_has_no_form_for() {
    let text_only = json!({"id": "t", "conversations": [human("Hi"), gpt("Ho")]});
    let folder = folder(&json!([good("a"), text_only]).to_string());
    let mut found = read(&folder, OnBadRecord::Skip).expect("read");
    let limits = limits(100, 1000);
    let examples = found.examples(&TINY, BOS, Template::Plain, &limits, OnBadRecord::Skip);
    assert_eq!(examples.expect("examples").len(), 1);
    assert!(matches!(&found.skipped.reasons[..], [(id, Reason::Template(_))] if id == "t"));
}

/// What no parser takes is one bad entry as well.
#[test]
fn an_entry_that_is_no_json_does_not_end_the_list() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let long = format!("\"{}\"", "x".repeat((16 << 20) + 1));
    let bad = [
        deep.as_str(),
        "1e400",
        r#"{"id": "\ud800.png"}"#,
        r#"{"id": "a" "image": "x.png"}"#,
        r#"{"id": "a, [ \" ] { \\"} x"#,
        "{]",
        "",
        long.as_str(),
    ];
    for bad in bad {
        let set = format!("\u{feff} [{}, {bad}, {}]\n", good("a"), good("b"));
        let folder = folder(&set);
        let found = read(&folder, OnBadRecord::Skip).expect("the others are read");
        let kept: Vec<&str> = found.records.iter().map(|r| r.id.as_str()).collect();
        assert_eq!(kept, ["a", "b"], "{bad:.30}");
        let [(id, Reason::Malformed(_))] = found.skipped.reasons.as_slice() else {
            panic!("{bad:.30}: {:?}", found.skipped);
        };
        assert_eq!((id.as_str(), found.skipped.total), ("#1", 3));
        let error = read(&folder, OnBadRecord::Refuse).expect_err("refused");
        assert!(matches!(error, Error::BadRecord { id, .. } if id == "#1"));
    }
}

#[test]
fn a_file_that_is_no_list_is_an_error() {
    let cut = json!([good("a")]).to_string();
    let deep = "[".repeat(100_000);
    for set in [
        "",
        "{}",
        "17",
        &cut[..cut.len() - 1],
        "[] []",
        "[1,",
        "[1}]",
        "[1] x",
        &deep,
        "\u{0}\u{1}",
    ] {
        let folder = folder(set);
        let error = read(&folder, OnBadRecord::Skip).expect_err("refused");
        assert_eq!(error.code(), "dataset", "{set:.20}");
    }
    let nowhere = Path::new("no/such/set.json");
    let error = llava::read(nowhere, nowhere, OnBadRecord::Skip).expect_err("refused");
    assert_eq!(error.code(), "file-access");
    let folder = folder("[]");
    let error = llava::read(folder.path(), folder.path(), OnBadRecord::Skip).expect_err("refused");
    assert!(matches!(error.code(), "dataset" | "file-access"));
    assert_eq!(read(&folder, OnBadRecord::Skip).expect("empty").records, []);
}

#[test]
fn a_strangers_words_do_no_harm_in_messages() {
    let name = format!("\u{1b}[31m{}.png", "x".repeat(500));
    let id = "\u{1b}[2J\n".to_string() + &"7".repeat(500);
    let set = json!([{"id": id, "image": name, "conversations": [human("<image>\nA"), gpt("B")]}]);
    let folder = folder(&set.to_string());
    let found = read(&folder, OnBadRecord::Skip).expect("read");
    let error = read(&folder, OnBadRecord::Refuse).expect_err("refused");
    for message in [found.skipped.to_string(), error.to_string()] {
        assert!(!message.contains(char::is_control), "{message:?}");
        assert!(message.len() < 600, "{message}");
    }
}

#[test]
fn popes_lines_are_read_and_bad_ones_named() {
    let line = |id: u32, image: &str, text: &str, label: &str| {
        json!({"question_id": id, "image": image, "text": text, "label": label}).to_string()
    };
    let lines = [
        line(1, "x.png", "Is there a dog in the image?", "yes"),
        line(2, "y.png", "Is there a cat in the image?", "no"),
        String::new(),
        line(3, "x.png", "Is there a cat in the image?", "no"),
        line(4, "x.png", "Is there a cup in the image?", "maybe"),
        "{\"question_id\": 5,".into(),
        line(6, "../secret.png", "Is there a cup in the image?", "no"),
        line(7, "x.png", " ", "no"),
        json!({"question_id": 8, "text": "Is there?", "label": "no"}).to_string(),
    ];
    let folder = folder(&format!("\u{feff}{}", lines.join("\n")));
    let path = folder.path().join("set.json");
    let found = pope::read(&path, &images(&folder), OnBadRecord::Skip).expect("read");
    let kept: Vec<_> = found
        .records
        .iter()
        .map(|r| (r.id.as_str(), r.turns.clone()))
        .collect();
    let asked = |question, answer| turns(&[(question, answer)]);
    assert_eq!(
        kept,
        [
            ("1", asked("Is there a dog in the image?", "yes")),
            ("3", asked("Is there a cat in the image?", "no")),
        ]
    );
    assert_eq!(found.skipped.total, 8);
    let reasons: Vec<_> = found
        .skipped
        .reasons
        .iter()
        .map(|(id, r)| (id.as_str(), r.name()))
        .collect();
    assert_eq!(
        reasons,
        [
            ("2", "image missing"),
            ("4", "unknown label"),
            ("#4", "malformed entry"),
            ("6", "image outside the folder"),
            ("7", "empty text"),
            ("8", "malformed entry"),
        ]
    );
    let error = pope::read(&path, &images(&folder), OnBadRecord::Refuse).expect_err("refused");
    assert!(matches!(error, Error::BadRecord { id, .. } if id == "2"));

    fs::write(&path, "x".repeat(3 << 20)).expect("write");
    let error = pope::read(&path, &images(&folder), OnBadRecord::Skip).expect_err("refused");
    assert_eq!(error.code(), "dataset");
}
