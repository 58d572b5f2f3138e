//! The library's handle: a model on a thread of its own, asked from others.

use std::path::{Path, PathBuf};
use std::thread;

use inf_llava::engine::{Conversation, Engine, Options};
use inf_llava::error::Error;
use inf_llava::gpu::device::DeviceChoice;
use inf_llava::progress::StopFlag;
use inf_llava::session::{AskOptions, StopReason};

mod example {
    include!("../../examples/chat.rs");

    pub fn run() -> Result<(), Box<dyn std::error::Error>> {
        main()
    }
}

fn demo() -> PathBuf {
    crate::root().join("models/demo")
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(demo().join("samples").join(name)).unwrap()
}

fn open(folder: &Path) -> Engine {
    let options = Options {
        device: DeviceChoice::Cpu,
        ..Options::default()
    };
    Engine::open_with(folder, options).unwrap()
}

fn tiny() -> Engine {
    open(&crate::fixture("tiny"))
}

/// An answer that does not end by itself for long.
fn endless(conversation: &mut Conversation) {
    conversation.options = AskOptions {
        max_new_tokens: 8000,
        ..AskOptions::default()
    };
    conversation.options.sampling.temperature = 0.0;
    conversation.options.sampling.repetition_penalty = 0.1;
}

#[test]
fn handles_cross_threads() {
    fn crosses<T: Send>() {}
    fn is_shared<T: Send + Sync + Clone>() {}
    is_shared::<Engine>();
    crosses::<Conversation>();

    let engine = open(&demo());
    assert!(
        engine.loaded().device.contains("CPU"),
        "{:?}",
        engine.loaded()
    );
    assert!(engine.loaded().context_tokens > 0);
    let asked = |name: &'static str, question: &'static str| {
        let engine = engine.clone();
        thread::spawn(move || {
            let mut conversation = engine.conversation();
            conversation.options.sampling.temperature = 0.0;
            conversation.look(name, sample(name)).unwrap();
            let first = conversation.ask(question).unwrap();
            let again: String = conversation.stream(question).map(Result::unwrap).collect();
            assert_eq!(conversation.exchanges().len(), 2);
            assert_eq!(conversation.exchanges()[1].text, again);
            (first, conversation)
        })
    };
    let one = asked("1.png", "Read the white sign.");
    let two = asked("2.png", "Read the red sign.");
    drop(engine);
    let (one, _) = one.join().unwrap();
    let (two, mut conversation) = two.join().unwrap();
    // What the same model says when one thread asks alone.
    let alone = open(&demo());
    for (answer, name, question) in [
        (one, "1.png", "Read the white sign."),
        (two, "2.png", "Read the red sign."),
    ] {
        let mut fresh = alone.conversation();
        fresh.options.sampling.temperature = 0.0;
        let info = fresh.look(name, sample(name)).unwrap();
        assert!(info.width > 0 && info.vision_passes > 0);
        assert_eq!(fresh.ask(question).unwrap().token_ids, answer.token_ids);
    }
    // A conversation outlives the handle that it came from.
    assert!(!conversation.ask("How many?").unwrap().text.is_empty());
}

#[test]
fn the_example_in_the_crates_documentation_runs() {
    example::run().unwrap();
}

#[test]
fn pieces_that_are_dropped_stop_the_answer() {
    let engine = tiny();
    let mut conversation = engine.conversation();
    endless(&mut conversation);
    let first = conversation.stream("Hi").next().unwrap().unwrap();
    assert!(!first.is_empty());
    assert!(conversation.exchanges().is_empty(), "as it was");
    // Its turn comes, so the first one has ended.
    conversation.options.max_new_tokens = 4;
    assert!(conversation.ask("Hi").unwrap().answer_tokens <= 4);
}

#[test]
fn an_answer_is_stopped_from_another_thread() {
    let engine = tiny();
    let mut conversation = engine.conversation();
    endless(&mut conversation);
    let stop = conversation.stop_flag();
    let mut heard = String::new();
    let mut pieces = conversation.stream("Hi");
    for piece in pieces.by_ref() {
        heard += &piece.unwrap();
        let stop = stop.clone();
        thread::spawn(move || stop.stop()).join().unwrap();
    }
    let answer = pieces.answer().unwrap().clone();
    drop(pieces);
    assert_eq!(answer.stop_reason, StopReason::Stopped);
    assert_eq!(answer.text, heard);
    assert!(answer.answer_tokens < 8000);

    // One that was set before the question stops that question and no other.
    conversation.stop_flag().stop();
    assert_eq!(conversation.ask("Hi"), Err(Error::Stopped));
    conversation.options.max_new_tokens = 4;
    assert!(conversation.ask("Hi").is_ok());
}

#[test]
fn what_goes_wrong_is_typed_and_ends_nothing() {
    assert!(matches!(
        Engine::open("no/such/folder"),
        Err(Error::FileMissing { .. } | Error::FileAccess { .. })
    ));
    let stop = StopFlag::default();
    stop.stop();
    let options = Options {
        device: DeviceChoice::Cpu,
        ..Options::default()
    };
    let stopped = Engine::open_watched(crate::fixture("tiny"), options, stop, |_| {});
    assert!(matches!(stopped, Err(Error::Stopped)));

    let engine = tiny();
    let mut conversation = engine.conversation();
    conversation.options.max_new_tokens = 4;
    conversation
        .look(
            "1.png",
            std::fs::read(crate::fixture("tiny/images/1.png")).unwrap(),
        )
        .unwrap();
    let before = conversation.ask("How many?").unwrap();
    let refused = conversation.look("x.png", *b"no picture");
    assert!(matches!(refused, Err(Error::ImageFormat { file, .. }) if file == "x.png"));
    assert_eq!(conversation.ask(" "), Err(Error::EmptyQuestion));
    let useless = AskOptions {
        max_new_tokens: 0,
        ..AskOptions::default()
    };
    let kept = std::mem::replace(&mut conversation.options, useless);
    assert!(matches!(conversation.ask("Hi"), Err(Error::Option { .. })));
    conversation.options = kept;
    // The picture and what was said are still there.
    assert_eq!(conversation.exchanges().len(), 1);
    conversation.begin_anew();
    assert_eq!(
        conversation.ask("How many?").unwrap().token_ids,
        before.token_ids
    );
}
