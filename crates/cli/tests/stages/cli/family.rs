//! Other models than INF-LLaVA, as their users meet them: several pictures, system messages, detail, and what each refuses.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::server::Server;
use super::{json, refused, run, run_with_input, stdout, text};

/// Every model of the family, with the pictures that a conversation may have.
const FAMILY: [(&str, bool); 13] = [
    ("smolvlm-tiny", true),
    ("idefics3-tiny", true),
    ("smolvlm-geometry", true),
    ("llava-clip-llama", true),
    ("llava-clip-llama3-full", true),
    ("llava-siglip-qwen2", true),
    ("llava-next-clip-llama", true),
    ("llava-next-clip-mistral", true),
    ("llava-next-clip-mistral-window", true),
    ("llava-onevision-siglip-qwen2", true),
    ("llava-original", true),
    ("llava-next-original", true),
    ("vlsa", false),
];

fn folder(name: &str) -> PathBuf {
    crate::fixture("family").join(name)
}

fn model(name: &str) -> String {
    folder(name).display().to_string()
}

fn picture(index: usize) -> String {
    folder("smolvlm-tiny")
        .join(format!("images/{index}.png"))
        .display()
        .to_string()
}

/// The answer to a question about pictures, as JSON, of a model on the processor.
fn chat(model: &str, pictures: &[usize], more: &[&str]) -> Value {
    let pictures: Vec<String> = pictures.iter().map(|&index| picture(index)).collect();
    let mut args = vec!["chat", "--device", "cpu", "--model", model, "--json"];
    args.extend(["--prompt", "What is it?", "--max-new-tokens", "4"]);
    args.extend(["--temperature", "0"]);
    for picture in &pictures {
        args.extend(["--image", picture]);
    }
    args.extend(more);
    json(&stdout(&args))
}

fn count(answer: &Value, name: &str) -> u64 {
    answer[name].as_u64().expect(name)
}

#[test]
fn every_model_answers_converted_and_not() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, several) in FAMILY {
        let from = model(name);
        let to = dir.path().join(name).display().to_string();
        stdout(&["convert", &from, &to, "--quant", "q8"]);
        assert_eq!(stdout(&["verify", &to]), format!("{to} is whole\n"));
        let pictures: &[usize] = if several { &[0, 1] } else { &[0] };
        let [own, converted] = [&from, &to].map(|model| chat(model, pictures, &[]));
        for field in [
            "image_tokens",
            "prompt_tokens",
            "vision_passes",
            "input_ids",
        ] {
            assert_eq!(own[field], converted[field], "{name} {field}");
        }
        assert!(count(&own, "image_tokens") > 0 && count(&own, "answer_tokens") > 0);
        // Text alone is a chat with each.
        assert_eq!(count(&chat(&to, &[], &[]), "image_tokens"), 0, "{name}");
        let info = json(&stdout(&["info", "--json", "--model", &to]));
        let passes = info["vision_passes"]["live"].as_u64().expect("passes");
        assert!(passes >= 1 && info["without_kernel"] == json!([]), "{info}");
    }
}

#[test]
fn parity_is_the_command_for_every_model() {
    let said = stdout(&[
        "parity",
        "--device",
        "cpu",
        "--model",
        &model("llava-next-clip-mistral-window"),
    ]);
    assert!(
        said.contains("32 comparisons, 0 beyond their limit"),
        "{said}"
    );
}

#[test]
fn a_model_for_one_picture_says_so() {
    let (first, second) = (picture(0), picture(1));
    let vlsa = model("vlsa");
    let two = [
        "chat", "--device", "cpu", "--model", &vlsa, "--prompt", "Q", "--image", &first, "--image",
        &second,
    ];
    refused(&two, 2, &["1 picture", "this one has 2"]);
}

#[test]
fn pictures_come_and_go_in_a_conversation() {
    let typed = format!(
        "/image {}\nWhat?\n/image {}\nAnd this?\n/new\nBoth?\n/forget\nHi?\n",
        picture(0),
        picture(1)
    );
    let smolvlm = model("smolvlm-tiny");
    let args = [
        "chat",
        "--device",
        "cpu",
        "--model",
        &smolvlm,
        "--max-new-tokens",
        "2",
        "--verbose",
    ];
    let output = run_with_input(&args, typed.as_bytes());
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let passes: Vec<&str> = told
        .lines()
        .filter_map(|line| line.split_once("computed, "))
        .filter_map(|(_, rest)| rest.split_whitespace().next())
        .collect();
    // Thirteen tiles, nine more for the other picture, then everything is known.
    assert_eq!(passes, ["13", "9", "0", "0"], "{told}");
}

