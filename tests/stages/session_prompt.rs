//! A conversation by a chat template: rendered anew at every turn, and what the cache holds of it used again.

use std::rc::Rc;

use inf_llava::Error;
use inf_llava::model::Model;
use inf_llava::progress::Watch;
use inf_llava::session::{Answer, Exchange, Request, Session};
use inf_llava::spec::plan::Coverage;
use inf_llava::text::prompt::{Found, PromptChoice};
use inf_llava::weights::folder::Folder;

use super::session::{greedy, image};

/// A later turn has a sign before an answer that the first has not, so of what was generated nothing is kept.
const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}\
                        {% if m.role == 'assistant' %}>{% endif %}\
                        {% for c in m.content %}{{ '<image>\n' if c.type == 'image' else c.text }}{% endfor %}{{ '<|eot_id|>' }}{% endfor %}\
                        {{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}";

fn load(template: &str) -> Result<Rc<Model>, Error> {
    let choice = PromptChoice::Given(Found {
        file: "t.jinja".into(),
        text: template.into(),
    });
    let source = Folder::new(crate::fixture("tiny"));
    let device = crate::device("cpu");
    let watch = &mut Watch::nobody();
    let model = Model::load_with_prompt(source, &device, None, &choice, watch);
    crate::block_on(model).map(Rc::new)
}

fn session(model: &Rc<Model>) -> Session {
    let mut session = Session::new(model.clone(), Coverage::Live);
    crate::block_on(session.set_image("1.png", &image("1.png"), &mut Watch::nobody())).unwrap();
    session
}

fn ask(session: &mut Session, question: &str) -> Result<Answer, Error> {
    crate::block_on(session.ask(question, &greedy(8), &mut Watch::nobody()))
}

#[test]
fn a_later_turn_is_what_a_fresh_session_makes_of_it() {
    let model = load(TEMPLATE).unwrap();
    assert_eq!(model.prompt.name(), "t.jinja");
    let mut kept = session(&model);
    let first = ask(&mut kept, "How many?").unwrap();
    assert_eq!(first.image_tokens, 16);
    let second = ask(&mut kept, "And now?").unwrap();
    // All up to where the answer began is used again.
    assert_eq!(
        second.prompt_tokens - second.new_prompt_tokens,
        first.prompt_tokens
    );
    assert_eq!(second.vision_passes, 0);
    let again = crate::block_on(kept.regenerate(&greedy(8), &mut Watch::nobody())).unwrap();
    assert_eq!(again.token_ids, second.token_ids);

    let request = Request {
        before: vec![Exchange {
            question: "How many?".into(),
            token_ids: Some(first.token_ids.clone()),
            ..Exchange::default()
        }],
        question: "And now?".into(),
        options: greedy(8),
        ..Request::default()
    };
    let mut fresh = session(&model);
    let answer = crate::block_on(fresh.reply(&request, &mut Watch::nobody())).unwrap();
    assert_eq!(answer.input_ids, second.input_ids);
    assert_eq!(answer.token_ids, second.token_ids);
    // It goes on from there like the other one.
    let (a, b) = (
        ask(&mut kept, "Why?").unwrap(),
        ask(&mut fresh, "Why?").unwrap(),
    );
    assert_eq!((a.input_ids, a.token_ids), (b.input_ids, b.token_ids));

    // An answer that was begun goes on.
    let begun = second.token_ids[..3].to_vec();
    let begun = Request { begun, ..request };
    let answer = crate::block_on(fresh.reply(&begun, &mut Watch::nobody())).unwrap();
    assert_eq!(answer.token_ids, second.token_ids);
}

#[test]
fn what_a_template_refuses_leaves_the_conversation_as_it_was() {
    let template =
        "{% if messages | length > 1 %}{{ raise_exception('one question only') }}{% endif %}"
            .to_string()
            + TEMPLATE;
    let model = load(&template).unwrap();
    let mut session = session(&model);
    ask(&mut session, "How many?").unwrap();
    let before = session.sequence().clone();
    let error = ask(&mut session, "And now?").unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error:?}");
    assert!(error.to_string().contains("one question only"), "{error}");
    assert_eq!(*session.sequence(), before);
    session.new_chat();
    assert!(ask(&mut session, "And now?").is_ok());
    assert_eq!(ask(&mut session, " "), Err(Error::EmptyQuestion));
}

#[test]
fn a_template_is_refused_before_weights_are_read() {
    let error = load("{{ x | nothing }}").err().unwrap();
    assert!(error.to_string().contains("t.jinja: line 1"), "{error}");
}
