//! `--chat-template`: which prompt a model is asked with, what is said of it, and what is refused.

use super::files::copy_of_tiny;
use super::{QUESTION, chat, image, json, refused, run, stdout, text, tiny};

/// The released prompt without its system text, as a template.
const TEMPLATE: &str = "{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}\
                        {% for c in m.content %}{{ '<image>\n' if c.type == 'image' else c.text }}{% endfor %}{{ '<|eot_id|>' }}{% endfor %}\
                        {{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}";

#[test]
fn a_model_is_asked_with_the_prompt_that_is_chosen() {
    let dir = copy_of_tiny();
    let model = dir.path().display().to_string();
    let info = |more: &[&str]| {
        let mut args = vec!["info", "--json", "--model", &model];
        args.extend(more);
        json(&stdout(&args))
    };
    let said = info(&[]);
    assert_eq!(said["prompt"], "conv_llama3");
    assert!(said["chat_template"].is_null(), "{said}");
    let checkpoint = ["--chat-template", "checkpoint"];
    refused(
        &["info", "--model", &model, "--chat-template", "checkpoint"],
        3,
        &["chat_template.jinja"],
    );

    // A template that lies there is told of, and changes nothing.
    let file = dir.path().join("chat_template.jinja");
    std::fs::write(&file, TEMPLATE).expect("written");
    let said = info(&[]);
    assert_eq!(said["prompt"], "conv_llama3");
    let own = file.display().to_string();
    assert_eq!(said["chat_template"], own.as_str());
    assert_eq!(info(&checkpoint)["prompt"], own.as_str());
    let words = stdout(&["info", "--model", &model]);
    assert!(
        words.contains("prompt       conv_llama3; the template in"),
        "{words}"
    );

    let picture = image(1);
    let ask = |more: &[&str]| {
        let mut args = vec!["chat", "--device", "cpu", "--temperature", "0", "--json"];
        args.extend(["--model", &model, "--image", &picture, "--prompt", QUESTION]);
        args.extend(more);
        json(&stdout(&args))
    };
    let released = json(&chat(&["--prompt", QUESTION, "--json"]));
    let numbers = |answer: &serde_json::Value| answer["input_ids"].clone();
    assert_eq!(numbers(&ask(&[])), numbers(&released));
    assert_eq!(
        numbers(&ask(&["--chat-template", "conv_llama3"])),
        numbers(&released)
    );
    let by_template = numbers(&ask(&checkpoint));
    assert_ne!(by_template, numbers(&released));
    assert_eq!(numbers(&ask(&["--chat-template", &own])), by_template);
    // The last part, from the picture on, is the released prompt's.
    let tail = |numbers: &serde_json::Value| {
        let numbers = numbers.as_array().expect("numbers").clone();
        let at = numbers
            .iter()
            .position(|id| *id == -200)
            .expect("a picture");
        numbers[at..].to_vec()
    };
    assert_eq!(tail(&by_template), tail(&numbers(&released)));

    // What it would say next is compared with a model that is asked in the same way.
    let mut args = vec![
        "eval",
        "--device",
        "cpu",
        "--json",
        "--count",
        "2",
        "--questions",
        "2",
    ];
    args.extend(["--model", &model, "--reference", &model]);
    args.extend(checkpoint);
    let said = json(&stdout(&args));
    assert_eq!(said["divergence"]["mean"], 0.0, "{said}");
    assert!(said["divergence"]["tokens"].as_u64() > Some(2), "{said}");
}

#[test]
fn a_template_that_cannot_be_used_is_told_before_anything_is_computed() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (model, picture) = (tiny(), image(1));
    for (template, code, words) in [
        (
            "nowhere.jinja".to_string(),
            3,
            &["nowhere.jinja", "conv_llama3"][..],
        ),
        (file("a.jinja", "a\n{{ oh"), 3, &["a.jinja", "line 2"]),
        (
            file(
                "b.jinja",
                "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            ),
            3,
            &["b.jinja", "steps"],
        ),
        (
            file("c.jinja", "nothing is said"),
            3,
            &["c.jinja", "does not say"],
        ),
        (file("d.json", "{}"), 3, &["d.json", "chat_template"]),
        (
            file(
                "e.json",
                "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"\"}]}",
            ),
            3,
            &["e.json", "default"],
        ),
    ] {
        let args = [
            "chat",
            "--device",
            "cpu",
            "--model",
            &model,
            "--image",
            &picture,
            "--prompt",
            QUESTION,
            "--chat-template",
            &template,
        ];
        refused(&args, code, words);
    }
    let missing = [
        "serve",
        &model,
        "--port",
        "0",
        "--chat-template",
        "nowhere.jinja",
    ];
    refused(&missing, 3, &["nowhere.jinja"]);
    // A text that the template does not keep is told where it is met.
    let upper = file("f.jinja", "{{ messages[0].content[-1].text | upper }}");
    let args = [
        "chat",
        "--device",
        "cpu",
        "--model",
        &model,
        "--image",
        &picture,
        "--prompt",
        QUESTION,
        "--chat-template",
        &upper,
    ];
    refused(&args, 3, &["f.jinja", "what is said"]);
}

#[test]
fn a_converted_model_keeps_its_template() {
    let dir = copy_of_tiny();
    let settings = dir.path().join("tokenizer_config.json");
    let json_text = serde_json::json!({"eos_token": "<|eot_id|>", "chat_template": TEMPLATE});
    std::fs::write(&settings, json_text.to_string()).expect("written");
    let to = dir.path().join("small");
    let (from, path) = (dir.path().display().to_string(), to.display().to_string());
    stdout(&["convert", &from, &path, "--quant", "q8"]);
    let carried = std::fs::read_to_string(to.join("chat_template.jinja")).expect("a template");
    assert_eq!(carried, TEMPLATE);
    assert_eq!(stdout(&["verify", &path]), format!("{path} is whole\n"));
    let said = json(&stdout(&["info", "--json", "--model", &path]));
    let own = to.join("chat_template.jinja").display().to_string();
    assert_eq!(
        (&said["prompt"], &said["chat_template"]),
        (&"conv_llama3".into(), &own.into())
    );

    // One that cannot be read is left out, since the released prompt needs none.
    std::fs::write(&settings, "{\"chat_template\": 5}").expect("written");
    let other = dir.path().join("other").display().to_string();
    let output = run(&["convert", &from, &other, "--quant", "q8"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("gets no chat template"));
    assert!(
        !std::path::Path::new(&other)
            .join("chat_template.jinja")
            .exists()
    );
}