#[test]
fn detail_chooses_how_many_views_there_are() {
    let smolvlm = model("smolvlm-tiny");
    let passes = |detail: &str| {
        let answer = chat(&smolvlm, &[0], &["--detail", detail]);
        (
            count(&answer, "vision_passes"),
            count(&answer, "image_tokens"),
        )
    };
    let all = passes("auto");
    assert_eq!(
        (passes("low"), all, passes("high")),
        ((1, 4), (13, 52), all)
    );
    let (fewer, tokens) = passes("30");
    assert!(fewer > 1 && fewer < 13 && tokens <= 30, "{fewer} {tokens}");
    let onevision = model("llava-onevision-siglip-qwen2");
    let tokens = |detail: &str| {
        let answer = chat(&onevision, &[0], &["--detail", detail]);
        count(&answer, "image_tokens")
    };
    // One view and a newline token: what it was trained with for several pictures.
    assert_eq!(tokens("low"), 10);
    assert!(tokens("auto") > 30 && tokens("30") <= 30);
    let args = [
        "chat", "--model", &smolvlm, "--prompt", "Q", "--detail", "finest",
    ];
    refused(&args, 2, &["--detail", "low, auto, high"]);
}

/// No weight of INF-LLaVA depends on the number of its crops: at low detail it is the model with one.
#[test]
fn low_detail_of_inf_llava_is_one_crop() {
    let dir = tempfile::tempdir().expect("a folder");
    let tiny = crate::fixture("tiny");
    for entry in std::fs::read_dir(&tiny).expect("the fixture") {
        let path = entry.expect("a file").path();
        if path.is_file() {
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, dir.path().join(name)).expect("a copy");
        }
    }
    let change = |file: &str, change: &dyn Fn(&mut Value)| {
        let path = dir.path().join(file);
        let mut value = json(&std::fs::read_to_string(&path).expect("JSON"));
        change(&mut value);
        std::fs::write(&path, value.to_string()).expect("written");
    };
    change("config.json", &|config| {
        config["inf_llava"]["crops_per_side"] = json!(1);
    });
    change("preprocessor_config.json", &|processor| {
        processor["crop_size"] = json!({"height": 56, "width": 56});
        processor["size"] = json!({"shortest_edge": 56});
    });
    let (tiny, of_one) = (tiny.display().to_string(), dir.path().display().to_string());
    let ask = |model: &str, detail: &str| {
        let answer = chat(model, &[0], &["--detail", detail, "--exact"]);
        (
            count(&answer, "vision_passes"),
            answer["token_ids"].clone(),
            count(&answer, "image_tokens"),
        )
    };
    let low = ask(&tiny, "low");
    assert_eq!((low.0, &low), (1, &ask(&of_one, "auto")));
    assert_eq!(low, ask(&of_one, "high"));
    let (passes, _, tokens) = ask(&tiny, "auto");
    assert_eq!((passes, tokens), (10, low.2));
    assert_eq!(ask(&tiny, "auto"), ask(&tiny, "high"));
}

