//! The loop that makes an answer, without a model: what ends it, what narrows it, and how it goes on.

use inf_llava_core::Error;
use inf_llava_core::Result;
use inf_llava_core::generate::constraint::Constraint;
use inf_llava_core::generate::generation::{Generated, Generation, Next, Predictor, StopReason};
use inf_llava_core::generate::{Sampler, Sampling};
use inf_llava_core::progress::{Event, StopFlag, Watch};

use crate::conversation::TINY;

const END: u32 = 505;

/// Says one id after another, each a little likelier than the next one but one.
struct Script {
    ids: Vec<u32>,
    seen: Vec<u32>,
    room: usize,
    /// How often the logits themselves were read.
    read: usize,
}

impl Script {
    fn new(text: &str) -> Self {
        let mut ids = TINY.encode_user(text).expect("ids");
        ids.push(END);
        Script {
            ids,
            seen: Vec::new(),
            room: 1000,
            read: 0,
        }
    }
}

impl Predictor for Script {
    async fn next(&mut self, only_largest: bool, _: &mut Watch<'_>) -> Result<Next> {
        let at = |place: usize| self.ids[place.min(self.ids.len() - 1)];
        let (first, second) = (at(self.seen.len()), at(self.seen.len() + 1));
        if only_largest {
            return Ok(Next::Largest(first));
        }
        self.read += 1;
        let mut logits = vec![0.0; 512];
        logits[second as usize] = 1.0;
        logits[first as usize] = 1.2;
        Ok(Next::Logits(logits))
    }

    fn seen(&self) -> Vec<u32> {
        self.seen.clone()
    }

    fn push(&mut self, id: u32) {
        self.seen.push(id);
    }

    fn is_full(&self) -> bool {
        self.seen.len() >= self.room
    }
}

fn generation(sampling: &Sampling) -> Generation<'static> {
    Generation {
        tokenizer: &TINY,
        sampler: Sampler::new(sampling).expect("settings"),
        constraint: None,
        stop_ids: &[END],
        stop_texts: Vec::new(),
        max_new_tokens: 100,
    }
}

/// The answer, and the text and ids that were told while it came.
fn run(
    generation: Generation<'_>,
    begun: &[u32],
    script: &mut Script,
) -> (Result<Generated>, String, Vec<u32>) {
    let (mut text, mut ids) = (String::new(), Vec::new());
    let mut watch = Watch::new(StopFlag::default(), |event| {
        if let Event::Piece { text: piece, id } = event {
            text += &piece;
            ids.extend(id);
        }
    });
    script.seen = begun.to_vec();
    let answer = crate::block_on(generation.run(begun.to_vec(), script, &mut watch));
    drop(watch);
    (answer, text, ids)
}

#[test]
fn an_answer_ends_with_the_model_s_own_end() {
    let mut script = Script::new("A red cat.");
    let (answer, text, ids) = run(generation(&Sampling::greedy()), &[], &mut script);
    let answer = answer.expect("an answer");
    assert_eq!(answer.text, "A red cat.");
    assert_eq!(text, answer.text);
    assert_eq!(answer.stop_reason, StopReason::Stop);
    assert_eq!(answer.token_ids, script.ids);
    assert_eq!(ids, script.ids[..script.ids.len() - 1]);
    assert_eq!(script.read, 0, "the largest is found where the logits are");
}

#[test]
fn what_is_drawn_needs_the_logits() {
    let warm = Sampling {
        temperature: 1.0,
        ..Sampling::default()
    };
    let penalised = Sampling {
        repetition_penalty: 1.1,
        ..Sampling::greedy()
    };
    for sampling in [warm, penalised] {
        let mut script = Script::new("A red cat.");
        let (answer, ..) = run(generation(&sampling), &[], &mut script);
        assert!(answer.is_ok() && script.read > 0, "{sampling:?}");
    }
}

#[test]
fn it_ends_for_want_of_tokens_or_of_room() {
    let mut script = Script::new("A red cat.");
    let short = Generation {
        max_new_tokens: 3,
        ..generation(&Sampling::greedy())
    };
    let (answer, ..) = run(short, &[], &mut script);
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.stop_reason, answer.token_ids.len()),
        (StopReason::Length, 3)
    );
    script.room = 2;
    let (answer, ..) = run(generation(&Sampling::greedy()), &[], &mut script);
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.stop_reason, answer.token_ids.len()),
        (StopReason::Context, 2)
    );
}

