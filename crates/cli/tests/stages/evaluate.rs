//! Scores: known intervals, hand-counted tables, and the official rule for yes and no.

use inf_llava::Error;
use inf_llava_cli::evaluate::pope::says_yes;
use inf_llava_cli::evaluate::score::{is_match, normalised};
use inf_llava_cli::evaluate::{Pope, Score, Tally};
use proptest::prelude::*;
use serde_json::json;

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 5e-5, "{found} is not {expected}");
}

#[test]
fn an_answer_matches_but_for_case_spaces_and_one_full_stop() {
    for answer in ["red", " Red.", "RED\n", "red ."] {
        assert!(is_match("red", answer), "{answer:?}");
        assert!(is_match(answer, "red"), "{answer:?}");
    }
    for answer in ["", "re d", "red..", ".red", "red,", "reds", "a red"] {
        assert!(!is_match("red", answer), "{answer:?}");
    }
    assert_eq!(normalised(" K7P. "), "k7p");
    assert_eq!(normalised("\u{c9}COLE."), "\u{e9}cole");
    assert_eq!(normalised("."), "");
}

#[test]
fn intervals_are_wilsons() {
    // The last four are in R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I,
    // method 3; the others were worked out from the formula apart from this program.
    for (correct, count, low, high) in [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 10, 0.0179, 0.4042),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ] {
        let found = Score { correct, count }.interval();
        assert!(
            (found[0] - low).abs() < 6e-5,
            "{correct}/{count}: {found:?}"
        );
        assert!(
            (found[1] - high).abs() < 6e-5,
            "{correct}/{count}: {found:?}"
        );
    }
    assert_eq!(Score::default().interval(), [0.0, 1.0]);
    assert_eq!(Score::default().exact_match(), 0.0);
}

proptest! {
    #[test]
    fn an_interval_holds_the_share(count in 1_u64..1_000_000, part in 0.0..=1.0) {
        let correct = (count as f64 * part) as u64;
        let score = Score { correct, count };
        let [low, high] = score.interval();
        prop_assert!(0.0 <= low && low <= score.exact_match(), "{score:?}");
        prop_assert!(score.exact_match() <= high && high <= 1.0, "{score:?}");
    }
}

fn tally() -> Tally {
    let mut tally = Tally::default();
    for (expected, answer, family, held_out) in [
        ("K7P", "K7P", Some("reading"), None),
        ("BUS", "BUZ", Some("reading"), Some("words")),
        ("3", "3.", Some("counting"), None),
        ("red", "Red", Some("colour"), Some("colour_shape")),
        ("red", "blue", None, None),
    ] {
        let is_correct = tally.add(expected, answer, family, held_out);
        assert_eq!(is_correct, !matches!(answer, "BUZ" | "blue"), "{answer}");
    }
    tally
}

#[test]
fn answers_are_tallied_by_family_and_by_what_was_held_out() {
    let report = tally().report(Some(0.25)).expect("report");
    let mut found = serde_json::to_value(&report).expect("JSON");
    let interval = found["interval"].take();
    assert_eq!(
        found,
        json!({
            "overall": 0.6,
            "families": {
                "colour": {"exact_match": 1.0, "count": 1},
                "counting": {"exact_match": 1.0, "count": 1},
                "reading": {"exact_match": 0.5, "count": 2},
            },
            "held_out": {
                "colour_shape": {"exact_match": 1.0, "count": 1},
                "words": {"exact_match": 0.0, "count": 1},
            },
            "count": 5,
            "interval": null,
            "chance": 0.25,
        })
    );
    assert_near(interval[0].as_f64().expect("low"), 0.23072);
    assert_near(interval[1].as_f64().expect("high"), 0.88238);
    let without = serde_json::to_value(tally().report(None).expect("report")).expect("JSON");
    assert!(without.get("chance").is_none());
}

#[test]
fn a_report_is_a_table_for_a_person() {
    let report = tally().report(Some(0.25)).expect("report");
    assert_eq!(
        report.to_string(),
        "\
question                exact match   count
colour                      100.0 %       1
counting                    100.0 %       1
reading                      50.0 %       2
held out: colour_shape      100.0 %       1
held out: words               0.0 %       1
all                          60.0 %       5
95 % interval: 23.1 % to 88.2 %; chance: 25.0 %"
    );
}

#[test]
fn nothing_scored_is_an_error() {
    let error = Tally::default()
        .report(None)
        .expect_err("nothing was scored");
    assert_eq!(error, Error::NothingScored);
    assert_eq!(error.code(), "nothing-scored");
}

#[test]
fn yes_and_no_are_read_as_the_official_script_reads_them() {
    for answer in [
        "Yes",
        "yes.",
        "",
        "NO",
        "Nope",
        "nothing. No",
        "There is one",
    ] {
        assert!(says_yes(answer), "{answer:?}");
    }
    for answer in [
        "No",
        "no",
        "No.",
        "No, there is none",
        "It is not there",
        " no\n",
    ] {
        assert!(!says_yes(answer), "{answer:?}");
    }
}

#[test]
fn popes_figures_are_those_counted_by_hand() {
    let mut pope = Pope::default();
    for (is_there, answer, times) in [
        (true, "Yes", 6),
        (false, "yes", 2),
        (false, "No.", 9),
        (true, "no", 3),
    ] {
        for _ in 0..times {
            let is_correct = pope.add(is_there, answer);
            assert_eq!(is_correct, is_there == says_yes(answer));
        }
    }
    assert_eq!(pope.count(), 20);
    let found = serde_json::to_value(pope).expect("JSON");
    let figure = |name: &str| found[name].as_f64().expect("a number");
    assert_near(figure("accuracy"), 15.0 / 20.0);
    assert_near(figure("precision"), 6.0 / 8.0);
    assert_near(figure("recall"), 6.0 / 9.0);
    assert_near(figure("f1"), 2.0 * 0.75 * (2.0 / 3.0) / (0.75 + 2.0 / 3.0));
    assert_near(figure("yes_ratio"), 8.0 / 20.0);
    assert_eq!(found["count"], 20);
    assert_eq!(
        pope.to_string(),
        "\
accuracy    75.0 %
precision   75.0 %
recall      66.7 %
F1          70.6 %
yes ratio   40.0 %
count         20"
    );
    let none = Pope::default();
    assert_eq!([none.accuracy(), none.precision(), none.f1()], [0.0; 3]);
}

#[test]
fn divergence_is_that_worked_out_by_hand() {
    use inf_llava_cli::evaluate::run::Divergence;
    let mut divergence = Divergence::default();
    // Even odds against three to one: half of ln (0.5 / 0.75) + ln (0.5 / 0.25).
    divergence.add(&[0.0, 0.0], &[3f32.ln(), 0.0], 2);
    assert_near(divergence.mean, 0.5 * (4f64 / 3.0).ln());
    // A shift of all logits changes nothing.
    divergence.add(
        &[5.0, 1.0, 900.0, -900.0],
        &[105.0, 101.0, 900.0, -900.0],
        2,
    );
    assert_eq!(divergence.tokens, 3);
    assert_near(divergence.mean, 0.5 * (4f64 / 3.0).ln() / 3.0);
}