#[test]
fn every_model_is_scored() {
    let dir = tempfile::tempdir().expect("a folder");
    let entries: Vec<Value> = (0..2)
        .map(|index| {
            json!({"id": index.to_string(), "image": format!("{index}.png"), "conversations": [
                {"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "red"}]})
        })
        .collect();
    let data = dir.path().join("data.json");
    std::fs::write(&data, json!(entries).to_string()).expect("written");
    let (data, images) = (
        data.display().to_string(),
        folder("smolvlm-tiny").join("images").display().to_string(),
    );
    for (name, _) in FAMILY {
        let model = model(name);
        let eval = |more: &[&str]| {
            let mut args = vec!["eval", "--model", &model, "--device", "cpu", "--json"];
            args.extend(["--data", &data, "--images", &images]);
            args.extend(more);
            json(&stdout(&args))
        };
        for more in [
            &["--detail", "low"][..],
            &["--blind"],
            &["--reference", &model],
        ] {
            let scores = eval(more);
            assert_eq!(scores["count"], 2, "{name} {more:?}: {scores}");
        }
    }
}

#[test]
fn more_pictures_than_fit_are_counted_and_a_detail_is_named() {
    let (first, second) = (picture(0), picture(1));
    let smolvlm = model("smolvlm-tiny");
    let mut args = vec!["chat", "--device", "cpu", "--model", &smolvlm];
    args.extend(["--prompt", "Q", "--image", &first, "--image", &second]);
    args.extend(["--context", "100"]);
    refused(
        &args,
        5,
        &[
            "its 2 pictures take 88",
            "8, and then it fits (--detail low)",
        ],
    );
}

#[test]
fn a_system_message_is_told_where_the_prompt_has_a_place() {
    let system = ["--system", "Be brief."];
    for (name, has_place) in [("smolvlm-tiny", true), ("vlsa", false)] {
        let model = model(name);
        let mut args = vec![
            "chat", "--device", "cpu", "--model", &model, "--prompt", "Q",
        ];
        args.extend(["--max-new-tokens", "1"]);
        args.extend(system);
        let output = run(&args);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert_eq!(
            told.contains("in front of the first question"),
            !has_place,
            "{told}"
        );
        let with = chat(&model, &[], &system);
        let without = chat(&model, &[], &[]);
        assert!(
            count(&with, "prompt_tokens") > count(&without, "prompt_tokens"),
            "{name}"
        );
    }
}

#[test]
fn stages_need_no_picture_and_take_ids() {
    let dir = tempfile::tempdir().expect("a folder");
    let smolvlm = model("smolvlm-tiny");
    let stages = |out: &str, more: &[&str]| {
        let out = dir.path().join(out).display().to_string();
        let mut args = vec![
            "stages", "--device", "cpu", "--model", &smolvlm, "--out", &out,
        ];
        args.extend(more);
        stdout(&args);
        let bytes = std::fs::read(&out).expect("stages");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        let embeds = tensors
            .tensor("inputs_embeds")
            .expect("embeddings")
            .shape()
            .to_vec();
        let mut names: Vec<String> = tensors
            .names()
            .iter()
            .map(|name| name.to_string())
            .collect();
        names.sort();
        (embeds, names)
    };
    let (embeds, names) = stages("ids", &["--ids", "1,264,28,300,2"]);
    assert_eq!(embeds, [5, 48]);
    assert!(!names.contains(&"features".to_string()), "{names:?}");
    let (_, without) = stages("text", &["--prompt", "Hi?"]);
    assert_eq!(without, names);
    let (_, with) = stages("picture", &["--prompt", "Hi?", "--image", &picture(0)]);
    for name in ["features", "visual_tokens", "canvas0_u8", "canvas1_values"] {
        assert!(with.contains(&name.to_string()), "{name}: {with:?}");
    }
    refused(
        &[
            "stages", "--model", &smolvlm, "--out", "x", "--ids", "1,464",
        ],
        2,
        &["464", "vocabulary"],
    );
}

/// A part of a message.
fn shown(index: usize, detail: &str) -> Value {
    let bytes = std::fs::read(picture(index)).expect("a picture");
    let url = format!("data:image/png;base64,{}", STANDARD.encode(bytes));
    json!({"type": "image_url", "image_url": {"url": url, "detail": detail}})
}

#[test]
fn the_server_looks_at_several_pictures_and_keeps_their_places() {
    let server = Server::start(&folder("smolvlm-tiny"), &["--device", "cpu"]);
    let ask = |messages: Value| {
        let request = json!({
            "model": "smolvlm-tiny", "temperature": 0, "max_tokens": 3, "messages": messages,
        });
        let answer = server.complete(&request);
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()["usage"].clone()
    };
    let said = |text: &str| json!({"type": "text", "text": text});
    let user = |content: Value| json!({"role": "user", "content": content});
    let one = ask(json!([user(json!([shown(0, "auto"), said("What?")]))]));
    assert_eq!(one["prompt_tokens_details"]["image_tokens"], 52);
    let low = ask(json!([user(json!([shown(0, "low"), said("What?")]))]));
    assert_eq!(low["prompt_tokens_details"]["image_tokens"], 4);
    let both = ask(json!([
        {"role": "system", "content": "Be brief."},
        user(json!([said("Look:"), shown(0, "auto"), said("What?")])),
        {"role": "assistant", "content": "A."},
        user(json!([shown(1, "auto"), said("And this?")])),
    ]));
    assert_eq!(both["prompt_tokens_details"]["image_tokens"], 52 + 36);
}

#[test]
fn the_server_says_where_a_system_message_went() {
    let server = Server::start(&folder("vlsa"), &["--device", "cpu"]);
    let answer = server.complete(&json!({
        "model": "vlsa", "max_tokens": 2, "messages": [
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"},
        ],
    }));
    let told = answer.json();
    assert_eq!(answer.status, 200, "{told}");
    let notice = told["notices"][0].as_str().unwrap_or_default();
    assert!(notice.contains("in front of the first question"), "{told}");
}
