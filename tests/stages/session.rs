//! A conversation: what is kept between turns, and what a stop or an error leaves behind.

use std::rc::Rc;

use inf_llava::Error;
use inf_llava::generate::Sampling;
use inf_llava::gpu::device::ChosenDevice;
use inf_llava::gpu::read::read;
use inf_llava::language::kv_cache::KvCache;
use inf_llava::model::Model;
use inf_llava::progress::{Event, Phase, StopFlag, Watch};
use inf_llava::recorder::Recorder;
use inf_llava::sequence::{Media, Sequence};
use inf_llava::session::{Answer, AskOptions, Request, Session, StopReason};
use inf_llava::spec::plan::Coverage;
use inf_llava::weights::folder::Folder;

pub fn greedy(max_new_tokens: usize) -> AskOptions {
    AskOptions {
        sampling: Sampling::greedy(),
        max_new_tokens,
        ..AskOptions::default()
    }
}

pub fn image(name: &str) -> Vec<u8> {
    std::fs::read(crate::fixture("tiny").join("images").join(name)).unwrap()
}

fn session(model: &Rc<Model>) -> Session {
    let mut session = Session::new(model.clone(), Coverage::Live);
    crate::block_on(session.set_image("1.png", &image("1.png"), &mut Watch::nobody())).unwrap();
    session
}

fn ask(session: &mut Session, question: &str, options: &AskOptions) -> Answer {
    crate::block_on(session.ask(question, options, &mut Watch::nobody())).unwrap()
}

/// Asks and stops after `pieces` tokens.
fn ask_and_stop(
    session: &mut Session,
    question: &str,
    after_tokens: usize,
) -> Result<Answer, Error> {
    let stop = StopFlag::default();
    let handle = stop.clone();
    let mut pieces = 0;
    let mut watch = Watch::new(stop, |event| {
        if let Event::Piece { .. } = event {
            pieces += 1;
            if pieces == after_tokens {
                handle.stop();
            }
        }
    });
    crate::block_on(session.ask(question, &greedy(60), &mut watch))
}

#[test]
fn a_second_turn_computes_only_itself() {
    for device in ["cpu", "wgpu"] {
        let model = crate::load("tiny", device);
        let mut session = session(&model);
        let first = ask(&mut session, "How many?", &greedy(8));
        assert_eq!(
            (first.vision_passes, first.image_tokens),
            (10, 16),
            "{device}"
        );
        assert_eq!(first.new_prompt_tokens, first.prompt_tokens);

        let second = ask(&mut session, "And now?", &greedy(8));
        assert_eq!(second.vision_passes, 0, "{device}");
        let grown = second.prompt_tokens - first.prompt_tokens - first.answer_tokens;
        // Its own tokens, and the answer's last one, which nobody had computed yet.
        assert_eq!(second.new_prompt_tokens, grown + 1, "{device}");
        assert!(second.new_prompt_tokens < first.new_prompt_tokens);
    }
}

/// The kept cache changes nothing: the same sequence in one go gives the same answer.
#[test]
fn a_second_turn_equals_a_fresh_run() {
    let model = crate::load("tiny", "cpu");
    let mut kept = session(&model);
    ask(&mut kept, "How many?", &greedy(8));
    let second = ask(&mut kept, "And now?", &greedy(12));

    // The whole sequence at once, through nothing that the session has kept.
    let picture = model.decode_picture("1.png", &image("1.png")).unwrap();
    let logits = crate::block_on(async {
        let views = crate::views(&model, &picture, Coverage::Live);
        let watch = &mut Watch::nobody();
        let encoded = model
            .vision()?
            .encode(&views, watch, &mut Recorder::off())
            .await?;
        let answer = second.token_ids.iter().map(|&id| id as i32);
        let ids: Vec<i32> = second.input_ids.iter().copied().chain(answer).collect();
        let ids = Sequence::from_numbers(&ids, Media::only(encoded.tokens())).unwrap();
        let visual_tokens = |_| Ok(encoded.visual_tokens.clone());
        let embeds = crate::block_on(model.embed(&ids, visual_tokens)).unwrap();
        let mut cache = KvCache::new(&model.config.decoder, 512, &model.device.device);
        let hidden = model.decoder.forward(embeds, &model.rope, &mut cache);
        read(model.decoder.logits(hidden, second.token_ids.len() + 1)).await
    })
    .unwrap();
    let vocabulary = model.config.decoder.vocab_size;
    for (step, (row, &id)) in logits.chunks(vocabulary).zip(&second.token_ids).enumerate() {
        let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert!(best - row[id as usize] < 1e-3, "step {step}");
    }
}

