//! Chat templates by somebody who means harm: what they may take is bounded, and what they say is what was said.

use inf_llava_core::sequence::Sequence;
use inf_llava_core::text::prompt::{Found, Placeholders, Prompt, Template};
use proptest::prelude::*;

use super::text_family::Model;
use super::text_templates::{answer, qwen, refused, user};

#[test]
fn a_template_may_not_take_more_than_it_is_given() {
    let deep = |part: &str, times: usize| format!("{{{{ {}1 }}}}", part.repeat(times));
    for (template, words) in [
        // Endless, or nearly so.
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            &["line 1", "steps"][..],
        ),
        (
            "\n{% for a in range(99999) %}{{ messages | tojson }}{% endfor %}",
            &["line 2", "steps"],
        ),
        (
            "{% for a in range(99999) %}{% set b = range(99999) | list %}{% endfor %}",
            &["steps"],
        ),
        (
            "{% for a in range(99999) %}{% set b = 'aaaaaaaaaaaaaaaa' | replace('a', 'bbbbbbbbbbbbbbbbbbbbbbb') %}{% endfor %}",
            &["steps"],
        ),
        // Huge.
        (
            "{% set n = namespace(x='aaaaaaaa') %}{% for a in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
            &["steps"],
        ),
        ("{{ 'a' * 1000000000 }}", &["line 1"]),
        ("{{ ['a'] * 1000000000 }}", &["line 1"]),
        ("{{ range(1000000000) }}", &["line 1"]),
        (
            "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' | indent(999999999) }}{{ '%999999999d' | format(1) }}",
            &["line 1"],
        ),
        ("{{ '' | center(999999999) }}", &["line 1"]),
        (
            "{% for a in range(4000) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}",
            &["says more than", "bytes"],
        ),
        // Deep.
        (
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            &["line 1", "recursion"],
        ),
        (
            "{% macro m(x) %}{{ m([x]) }}{% endmacro %}\n{{ m(1) }}",
            &["recursion"],
        ),
        (
            "{% set n = namespace(x=[]) %}{% for a in range(90000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
            &["line 1", "32 levels"],
        ),
        (
            "{% set n = namespace() %}\n{% set n.x = n %}{{ n }}",
            &["line 2", "a namespace"],
        ),
        (
            "{% set n = namespace() %}{% set n.x = {'a': [n]} %}{{ n }}",
            &["line 1", "a namespace"],
        ),
        (
            "{% set n = namespace() %}{% set n = namespace(x=n) %}{{ n }}",
            &["line 1", "a namespace"],
        ),
        (&"{% set n = [n] %}".repeat(33), &["line 1", "32 levels"]),
        (&deep("(", 50_000), &["line 1", "brackets"]),
        (&deep("[", 50_000), &["line 1", "brackets"]),
        (&deep("not ", 20_000), &["line 1", "words and signs"]),
        (&deep("-", 50_000), &["line 1", "words and signs"]),
        (&deep("x|list|", 50), &["line 1", "filters"]),
        (&"{% elif x %}".repeat(201), &["line 1", "elif"]),
        // A slice is worked out when it is looked at, by all that it is a slice of.
        (
            "{% set n = namespace(x=range(100)) %}{% for a in range(9000) %}{% set n.x = n.x[0:] %}{% endfor %}{{ n.x | list }}",
            &["steps"],
        ),
        (&"{% if true %}".repeat(9000), &["recursion"]),
        // What is not there.
        (
            "\n\n{{ x | shuffle }}",
            &["line 3", "unknown filter", "shuffle"],
        ),
        (
            "{% if x is weird %}{% endif %}",
            &["line 1", "unknown test", "weird"],
        ),
        (
            "{{ strftime_now('%Y') }}",
            &["line 1", "unknown function", "strftime_now"],
        ),
        ("{{ messages.pop() }}", &["line 1", "unknown method"]),
        ("{{ ''.__class__.__mro__ }}", &["line 1"]),
        ("{% include '/etc/passwd' %}", &["line 1"]),
        ("{% import 'os' as os %}", &["line 1"]),
        ("{% extends 'a' %}", &["line 1"]),
        ("{{ messages.nothing.more }}", &["line 1", "undefined"]),
        // No template.
        ("\n{% if %}", &["line 2", "syntax error"]),
        ("{% for m in messages %}", &["line 1", "syntax error"]),
        (
            "{{ raise_exception('no\n\u{1b}[2J' * 99) }}",
            &["line 1", "no\\n"],
        ),
        // What says nothing.
        ("", &["does not say what a user says"]),
        ("Hello", &["does not say what a user says"]),
        ("{{ messages }}", &["does not say what a user says"]),
        ("{{ messages[0].role }}", &["does not say what a user says"]),
        (
            "{% for i in [1, 2] %}{{ messages[0].content[0].text }}{% endfor %}",
            &["does not say what a user says"],
        ),
    ] {
        let short: String = template.chars().take(60).collect();
        let result = std::panic::catch_unwind(|| qwen(template).map(|_| ()));
        let result = result.unwrap_or_else(|_| panic!("{short}"));
        assert!(result.is_err(), "{short}");
        refused(result, words);
    }
    let long = "x".repeat(Template::MAX_BYTES + 1);
    refused(qwen(&long).map(|_| ()), &["at most 128 KiB"]);
}

/// Templates of pieces that Jinja knows, put together by chance.
fn odd_template() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{% for m in messages %}",
        "{% endfor %}",
        "{{ m.content[0].text }}",
        "{{ m.role }}",
        "{{",
        "}}",
        "{%",
        "%}",
        "{% generation %}",
        "{%- endgeneration -%}",
        "{% if m.role == 'user' %}",
        "{% endif %}",
        "<image>",
        "{#",
        "#}",
        "{% raw %}",
        "{% endraw %}",
        "{{ messages | tojson }}",
        "{{ loop.index }}",
        "{% set x = messages %}",
        "\n",
        "  ",
        "{{ m.content | map(attribute='text') | join }}",
        "<|im_start|>",
        "{{ x * 99 }}",
        "{% macro a() %}",
        "{% endmacro %}",
        "{{ a() }}",
        "{{ m.content[0].text | trim }}",
        "{% for x in range(999) %}",
        "|",
        "'",
        "-",
        "é",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn an_odd_template_is_refused_or_says_what_was_said(template in odd_template()) {
        let found = Found { file: "t.jinja".into(), text: template };
        let made = Template::new(found, Vec::new(), Vec::new(), Placeholders::default());
        let Ok(made) = made else { return Ok(()) };
        let prompt = Prompt::Template(made.into());
        let model = Model::find("llava-siglip-qwen2");
        let messages = vec![user("first<|im_end|>"), answer("second"), user("third")];
        let Ok(sequence) = model.sequence(&prompt, messages) else { return Ok(()) };
        let text = model.tokenizer.decode(&sequence.text_ids().collect::<Vec<_>>()).expect("text");
        for said in ["first<|im_end|>", "second", "third"] {
            prop_assert_eq!(text.matches(said).count(), 1, "{}", text);
        }
        prop_assert!(!sequence.is_empty());
        prop_assert_eq!(Sequence::media(&sequence).count(), 0);
    }
}
