//! One cache for several conversations, each of which is handed over whole.

use std::rc::Rc;

use inf_llava::Error;
use inf_llava::model::Model;
use inf_llava::progress::{Event, StopFlag, Watch};
use inf_llava::session::{Answer, AskOptions, Exchange, Request, Session, Shared, StopReason};
use inf_llava::spec::Detail;
use inf_llava::spec::plan::Coverage;

use crate::session::{greedy, image};

fn shared(model: &Rc<Model>, pictures: &[&str]) -> Shared {
    let mut shared = Shared::new(model.clone(), Coverage::Live);
    for key in pictures {
        read_picture(&mut shared, key).unwrap();
    }
    shared
}

fn read_picture(shared: &mut Shared, key: &str) -> Result<usize, Error> {
    let (bytes, watch) = (image("1.png"), &mut Watch::nobody());
    crate::block_on(shared.read_picture(key, "1.png", &bytes, true, Detail::Auto, watch))
        .map(|info| info.vision_passes)
}

fn request(picture: Option<&str>, before: &[Exchange], question: &str) -> Request {
    let mut request = Request {
        before: before.to_vec(),
        question: question.to_string(),
        options: greedy(12),
        ..Request::default()
    };
    picture.into_iter().for_each(|key| request.show_first(key));
    request
}

fn reply(shared: &mut Shared, request: &Request) -> Result<Answer, Error> {
    crate::block_on(shared.reply(request, &mut Watch::nobody()))
}

fn said(question: &str, answer: &Answer) -> Exchange {
    Exchange {
        question: question.to_string(),
        token_ids: Some(answer.token_ids.clone()),
        ..Exchange::default()
    }
}

#[test]
fn conversations_that_take_turns_are_as_if_each_were_alone() {
    let model = crate::load("tiny", "cpu");
    let mut alone: Vec<Vec<Answer>> = Vec::new();
    for with_picture in [true, false] {
        let mut session = Session::new(model.clone(), Coverage::Live);
        if with_picture {
            let watch = &mut Watch::nobody();
            crate::block_on(session.set_image("1.png", &image("1.png"), watch)).unwrap();
        }
        let ask = |session: &mut Session, question: &str| {
            crate::block_on(session.ask(question, &greedy(12), &mut Watch::nobody())).unwrap()
        };
        alone.push(vec![
            ask(&mut session, "How many?"),
            ask(&mut session, "And now?"),
        ]);
    }

    let mut shared = shared(&model, &["one"]);
    let mut before = [Vec::new(), Vec::new()];
    for (turn, question) in ["How many?", "And now?"].into_iter().enumerate() {
        for (who, picture) in [Some("one"), None].into_iter().enumerate() {
            let answer = reply(&mut shared, &request(picture, &before[who], question)).unwrap();
            assert_eq!(answer.input_ids, alone[who][turn].input_ids, "{who} {turn}");
            assert_eq!(answer.token_ids, alone[who][turn].token_ids, "{who} {turn}");
            before[who].push(said(question, &answer));
        }
    }
}

#[test]
fn what_the_cache_holds_is_not_computed_again() {
    let model = crate::load("tiny", "cpu");
    let mut shared = shared(&model, &["one"]);
    let first = reply(&mut shared, &request(Some("one"), &[], "How many?")).unwrap();
    assert_eq!(first.vision_passes, 10);
    assert_eq!(first.new_prompt_tokens, first.prompt_tokens);

    let before = [said("How many?", &first)];
    let second = reply(&mut shared, &request(Some("one"), &before, "And now?")).unwrap();
    assert_eq!(second.vision_passes, 0);
    let grown = second.prompt_tokens - first.prompt_tokens - first.answer_tokens;
    assert_eq!(second.new_prompt_tokens, grown + 1);

    // The same question again: its last token alone, for its logits.
    let again = reply(&mut shared, &request(Some("one"), &before, "And now?")).unwrap();
    assert_eq!(again.token_ids, second.token_ids);
    assert_eq!(again.new_prompt_tokens, 1);

    // A picture that is held is not read again.
    assert_eq!(read_picture(&mut shared, "one"), Ok(10));
}

