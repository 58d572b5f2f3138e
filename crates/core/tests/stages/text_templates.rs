//! Chat templates: where they are found, what they may do, and that they say what was said.

use inf_llava_core::Error;
use inf_llava_core::progress::{StopFlag, Watch};
use inf_llava_core::sequence::{self, MediaId};
use inf_llava_core::spec::Run;
use inf_llava_core::text::prompt::conv_llama3::{answer_ids, first_turn, next_turn};
use inf_llava_core::text::prompt::{
    Media, MediaKind, Message, PROMPT_FILES, Part, Prompt, Role, Room, Template, read_prompt,
};

use super::text_family::{Model, ROOM};

pub fn user(text: &str) -> Message<'_> {
    Message::text(Role::User, text)
}

pub fn answer(text: &str) -> Message<'_> {
    Message::text(Role::Assistant, text)
}

fn picture(number: u8, text: &str) -> Message<'_> {
    let media = sequence::Media {
        id: MediaId::of(&[&[number]]),
        first: 0,
        tokens: 5,
    };
    Message {
        role: Role::User,
        parts: vec![Part::Media(Media::image(media)), Part::Text(text.into())],
    }
}

/// A template of the Qwen2 fixture's, which has ChatML's tokens and no first one.
pub fn qwen(template: &str) -> Result<Prompt, Error> {
    Model::find("llava-siglip-qwen2").template(template)
}

/// What Qwen2's tokenizer makes of a conversation by a template, in words.
fn said(template: &str, messages: Vec<Message<'_>>) -> Result<String, Error> {
    let model = Model::find("llava-siglip-qwen2");
    let sequence = model.sequence(&qwen(template)?, messages)?;
    let is_text = |id: &u32| model.tokenizer.token_bytes(*id).is_some();
    let words = sequence.chunks().iter().map(|chunk| match chunk {
        sequence::Chunk::Text(ids) => {
            let runs = ids.chunk_by(|a, b| is_text(a) && is_text(b));
            let words = runs.map(|run| match is_text(&run[0]) {
                true => model.tokenizer.decode(run).expect("text"),
                false => format!("{run:?}"),
            });
            words.collect()
        }
        sequence::Chunk::Media(media) => format!("[{:?}]", media.tokens),
    });
    Ok(words.collect())
}

/// Asserts that it is refused as a file's fault, in one printable line with all of `words`.
pub fn refused<T: std::fmt::Debug>(result: Result<T, Error>, words: &[&str]) {
    let error = result.expect_err(words.first().copied().unwrap_or("an error"));
    let Error::Config { file, reason } = &error else {
        panic!("{words:?}: {error:?}");
    };
    assert_eq!(file, "t.jinja");
    assert!(!reason.contains(char::is_control), "{reason:?}");
    assert!(reason.len() < 600, "{reason}");
    for word in words {
        assert!(reason.contains(word), "no {word:?} in: {reason}");
    }
}

const SAYS: &str = "{% for m in messages %}{{ m.content[0].text }}|{% endfor %}";