#[test]
fn it_ends_in_front_of_a_stop_text_also_where_that_was_begun() {
    let mut script = Script::new("A red cat, and a dog.");
    let with_stop = || Generation {
        stop_texts: vec!["at, a".into(), "zebra".into()],
        ..generation(&Sampling::greedy())
    };
    let (answer, text, _) = run(with_stop(), &[], &mut script);
    let whole = answer.expect("an answer");
    assert_eq!((whole.text.as_str(), text.as_str()), ("A red c", "A red c"));
    assert_eq!(whole.stop_reason, StopReason::Stop);
    // Wherever it was broken off.
    for begun in 0..=whole.token_ids.len() {
        let begun = whole.token_ids[..begun].to_vec();
        let (answer, ..) = run(with_stop(), &begun, &mut script);
        let answer = answer.expect("an answer");
        assert_eq!(
            (&answer.text, answer.stop_reason),
            (&whole.text, StopReason::Stop)
        );
        assert_eq!(answer.token_ids, whole.token_ids);
    }
}

/// What only began like a stop text is part of the answer after all.
#[test]
fn a_stop_text_that_never_ends_keeps_nothing_back() {
    let mut script = Script::new("A red cat");
    let with_stop = Generation {
        stop_texts: vec!["cats".into()],
        ..generation(&Sampling::greedy())
    };
    let (answer, text, _) = run(with_stop, &[], &mut script);
    assert_eq!(answer.expect("an answer").text, "A red cat");
    assert_eq!(text, "A red cat");
}

/// Lets every id come once.
#[derive(Default)]
struct Once(Vec<u32>);

impl Constraint for Once {
    fn restrict(&self, logits: &mut [f32]) {
        for &id in &self.0 {
            logits[id as usize] = f32::NEG_INFINITY;
        }
    }

    fn accept(&mut self, id: u32) -> Result<()> {
        if self.0.contains(&id) {
            return Err(Error::Option {
                option: "begun".into(),
                reason: format!("{id} has come before"),
            });
        }
        self.0.push(id);
        Ok(())
    }
}

#[test]
fn a_constraint_is_heeded_and_told_what_was_said_before() {
    let mut script = Script::new("aaab");
    let a = script.ids[0];
    let constrained = || Generation {
        constraint: Some(Box::<Once>::default()),
        ..generation(&Sampling::greedy())
    };
    let (answer, ..) = run(constrained(), &[], &mut script);
    let whole = answer.expect("an answer").token_ids;
    assert!(
        script.read > 0,
        "the device's largest id knows no constraint"
    );
    assert_eq!(whole.iter().filter(|&&id| id == a).count(), 1);
    // It goes on as it would have, from wherever it was broken off.
    for begun in 0..whole.len() {
        let (answer, ..) = run(constrained(), &whole[..begun], &mut script);
        assert_eq!(answer.expect("an answer").token_ids, whole);
    }
    // All of it had been said, its end too, which is no part of what the constraint hears.
    script.read = 0;
    let (answer, ..) = run(constrained(), &whole, &mut script);
    assert_eq!(answer.expect("an answer").token_ids, whole);
    assert_eq!(script.read, 0, "nothing more was computed");
    let (answer, ..) = run(constrained(), &[a, a], &mut script);
    assert!(matches!(answer, Err(Error::Option { .. })), "{answer:?}");
}

#[test]
fn what_is_drawn_goes_on_as_it_would_have() {
    let warm = Sampling {
        temperature: 3.0,
        seed: 4,
        ..Sampling::default()
    };
    let short = || Generation {
        max_new_tokens: 12,
        ..generation(&warm)
    };
    let mut script = Script::new("A red cat, and a dog.");
    let whole = run(short(), &[], &mut script).0.expect("an answer");
    for begun in 0..whole.token_ids.len() {
        let begun = &whole.token_ids[..begun];
        let answer = run(short(), begun, &mut script).0.expect("an answer");
        assert_eq!(answer.token_ids, whole.token_ids);
    }
}