/// Of the first picture's conversation only what stands before the picture is used again.
#[test]
fn another_picture_never_answers_from_the_first_ones_keys() {
    let model = crate::load("tiny", "cpu");
    let mut session = session(&model);
    ask(&mut session, "How many?", &greedy(8));
    let (second, watch) = (image("0.png"), &mut Watch::nobody());
    crate::block_on(session.set_image("0.png", &second, watch)).unwrap();
    let answer = ask(&mut session, "How many?", &greedy(8));

    let mut fresh = Session::new(model.clone(), Coverage::Live);
    crate::block_on(fresh.set_image("0.png", &second, watch)).unwrap();
    let expected = ask(&mut fresh, "How many?", &greedy(8));
    assert_eq!(answer.token_ids, expected.token_ids);
    assert_eq!(expected.new_prompt_tokens, expected.prompt_tokens);
    let (_, picture) = session.sequence().media().next().unwrap();
    let before = answer.prompt_tokens - answer.new_prompt_tokens;
    assert_eq!(before, picture.start);
    assert!(before > 10, "the system prompt is computed once");
}

#[test]
fn stopped_anywhere_the_next_answer_equals_a_fresh_runs() {
    let model = crate::load("tiny", "cpu");
    for after in [1, 2, 5, 9, 17] {
        let mut stopped = session(&model);
        let partial = ask_and_stop(&mut stopped, "How many?", after).unwrap();
        assert_eq!(partial.stop_reason, StopReason::Stopped, "after {after}");
        stopped.new_chat();
        let again = ask(&mut stopped, "How many?", &greedy(24));
        assert_eq!(
            again.text,
            ask(&mut session(&model), "How many?", &greedy(24)).text
        );
        assert!(
            again
                .text
                .starts_with(partial.text.trim_end_matches('\u{fffd}')),
            "after {after}"
        );
    }
}

#[test]
fn regenerate_answers_the_same_question() {
    let model = crate::load("tiny", "cpu");
    let mut session = session(&model);
    ask(&mut session, "First?", &greedy(5));
    let second = ask(&mut session, "Second?", &greedy(20));
    let again = crate::block_on(session.regenerate(&greedy(20), &mut Watch::nobody())).unwrap();
    assert_eq!(again.token_ids, second.token_ids);
    assert_eq!(again.input_ids, second.input_ids);
    // Only the last token of the prompt was computed again.
    assert_eq!((again.new_prompt_tokens, again.vision_passes), (1, 0));
    let third = ask(&mut session, "Third?", &greedy(5));
    assert!(third.prompt_tokens > second.prompt_tokens + second.answer_tokens);
}

#[test]
fn a_stop_before_the_answer_leaves_the_conversation() {
    let model = crate::load("tiny", "cpu");
    let mut session = session(&model);
    ask(&mut session, "How many?", &greedy(6));
    let before = session.sequence().clone();
    let stop = StopFlag::default();
    stop.stop();
    let long = "word ".repeat(400);
    let result =
        crate::block_on(session.ask(&long, &greedy(6), &mut Watch::new(stop.clone(), |_| {})));
    assert_eq!(result, Err(Error::Stopped));
    assert_eq!(*session.sequence(), before);

    let result =
        crate::block_on(session.set_image("0.png", &image("0.png"), &mut Watch::new(stop, |_| {})));
    assert_eq!(result.err(), Some(Error::Stopped));
    assert_eq!(
        *session.sequence(),
        before,
        "a picture that was stopped must leave the conversation"
    );
    ask(&mut session, "Still there?", &greedy(3));
}