#[test]
fn an_answer_that_was_begun_goes_on_as_it_would_have() {
    let model = crate::load("tiny", "cpu");
    for temperature in [0.0, 1.5] {
        let mut whole = request(Some("one"), &[], "How many?");
        whole.options.sampling.temperature = temperature;
        whole.options.sampling.seed = 7;
        let mut first = shared(&model, &["one"]);
        let mut pieces = (String::new(), Vec::new());
        let mut watch = Watch::new(StopFlag::default(), |event| {
            if let Event::Piece { text, id } = event {
                pieces.0 += &text;
                pieces.1.extend(id);
            }
        });
        let expected = crate::block_on(first.reply(&whole, &mut watch)).unwrap();
        drop(watch);
        assert_eq!(pieces.0, expected.text);
        // The id that ends an answer says nothing.
        let spoken = match expected.stop_reason {
            StopReason::Stop => expected.token_ids.len() - 1,
            _ => expected.token_ids.len(),
        };
        assert_eq!(pieces.1, expected.token_ids[..spoken]);
        for begun in 0..=expected.token_ids.len() {
            let mut rest = whole.clone();
            rest.begun = expected.token_ids[..begun].to_vec();
            let answer = reply(&mut shared(&model, &["one"]), &rest).unwrap();
            assert_eq!(answer.text, expected.text, "{temperature} {begun}");
            assert_eq!(
                answer.token_ids, expected.token_ids,
                "{temperature} {begun}"
            );
            assert_eq!(
                answer.stop_reason, expected.stop_reason,
                "{temperature} {begun}"
            );
        }
    }
}

#[test]
fn features_that_were_kept_give_the_same_answer_without_a_pass() {
    let model = crate::load("tiny", "cpu");
    let mut first = shared(&model, &["one"]);
    let expected = reply(&mut first, &request(Some("one"), &[], "How many?")).unwrap();
    let features = crate::block_on(first.features("one")).unwrap();
    let info = first.picture("one").unwrap().clone();

    let mut second = shared(&model, &[]);
    for wrong in [features[1..].to_vec(), vec![f32::NAN; features.len()]] {
        let refused = second.restore_picture("one", info.clone(), wrong);
        assert!(refused.is_err_and(|e| e.code() == "option"));
    }
    second.restore_picture("one", info, features).unwrap();
    assert_eq!(second.picture("one").unwrap().vision_passes, 0);
    let answer = reply(&mut second, &request(Some("one"), &[], "How many?")).unwrap();
    assert_eq!(answer.token_ids, expected.token_ids);
    assert_eq!(answer.vision_passes, 0);
}

#[test]
fn what_is_not_held_is_said_and_changes_nothing() {
    let model = crate::load("tiny", "cpu");
    let mut shared = shared(&model, &["0"]);
    let good = request(Some("0"), &[], "How many?");
    let expected = reply(&mut shared, &good).unwrap();

    let mut strange = request(Some("0"), &[], "How many?");
    strange.begun = vec![u32::MAX];
    let mut answered = request(Some("0"), &[], "And now?");
    answered.before = vec![Exchange {
        question: "How many?".into(),
        token_ids: Some(vec![1 << 20]),
        ..Exchange::default()
    }];
    let unread = request(Some("unread"), &[], "How many?");
    for bad in [strange, answered] {
        assert!(reply(&mut shared, &bad).is_err_and(|e| e.code() == "option"));
    }
    assert!(reply(&mut shared, &unread).is_err_and(|e| e.code() == "picture-not-held"));
    let empty = request(Some("0"), &[], " ");
    assert!(reply(&mut shared, &empty).is_err_and(|e| e.code() == "empty-question"));
    assert_eq!(
        reply(&mut shared, &good).unwrap().token_ids,
        expected.token_ids
    );

    // As many pictures are held as two contexts have room for; the one that was used least lately goes.
    let most = 2 * model.context_tokens / model.info("").image_tokens;
    for key in 1..=most {
        read_picture(&mut shared, &key.to_string()).unwrap();
    }
    assert!(shared.picture("0").is_none());
    assert!(shared.picture("1").is_some() && shared.picture(&most.to_string()).is_some());
}

