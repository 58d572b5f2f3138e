//! `/v1`: what OpenAI's clients are answered. The answers are those of `inf-llava chat`.

use std::io::Read;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::server::{Answer, Server};

fn demo_folder() -> PathBuf {
    crate::root().join("models/demo")
}

fn demo() -> Server {
    Server::start(&demo_folder(), &["--device", "cpu"])
}

/// The samples as (picture file, questions with their answers).
fn samples() -> Vec<(PathBuf, Vec<[String; 2]>)> {
    let text = std::fs::read_to_string(demo_folder().join("samples.json")).unwrap();
    let samples = super::json(&text);
    let word = |value: &Value| value.as_str().unwrap().to_string();
    let samples = samples.as_array().unwrap().iter().map(|sample| {
        let questions = sample["questions"].as_array().unwrap();
        let questions = questions
            .iter()
            .map(|q| [word(&q["text"]), word(&q["answer"])]);
        (
            demo_folder().join(word(&sample["image"])),
            questions.collect(),
        )
    });
    samples.collect()
}

/// A message of the user with a picture.
fn looked(picture: &PathBuf, question: &str) -> Value {
    let data = STANDARD.encode(std::fs::read(picture).unwrap());
    let url = json!({"url": format!("data:image/png;base64,{data}")});
    json!({"role": "user", "content": [
        {"type": "image_url", "image_url": url}, {"type": "text", "text": question},
    ]})
}

fn asked(question: &str) -> Value {
    json!({"role": "user", "content": question})
}