#[test]
fn a_template_is_looked_for_in_this_order() {
    let names = PROMPT_FILES.map(|file| file.name);
    assert_eq!(
        names,
        [
            "processor_config.json",
            "chat_template.json",
            "chat_template.jinja",
            "tokenizer_config.json"
        ]
    );
    let text = |file: &str, bytes: &str| {
        read_prompt(file, bytes.as_bytes()).map(|found| found.map(|found| found.text))
    };
    assert_eq!(text("a/b.jinja", "{{ 1 }}\n"), Ok(Some("{{ 1 }}\n".into())));
    assert_eq!(text("b.jinja", "\u{feff}a"), Ok(Some("a".into())));
    for (json, template) in [
        (r#"{"chat_template": "x", "other": [1, {}]}"#, Some("x")),
        (r#"{"chat_template": null}"#, None),
        (r"{}", None),
        (
            r#"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "x"}]}"#,
            Some("x"),
        ),
        (
            r#"{"chat_template": {"tool_use": "t", "default": "x"}}"#,
            Some("x"),
        ),
    ] {
        assert_eq!(
            text("t.json", json),
            Ok(template.map(String::from)),
            "{json}"
        );
    }
    for (file, bytes, word) in [
        (
            "t.json",
            r#"{"chat_template": [{"name": "rag", "template": "t"}]}"#,
            "default",
        ),
        ("t.json", r#"{"chat_template": []}"#, "default"),
        ("t.json", r#"{"chat_template": 5}"#, "a template"),
        ("t.json", r#"{"chat_template": [5]}"#, "chat_template"),
        (
            "t.json",
            r#"{"chat_template": {"default": []}}"#,
            "chat_template",
        ),
        ("t.json", "<!DOCTYPE html>", "web page"),
        ("t.jinja", "<!DOCTYPE html>", "web page"),
        ("t.jinja", "", "empty"),
        (
            "t.jinja",
            &"x".repeat(Template::MAX_BYTES + 1),
            "at most 128 KiB",
        ),
    ] {
        let error = text(file, bytes).expect_err(word);
        assert!(
            matches!(&error, Error::Config { file: named, .. } if named == file),
            "{error:?}"
        );
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    assert!(read_prompt("t.jinja", b"\xff\xff\xff").is_err());
}

#[test]
fn what_published_templates_use_is_there() {
    let hi = || vec![user("Hi"), answer("Yes"), user("Why")];
    for (template, expected) in [
        (SAYS, "Hi|Yes|Why|"),
        (
            "{% for m in messages %}{{ m['role'].upper() }}:{{ m['content'][0]['text'] }} {% endfor %}",
            "USER:Hi ASSISTANT:Yes USER:Why ",
        ),
        (
            "{% for m in messages %}{{ m.role.title() + m.role.capitalize()[:1] }}{{ m.content[0].text }}{% endfor %}",
            "UserUHiAssistantAYesUserUWhy",
        ),
        (
            "{% for m in messages %}{% if m.role.startswith('us') %}{{ m.role.split('s')[0].strip() }}{% endif %}{{ m.content[0].text }}{% endfor %}",
            "uHiYesuWhy",
        ),
        (
            "{%- for m in messages -%}\n  {%- generation -%} {{ m.content[0].text }} {%- endgeneration -%}\n{%- endfor -%}",
            "HiYesWhy",
        ),
        (
            "  {% for m in messages %}\n{{ m.content[0].text }}\n  {% endfor %}\n",
            "Hi\nYes\nWhy\n",
        ),
        (
            "{% set n = namespace(first=true) %}{% for m in messages %}{% if not n.first %}, {% endif %}{% set n.first = false %}{{ m.content[0].text }}{% endfor %}",
            "Hi, Yes, Why",
        ),
        (
            "{% for m in messages %}{{ m.content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('') }}{{ ';' if not loop.last else '' }}{% endfor %}",
            "Hi;Yes;Why",
        ),
        (
            "{% for m in messages %}{% for c in m.content %}{% if c.type == 'text' %}{{ c.text }}{% break %}{% endif %}{% endfor %}{% endfor %}",
            "HiYesWhy",
        ),
        (
            "{% macro say(m) %}{{ m.content[0].text ~ '.' }}{% endmacro %}{% for m in messages %}{{ say(m) }}{% endfor %}",
            "Hi.Yes.Why.",
        ),
        (
            "{{ {'a': [1, true, none], 'b': '<>'} | tojson }}{% for m in messages %}{{ m.content[0].text }}{% endfor %}",
            "{\"a\": [1, true, null], \"b\": \"<>\"}HiYesWhy",
        ),
        (
            "{% if tools is not none or documents is not none %}no{% endif %}{% if strftime_now is defined %}no{% endif %}{% for m in messages %}{{ m.content[0].text }}{% endfor %}{% if add_generation_prompt %}!{% endif %}",
            "HiYesWhy!",
        ),
        // Messages as plain texts, trimmed.
        (
            "{% for m in messages %}{{ m['content'] | trim }}/{% endfor %}",
            "Hi/Yes/Why/",
        ),
        (
            "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}",
            "[508]user\nHi[509]\n[508]assistant\nYes[509]\n[508]user\nWhy[509]\n",
        ),
        (
            "{% for m in messages %}{{ m['content'] if m['content'] is string else m['content'][0]['text'] }};{% endfor %}",
            "Hi;Yes;Why;",
        ),
        // Another order is the template's own affair.
        (
            "{% for m in messages | reverse %}{{ m.content[0].text }} {% endfor %}",
            "Why Yes Hi ",
        ),
    ] {
        assert_eq!(said(template, hi()).as_deref(), Ok(expected), "{template}");
    }
}

/// Texts are trimmed where a template trims, and only there; what is inside them stays.
#[test]
fn white_space_is_the_templates_affair() {
    let text = " \n Hi  there\t\u{3000}";
    for (filter, expected) in [
        ("", text),
        (" | trim", "Hi  there"),
        (".strip()", "Hi  there"),
        (".lstrip()", "Hi  there\t\u{3000}"),
        (".rstrip()", " \n Hi  there"),
        (".strip('\n ')", "Hi  there\t\u{3000}"),
    ] {
        let template =
            format!("{{% for m in messages %}}<{{{{ m.content[0].text{filter} }}}}>{{% endfor %}}");
        assert_eq!(
            said(&template, vec![user(text)]),
            Ok(format!("<{expected}>")),
            "{filter}"
        );
    }
}

#[test]
fn a_template_that_does_not_say_what_was_said_is_refused() {
    let hi = || vec![user("Hi"), answer("Yes"), user("Why")];
    for (template, words) in [
        (
            "{% for m in messages[-1:] %}{{ m.content[0].text }}{% endfor %}",
            &["leaves out"][..],
        ),
        (
            "{% for m in messages %}{{ m.content[0].text }}{% endfor %}{% if messages | length > 1 %}{{ messages[1].content[0].text }}{% endif %}",
            &["more than once", "\"Yes\""],
        ),
        (
            "{% for m in messages %}{{ m.content[0].text | upper }}{% endfor %}",
            &["looks at what is said"],
        ),
        (
            "{% for m in messages %}{{ m.content[0].text.replace('i', 'o') }}{% endfor %}",
            &["looks at what is said"],
        ),
        (
            "{% for m in messages %}{% if 'Why' in m.content[0].text %}!{% endif %}{{ m.content[0].text }}{% endfor %}",
            &["looks at what is said"],
        ),
        (
            "{% for m in messages %}{{ m.content[0].text | length }}{{ m.content[0].text }}{% endfor %}",
            &["looks at what is said"],
        ),
        (
            "{% for m in messages %}{{ m.content[0].text[:1] }}{% endfor %}",
            &["looks at what is said"],
        ),
        (
            "{% for m in messages %}{% if m.role == 'assistant' %}{{ raise_exception('no answers') }}{% endif %}{{ m.content[0].text }}{% endfor %}",
            &["line 1", "no answers"],
        ),
    ] {
        refused(said(template, hi()), words);
    }
    // A text that would have to be escaped is another one then.
    let quoted = "{% for m in messages %}{{ m.content[0].text | tojson }}{% endfor %}";
    assert_eq!(said(quoted, vec![user("Hi")]).as_deref(), Ok("\"Hi\""));
    refused(
        said(quoted, vec![user("\"Hi\"")]),
        &["looks at what is said"],
    );
    // What a template has itself is told from what was said.
    let own =
        "\u{f0000}{{ '\u{f0001}' }}{% for m in messages %}{{ m.content[0].text }}{% endfor %}";
    let signs = "\u{f0000}\u{f0001}\u{f0002}\u{f0003} {{ x }} \u{10fffd}";
    assert_eq!(
        said(own, vec![user(signs), answer(signs), user(signs)]),
        Ok(format!("\u{f0000}\u{f0001}{signs}{signs}{signs}"))
    );
    // An escape makes a sign that the template does not have in its text.
    let made = "{{ '\\udb80\\udc00' }}{% for m in messages %}{{ m.content[0].text }}{% endfor %}";
    refused(said(made, hi()), &["the chat template"]);
}

#[test]
fn a_place_is_for_one_picture() {
    let one = "{% for m in messages %}{% for c in m.content %}{{ '<image>' if c.type == 'image' else c.text }}{% endfor %};{% endfor %}";
    assert_eq!(
        said(
            one,
            vec![picture(1, "<image>"), answer("<video>"), picture(2, "b")]
        )
        .as_deref(),
        Ok("[5]<image>;<video>;[5]b;")
    );
    refused(
        said(
            SAYS,
            vec![Message {
                parts: picture(1, "a").parts.into_iter().rev().collect(),
                role: Role::User,
            }],
        ),
        &["0 places", "has 1"],
    );
    let two = "<image>{% for m in messages %}<image>{{ m.content[-1].text }}{% endfor %}";
    refused(said(two, vec![picture(1, "a")]), &["2 places", "has 1"]);
    let video = one.replace("<image>", "<video>");
    refused(
        said(&video, vec![picture(1, "a")]),
        &["1 for videos (<video>)", "has 1 and 0"],
    );
    // A template may put pictures first.
    let sorted = "{% for m in messages %}{% for c in m.content %}{% if c.type == 'image' %}<image>{% endif %}{% endfor %}{% for c in m.content %}{{ '<video>' if c.type == 'video' else c.text }}{% endfor %}{% endfor %}";
    let mut both = picture(1, "a");
    let runs = [Run::Tokens(7)];
    let video = Media::new(MediaKind::Video, MediaId::of(&[&[2]]), &runs);
    both.parts.insert(0, Part::Media(video));
    assert_eq!(said(sorted, vec![both]).as_deref(), Ok("[5][7]a"));
    // As one text the picture stands before what is asked, as in the original LLaVA.
    let plain = "{% for m in messages %}{{ m['content'] }};{% endfor %}";
    assert_eq!(said(plain, vec![picture(1, "a")]).as_deref(), Ok("[5]\na;"));
    // Neighbours do not meet.
    let model = Model::find("llava-siglip-qwen2");
    let both = vec![picture(1, "a"), answer("b"), picture(2, "c")];
    let sequence = model
        .sequence(&qwen(one).expect("a template"), both)
        .expect("a sequence");
    let ids: Vec<MediaId> = sequence.media().map(|(media, _)| media.id).collect();
    assert_eq!(ids, [MediaId::of(&[&[1]]), MediaId::of(&[&[2]])]);
}

#[test]
fn the_first_token_stands_there_once() {
    let model = Model::find("llava-clip-llama");
    let first = |template: &str| {
        let prompt = model.template(template).expect("a template");
        let sequence = model
            .sequence(&prompt, vec![user("Hi")])
            .expect("a sequence");
        sequence.text_ids().filter(|&id| id == 1).count()
    };
    assert_eq!(first("{{ messages[0].content[0].text }}"), 1);
    assert_eq!(first("{{ bos_token }}{{ messages[0].content[0].text }}"), 1);
    assert_eq!(
        first("{{ bos_token }}{{ bos_token }}{{ messages[0].content[0].text }}"),
        2
    );
    // What is typed is no first token.
    let prompt = model
        .template("{{ messages[0].content[0].text }}")
        .expect("a template");
    let sequence = model
        .sequence(&prompt, vec![user("<s>Hi")])
        .expect("a sequence");
    assert_eq!(sequence.text_ids().filter(|&id| id == 1).count(), 1);
    assert_eq!(sequence.text_ids().next(), Some(1));
}

/// Vicuna's history has no `</s>`, so what was generated is given up from there on, and nothing before it.
#[test]
fn a_later_turn_keeps_what_is_still_true() {
    let model = Model::find("llava-clip-llama");
    let prompt = model.prompt();
    let first = model
        .sequence(&prompt, vec![picture(1, "What is it?")])
        .expect("a sequence");
    let mut generated = prompt.answer(&model.tokenizer, "A bird.").expect("ids");
    generated.push(model.tokenizer.id_of("</s>").expect("a token"));
    let mut held = first.clone();
    held.extend(generated.clone());
    let later = vec![
        picture(1, "What is it?"),
        Message::generated(generated.clone()),
        user("Why?"),
    ];
    let later = model.sequence(&prompt, later).expect("a sequence");
    assert_eq!(later.in_common(&held), held.len() - 1);
    let other = vec![
        picture(2, "What is it?"),
        Message::generated(generated),
        user("Why?"),
    ];
    let other = model.sequence(&prompt, other).expect("a sequence");
    assert!(other.in_common(&held) < 10, "another picture");
}

#[test]
fn what_cannot_fit_is_left_early() {
    let model = Model::find("llava-siglip-qwen2");
    let sequence =
        |prompt: &Prompt, room: Room, messages: &mut dyn Iterator<Item = Message<'static>>| {
            let messages = messages.map(Ok);
            let watch = &mut Watch::nobody();
            pollster::block_on(prompt.sequence(&model.tokenizer, messages, room, watch))
        };
    let prompt = qwen(SAYS).expect("a template");
    let room = Room { context_tokens: 40 };
    let mut taken = 0;
    let mut many = std::iter::repeat_with(|| {
        taken += 1;
        assert!(taken < 1000, "endless");
        Message::text(Role::User, "a")
    });
    assert!(matches!(
        sequence(&prompt, room, &mut many),
        Err(Error::ContextExceeded {
            context_tokens: 40,
            ..
        })
    ));
    let mut book = std::iter::once(Message::text(Role::User, "a".repeat(100_000)));
    let found = sequence(&prompt, room, &mut book);
    assert_eq!(
        found,
        Err(Error::ContextExceeded {
            needed_tokens: 390,
            context_tokens: 40,
            hint: String::new(),
        })
    );
    // What is too long only once it is encoded.
    let mut page = std::iter::once(Message::text(Role::User, "a b c d ".repeat(20)));
    assert!(matches!(
        sequence(&prompt, room, &mut page),
        Err(Error::ContextExceeded { .. })
    ));
    for blank in ["", " \n"] {
        let mut blank = std::iter::once(Message::text(Role::User, blank));
        assert_eq!(
            sequence(&prompt, ROOM, &mut blank),
            Err(Error::EmptyQuestion)
        );
    }
}

#[test]
fn stop_is_heard_while_a_long_text_is_encoded() {
    let model = Model::find("llava-clip-llama");
    let prompt = model.prompt();
    let text = "What does the sign say? ".repeat(40_000);
    let stop = StopFlag::default();
    let mut watch = Watch::new(stop.clone(), |_| {});
    let room = Room {
        context_tokens: 1 << 20,
    };
    stop.stop();
    let messages = std::iter::once(Ok(user(&text)));
    let heard = prompt.sequence(&model.tokenizer, messages, room, &mut watch);
    assert_eq!(pollster::block_on(heard), Err(Error::Stopped));
}

#[test]
fn an_error_among_the_messages_is_told() {
    let model = Model::find("llava-siglip-qwen2");
    for prompt in [
        qwen(SAYS).expect("a template"),
        Prompt::ConvLlama3 { bos: 505 },
    ] {
        let watch = &mut Watch::nobody();
        let messages = [Err(Error::Stopped), Ok(user("a"))].into_iter();
        let found = prompt.sequence(&model.tokenizer, messages, ROOM, watch);
        assert_eq!(pollster::block_on(found), Err(Error::Stopped));
    }
}

/// The release's prompt, whole, is what it is turn by turn.
#[test]
fn the_releases_prompt_keeps_what_was_generated() {
    let model = Model::find("vlsa");
    let tokenizer = &model.tokenizer;
    let (prompt, bos) = (model.prompt(), 507);
    assert_eq!(prompt.name(), "conv_llama3");
    let end = tokenizer.id_of("<|eot_id|>").expect("a token");
    // Ids that no tokenizer would give, and one that was cut off.
    for generated in [vec![1, 2, 3, end], vec![70, 71], vec![]] {
        let media = sequence::Media {
            id: MediaId::of(&[&[1]]),
            first: 0,
            tokens: 5,
        };
        let mut expected = first_turn(tokenizer, bos, "What?", Some(media)).expect("a turn");
        expected.extend(generated.clone());
        let last = expected.last_id().expect("an id");
        expected.append(next_turn(tokenizer, last, "Why?").expect("a turn"));
        expected.extend(answer_ids(tokenizer, "So <|eot_id|>").expect("ids"));
        let last = expected.last_id().expect("an id");
        expected.append(next_turn(tokenizer, last, "Oh?").expect("a turn"));
        let messages = vec![
            picture(1, "What?"),
            Message::generated(generated),
            user("Why?"),
            answer("So <|eot_id|>"),
            user("Oh?"),
        ];
        assert_eq!(model.sequence(&prompt, messages), Ok(expected));
    }
    let refused = [
        vec![Message::text(Role::System, "Be brief."), user("a")],
        vec![user("a"), answer("b"), picture(1, "c")],
    ];
    for messages in refused {
        let error = model.sequence(&prompt, messages).expect_err("refused");
        assert!(matches!(error, Error::Option { .. }), "{error:?}");
        assert!(error.to_string().contains("conv_llama3"), "{error}");
    }
    assert_eq!(
        model.sequence(&prompt, vec![user(" ")]),
        Err(Error::EmptyQuestion)
    );
}