/// Not every exchange of a million is encoded before it is seen that they do not fit; nor an answer that is a book.
#[test]
fn a_conversation_too_long_is_refused_early() {
    let model = crate::load("tiny", "cpu");
    let mut shared = shared(&model, &[]);
    let exchange = |text: &str, token_ids| Exchange {
        question: "Why?".into(),
        token_ids,
        text: text.into(),
        ..Exchange::default()
    };
    let mut many = vec![exchange("Because.", None); 3000];
    many.push(exchange("", Some(vec![u32::MAX])));
    let result = reply(&mut shared, &request(None, &many, "And?"));
    assert!(
        matches!(result, Err(Error::ContextExceeded { .. })),
        "{result:?}"
    );

    let book = [exchange(&"word ".repeat(10_000_000), None)];
    let stop = StopFlag::default();
    stop.stop();
    let mut watch = Watch::new(stop, |_| {});
    let result = crate::block_on(shared.reply(&request(None, &book, "And?"), &mut watch));
    assert!(
        matches!(result, Err(Error::ContextExceeded { .. })),
        "{result:?}"
    );
}

#[test]
fn what_was_looked_at_is_told_of_any_conversation() {
    let model = crate::load("tiny", "cpu");
    let mut shared = shared(&model, &["one"]);
    let mut looked = request(Some("one"), &[], "How many?");
    let answer = reply(&mut shared, &looked).unwrap();
    reply(&mut shared, &request(None, &[], "Something else?")).unwrap();
    looked.begun = answer.token_ids[..3].to_vec();
    let shares = crate::block_on(shared.attention(&looked)).unwrap();

    let mut session = Session::new(model.clone(), Coverage::Live);
    let watch = &mut Watch::nobody();
    crate::block_on(session.set_image("1.png", &image("1.png"), watch)).unwrap();
    let options: AskOptions = greedy(12);
    crate::block_on(session.ask("How many?", &options, watch)).unwrap();
    let index = answer.prompt_tokens + 2;
    let expected = crate::block_on(session.attention(index)).unwrap();
    assert_eq!(shares.len(), 16);
    for (found, wanted) in shares.iter().zip(&expected) {
        assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
    }
}

#[test]
fn what_the_enhancement_looks_at() {
    // N = 3 and 4 tokens a crop side: a map of 12 x 12, of which the live residue is the middle one.
    for device in ["cpu", "wgpu"] {
        let model = crate::load("tiny", device);
        let session = Session::new(model.clone(), Coverage::Live);
        let watch = &mut Watch::nobody();
        let bytes = image("1.png");
        let looked = session.enhancement_attention("1.png", &bytes, watch);
        let looked = crate::block_on(looked).unwrap();
        assert_eq!((looked.detail.len(), looked.overview.len()), (144, 16));
        for tile in 0..9 {
            let in_tile = |at: &usize| (at / 12) / 4 * 3 + (at % 12) / 4 == tile;
            let sum: f32 = (0..144).filter(in_tile).map(|at| looked.detail[at]).sum();
            assert!((sum - 1.0).abs() < 1e-4, "{device} tile {tile}: {sum}");
        }
        let sum: f32 = looked.overview.iter().sum();
        assert!((sum - 1.0).abs() < 1e-4, "{device}: {sum}");
        let most = looked
            .detail
            .iter()
            .fold(0.0_f32, |most, &share| most.max(share));
        assert!(most > 1.0 / 16.0 + 1e-4, "{device}: not all alike");
    }
}