#[test]
fn bad_pictures_and_questions_leave_the_conversation() {
    let model = crate::load("tiny", "cpu");
    let mut session = session(&model);
    ask(&mut session, "How many?", &greedy(6));
    let before = session.sequence().clone();
    let bad = crate::block_on(session.set_image("x.png", b"no picture", &mut Watch::nobody()));
    assert!(
        matches!(bad, Err(Error::ImageFormat { ref file, .. }) if file == "x.png"),
        "{bad:?}"
    );
    let mut try_ask =
        |question: &str| crate::block_on(session.ask(question, &greedy(3), &mut Watch::nobody()));
    assert_eq!(try_ask("  \n"), Err(Error::EmptyQuestion));
    let long = try_ask(&"word ".repeat(5000));
    assert!(
        matches!(long, Err(Error::ContextExceeded { needed_tokens, context_tokens: 4096, .. }) if needed_tokens > 5000),
        "{long:?}"
    );
    assert_eq!(*session.sequence(), before);
}

/// A text that takes long to encode, and in the end would not fit.
#[test]
fn a_stop_is_heard_while_a_question_is_encoded() {
    let model = crate::load("tiny", "cpu");
    let mut session = session(&model);
    ask(&mut session, "How many?", &greedy(6));
    let before = session.sequence().clone();
    let stop = StopFlag::default();
    stop.stop();
    let long = "word ".repeat(100_000);
    let mut watch = Watch::new(stop, |_| {});
    let result = crate::block_on(session.ask(&long, &greedy(6), &mut watch));
    assert_eq!(result, Err(Error::Stopped));
    assert_eq!(*session.sequence(), before);
}

/// A text of many megabytes is refused at once, not after seconds in the tokenizer.
#[test]
fn a_book_is_no_question() {
    let model = crate::load("tiny", "cpu");
    let book = " ".repeat(200) + &"word ".repeat(10_000_000);
    let result = crate::block_on(session(&model).ask(&book, &greedy(3), &mut Watch::nobody()));
    assert!(
        matches!(result, Err(Error::ContextExceeded { needed_tokens, .. }) if needed_tokens > 100_000),
        "{result:?}"
    );
}

/// What does not fit is refused with the numbers, before any weight is read.
#[test]
fn a_model_that_does_not_fit_is_refused() {
    let load = |device: ChosenDevice| {
        let mut progress = 0;
        let mut watch = Watch::new(StopFlag::default(), |_| progress += 1);
        let source = Folder::new(crate::fixture("tiny"));
        let error = crate::block_on(Model::load(source, &device, None, &mut watch)).err();
        drop(watch);
        (error, progress)
    };
    let cpu = crate::device("cpu");
    let (error, progress) = load(ChosenDevice {
        free_bytes: Some(5 << 20),
        ..cpu.clone()
    });
    assert!(
        matches!(
            &error,
            Some(Error::Memory {
                needed_mib: 6..10,
                available_mib: 5,
                ..
            })
        ),
        "{error:?}"
    );
    assert_eq!(progress, 0);
    // The largest tensors are the embedding and the head, 507 x 96.
    let (error, _) = load(ChosenDevice {
        max_tensor_bytes: 507 * 96 * 4 - 1,
        ..cpu.clone()
    });
    assert!(matches!(error, Some(Error::Memory { .. })), "{error:?}");
    let (error, _) = load(ChosenDevice {
        max_tensor_bytes: 507 * 96 * 4,
        ..cpu
    });
    assert_eq!(error, None);
}

#[test]
fn the_context_ends_an_answer() {
    let device = crate::device("cpu");
    let source = Folder::new(crate::fixture("tiny"));
    let model =
        crate::block_on(Model::load(source, &device, Some(90), &mut Watch::nobody())).unwrap();
    let mut session = session(&Rc::new(model));
    let answer = ask(&mut session, "Read the sign.", &greedy(500));
    assert!(
        matches!(answer.stop_reason, StopReason::Context | StopReason::Stop),
        "{:?}",
        answer.stop_reason
    );
    assert!(answer.prompt_tokens + answer.answer_tokens <= 91);
}