fn said(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

fn greedy(messages: &[Value]) -> Value {
    json!({"model": "demo", "temperature": 0, "messages": messages})
}

fn text(answer: &Answer) -> String {
    let json = answer.json();
    assert_eq!(answer.status, 200, "{json}");
    let content = &json["choices"][0]["message"]["content"];
    content.as_str().unwrap().to_string()
}

#[test]
fn the_samples_are_answered_as_chat_answers_them() {
    let server = demo();
    for (picture, questions) in samples() {
        for [question, expected] in &questions {
            let answer = server.complete(&greedy(&[looked(&picture, question)]));
            assert_eq!(text(&answer), *expected, "{question}");
        }
        let [question, _] = &questions[0];
        let (model, image) = (demo_folder(), picture.display().to_string());
        let model = model.display().to_string();
        let mut args = vec![
            "chat",
            "--device",
            "cpu",
            "--temperature",
            "0",
            "--model",
            &model,
        ];
        args.extend(["--image", &image, "--prompt", question]);
        let answer = server.complete(&greedy(&[looked(&picture, question)]));
        assert_eq!(format!("{}\n", text(&answer)), super::stdout(&args));
        assert_eq!(answer.json()["notices"], Value::Null);
    }
}

#[test]
fn an_answer_has_openais_shape_and_a_stream_joins_to_the_same() {
    let server = demo();
    let (picture, questions) = samples().remove(1);
    let [question, expected] = &questions[2];
    let mut request = greedy(&[looked(&picture, question)]);
    let answer = server.complete(&request);
    assert!(answer.headers.contains("content-type: application/json"));
    let whole = answer.json();
    assert!(whole["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(
        (&whole["object"], &whole["model"]),
        (&json!("chat.completion"), &json!("demo"))
    );
    assert!(whole["created"].as_u64().unwrap() > 1_700_000_000);
    let choice = &whole["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["index"]),
        (&json!("stop"), &json!(0))
    );
    let usage = &whole["usage"];
    let tokens = |usage: &Value, name: &str| usage[name].as_u64().unwrap();
    let (prompt, spoken) = (
        tokens(usage, "prompt_tokens"),
        tokens(usage, "completion_tokens"),
    );
    assert_eq!(tokens(usage, "total_tokens"), prompt + spoken);
    let of_prompt = &usage["prompt_tokens_details"];
    assert_eq!(of_prompt["cached_tokens"], 0);
    let pictures = tokens(of_prompt, "image_tokens");
    assert!((1..prompt).contains(&pictures));

    request["stream"] = true.into();
    let plain = server.complete(&request);
    assert!(plain.headers.contains("content-type: text/event-stream"));
    request["stream_options"] = json!({"include_usage": true});
    let with_usage = server.complete(&request);
    for (answer, has_usage) in [(plain, false), (with_usage, true)] {
        let mut events = answer.events();
        assert_eq!(events.pop().as_deref(), Some("[DONE]"));
        let mut chunks: Vec<Value> = events.iter().map(|event| super::json(event)).collect();
        for chunk in &chunks {
            assert_eq!(chunk["object"], "chat.completion.chunk");
            assert_eq!(chunk["id"], chunks[0]["id"]);
            assert_eq!(chunk.get("usage").is_some(), has_usage);
        }
        if has_usage {
            let last = chunks.pop().unwrap();
            assert_eq!(last["choices"], json!([]));
            assert_eq!(last["usage"]["completion_tokens"].as_u64(), Some(spoken));
            // All but the last token, which is computed for its logits.
            let cached = &last["usage"]["prompt_tokens_details"]["cached_tokens"];
            assert_eq!(cached.as_u64(), Some(prompt - 1));
        }
        assert_eq!(
            chunks[0]["choices"][0]["delta"],
            json!({"role": "assistant", "content": ""})
        );
        let end = chunks.pop().unwrap();
        assert_eq!(end["choices"][0]["finish_reason"], "stop");
        let pieces = chunks.iter().map(|chunk| {
            assert_eq!(chunk["choices"][0]["finish_reason"], Value::Null);
            chunk["choices"][0]["delta"]["content"].as_str().unwrap()
        });
        assert_eq!(pieces.collect::<String>(), *expected);
    }
}

#[test]
fn a_conversation_goes_on_and_another_picture_begins_a_new_one() {
    let server = demo();
    let samples = samples();
    let (picture, questions) = &samples[0];
    let [[first, its_answer], [second, next_answer], _] = &questions[..] else {
        panic!("three questions")
    };
    let mut messages = vec![looked(picture, first)];
    let one = server.complete(&greedy(&messages));
    assert_eq!(text(&one), *its_answer);
    messages.extend([said(its_answer), asked(second)]);
    let two = server.complete(&greedy(&messages));
    assert_eq!(text(&two), *next_answer);
    let usage = |answer: &Answer, name: &str| answer.json()["usage"][name].as_u64().unwrap();
    let before = usage(&one, "prompt_tokens") + usage(&one, "completion_tokens");
    let cached = two.json()["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64();
    // The token that ended the answer was never computed.
    assert_eq!(cached, Some(before - 1));

    let (other, questions) = &samples[1];
    let [question, expected] = &questions[0];
    messages.extend([said(next_answer), looked(other, question)]);
    let three = server.complete(&greedy(&messages));
    assert_eq!(text(&three), *expected);
    let alone = server.complete(&greedy(&[looked(other, question)]));
    assert_eq!(
        usage(&three, "prompt_tokens"),
        usage(&alone, "prompt_tokens")
    );
}

#[test]
fn an_answer_ends_where_it_is_told_to() {
    let server = demo();
    let (picture, questions) = samples().remove(0);
    let [question, expected] = &questions[2];
    assert_eq!(expected, "bottom right");
    let mut request = greedy(&[looked(&picture, question)]);
    for (stop, left) in [
        (json!("m"), "botto"),
        (json!(["right", " "]), "bottom"),
        (json!("top"), expected),
    ] {
        request["stop"] = stop;
        let answer = server.complete(&request);
        assert_eq!(text(&answer), left);
        assert_eq!(answer.json()["choices"][0]["finish_reason"], "stop");
    }
    request["stop"] = Value::Null;
    request["max_tokens"] = 1.into();
    let short = server.complete(&request);
    assert!(expected.starts_with(&text(&short)));
    assert_eq!(short.json()["choices"][0]["finish_reason"], "length");
    assert_eq!(short.json()["usage"]["completion_tokens"], 1);
}

#[test]
fn questions_at_the_same_time_are_all_answered() {
    let server = demo();
    std::thread::scope(|scope| {
        for (picture, questions) in samples() {
            for [question, expected] in questions {
                let (server, picture) = (&server, picture.clone());
                scope.spawn(move || {
                    let answer = server.complete(&greedy(&[looked(&picture, &question)]));
                    assert_eq!(text(&answer), expected, "{question}");
                });
            }
        }
    });
}

#[test]
fn a_picture_that_the_model_does_not_know_is_told_of() {
    let photograph = crate::fixture("photographs/chelsea.jpg");
    let answer = demo().complete(&greedy(&[looked(&photograph, "What is it?")]));
    assert_eq!(answer.status, 200);
    let notice = answer.json()["notices"][0].as_str().unwrap().to_string();
    assert!(notice.contains("will mean little"), "{notice}");
}

/// A reply in words, in the place of an answer or beside it, that a program can tell by a field of its own.
#[test]
fn a_question_that_the_model_has_not_learnt_is_remarked_on() {
    let server = demo();
    let (picture, _) = samples().remove(0);
    for (message, code, answered) in [
        (asked("Read the white sign."), "needs_picture", false),
        (looked(&picture, "Who are you?"), "unlike_questions", false),
        (
            looked(&picture, "Combien de cercles ?"),
            "not_english",
            false,
        ),
        (
            looked(&picture, "Is there a circle?"),
            "unlike_questions",
            true,
        ),
    ] {
        let mut request = greedy(&[message]);
        let whole = server.complete(&request);
        let remark = whole.json()["remark"].clone();
        assert_eq!(
            (&remark["code"], &remark["answered"]),
            (&json!(code), &json!(answered))
        );
        assert!(!remark["examples"].as_array().unwrap().is_empty());
        assert_eq!(json!(text(&whole)) == remark["text"], !answered);
        assert_eq!(whole.json()["choices"][0]["finish_reason"], "stop");

        request["stream"] = true.into();
        let mut events = server.complete(&request).events();
        assert_eq!(events.pop().as_deref(), Some("[DONE]"));
        let chunks: Vec<Value> = events.iter().map(|event| super::json(event)).collect();
        let said = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
        assert_eq!(said.collect::<String>(), text(&whole));
        assert_eq!(chunks.last().unwrap()["remark"], remark);
    }
    let (picture, questions) = samples().remove(1);
    let [question, _] = &questions[0];
    let known = server.complete(&greedy(&[looked(&picture, question)]));
    assert_eq!(known.json().get("remark"), None);
}

/// An answer that nobody listens to ends, and the next one's turn comes.
#[test]
fn a_client_that_goes_away_stops_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("index.html"), "").unwrap();
    let args = ["--device", "cpu", "--page", "."];
    let server = Server::start_in(dir.path(), &crate::fixture("tiny"), &args);
    assert!(server.talk().contains("/v1"));
    // Random weights go on for thousands of tokens.
    let long =
        json!({"model": "tiny", "temperature": 0, "messages": [asked("Tell me everything.")]});
    let whole = server.complete(&long).json();
    let whole = whole["usage"]["completion_tokens"].as_u64().unwrap();
    assert!(whole > 2000, "{whole}");
    let mut short = long.clone();
    short["max_tokens"] = 3.into();
    let expected = text(&server.complete(&short));

    for stream in [true, false] {
        let mut request = long.clone();
        request["stream"] = stream.into();
        let body = request.to_string();
        let mut connection = server.send_post("/v1/chat/completions", "", body.as_bytes());
        match stream {
            // The answer has begun.
            true => connection.read_exact(&mut [0; 400]).unwrap(),
            false => std::thread::sleep(std::time::Duration::from_millis(100)),
        }
        drop(connection);
        let line = server.talk();
        assert!(line.contains("a client went away"), "{line}");
        let tokens = line.split("stopped after ").nth(1);
        let tokens = tokens.map(|rest| rest.split(' ').next().unwrap().parse::<u64>().unwrap());
        // On a busy machine one that said nothing yet may have gone before its turn.
        assert!(tokens.map_or(!stream, |tokens| tokens < whole), "{line}");
        assert_eq!(text(&server.complete(&short)), expected);
    }
}