#[test]
fn loading_can_be_stopped() {
    let stop = StopFlag::default();
    let handle = stop.clone();
    let mut watch = Watch::new(stop, |event| {
        if matches!(event, Event::Progress { phase: Phase::Weights, done, total } if done * 2 > total)
        {
            handle.stop();
        }
    });
    let source = Folder::new(crate::fixture("tiny"));
    let result = crate::block_on(Model::load(source, &crate::device("cpu"), None, &mut watch));
    assert_eq!(result.err(), Some(Error::Stopped));
}

#[test]
fn the_same_seed_gives_the_same_answer() {
    let model = crate::load("tiny", "cpu");
    let options = |seed| AskOptions {
        sampling: Sampling {
            temperature: 1.5,
            seed,
            ..Sampling::default()
        },
        max_new_tokens: 24,
        ..AskOptions::default()
    };
    let answer = |seed| ask(&mut session(&model), "How many?", &options(seed)).token_ids;
    assert_eq!(answer(7), answer(7));
    assert_ne!(answer(7), answer(8));
}

/// What was looked at is told for every token of an answer, alike on every device, and leaves the conversation as it was:
/// the next answer is that of a session that was never asked.
#[test]
fn what_the_model_looked_at() {
    let mut maps = Vec::new();
    for device in ["cpu", "wgpu"] {
        let model = crate::load("tiny", device);
        let (mut looked_into, mut left_alone) = (session(&model), session(&model));
        for session in [&mut looked_into, &mut left_alone] {
            ask(session, "What is in the picture?", &greedy(6));
        }
        let said = looked_into.sequence().len();
        let image_tokens = model.info("").image_tokens;
        for index in [said - 6, said - 1] {
            let map = crate::block_on(looked_into.attention(index)).unwrap();
            assert_eq!(map.len(), image_tokens);
            let all: f32 = map.iter().sum();
            assert!(
                map.iter().all(|&share| share >= 0.0) && all > 0.0 && all < 1.0,
                "{all}"
            );
            maps.push(map);
        }
        let question = "And what else?";
        let answers = [&mut looked_into, &mut left_alone].map(|session| {
            let answer = ask(session, question, &greedy(12));
            (answer.token_ids, answer.new_prompt_tokens)
        });
        assert_eq!(answers[0], answers[1]);
        // Before the picture, at the picture, behind what was said.
        let (_, picture) = looked_into.sequence().media().next().unwrap();
        for index in [0, picture.start, picture.end, looked_into.sequence().len()] {
            let error = crate::block_on(looked_into.attention(index)).unwrap_err();
            assert_eq!(error.code(), "option", "{index}");
        }
    }
    assert_ne!(maps[0], maps[1], "another token, another look");
    for (cpu, gpu) in maps[..2].iter().zip(&maps[2..]) {
        let error = cpu.iter().zip(gpu).map(|(a, b)| (a - b).abs());
        assert!(error.fold(0.0, f32::max) < 1e-5);
    }
}

/// It would look like a model that has nothing to say.
#[test]
fn an_answer_of_no_token_is_refused() {
    let model = crate::load("tiny", "cpu");
    let mut session = session(&model);
    let before = ask(&mut session, "How many?", &greedy(3));
    let (none, watch) = (greedy(0), &mut Watch::nobody());
    let request = Request {
        question: "How many?".into(),
        options: none.clone(),
        ..Request::default()
    };
    for refused in [
        crate::block_on(session.ask("And now?", &none, watch)),
        crate::block_on(session.regenerate(&none, watch)),
        crate::block_on(session.reply(&request, watch)),
    ] {
        let Err(Error::Option { option, reason }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(option, "max_new_tokens");
        assert!(reason.contains("at least 1"), "{reason}");
    }
    // The conversation is as it was.
    let again = crate::block_on(session.regenerate(&greedy(3), watch)).unwrap();
    assert_eq!(again.token_ids, before.token_ids);
}
