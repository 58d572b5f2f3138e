//! Requests for a completion: what is understood of each, or by which field and code it is refused.

use inf_llava_core::openai::{
    Ask, BadRequest, ErrorBody, ErrorKind, Face, Finish, FinishReason, Head, PromptTokens, Usage,
    picture_file,
};
use serde_json::{Value, json};

fn read(more: &Value, face: Face) -> Result<Ask, BadRequest> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}]});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more.clone());
    }
    let ask = Ask::read(body.to_string(), face, Some(1))?;
    ask.check_question().map(|()| ask)
}

/// What a request's table of cases says in the place of pictures.
fn with_pictures(value: &mut Value, pictures: &Value) {
    match value {
        Value::String(text) => {
            let url = text.strip_prefix("picture:").map(|name| &pictures[name]);
            if let Some(Value::String(url)) = url {
                *text = url.clone();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|one| with_pictures(one, pictures)),
        Value::Object(map) => map
            .values_mut()
            .for_each(|one| with_pictures(one, pictures)),
        _ => {}
    }
}

/// What was understood, in the table's words.
fn understood(ask: &Ask, wanted: &Value, pictures: &Value) -> Value {
    let sampling = &ask.request.options.sampling;
    let limit = Some(ask.request.options.max_new_tokens).filter(|limit| *limit != usize::MAX);
    let all = json!({
        "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k,
        "repetition_penalty": sampling.repetition_penalty, "seed": sampling.seed,
        "max_new_tokens": limit, "stop": ask.request.options.stop, "stream": ask.stream,
        "include_usage": ask.include_usage,
    });
    let mut found = json!({"question": ask.request.question});
    if let Some(wanted) = wanted["options"].as_object() {
        // 0 is 0.0.
        let is_same =
            |name: &String| all[name].is_f64() && all[name].as_f64() == wanted[name].as_f64();
        let value = |name: &String| {
            if is_same(name) {
                &wanted[name]
            } else {
                &all[name]
            }
        };
        let named = wanted
            .keys()
            .map(|name| (name.clone(), value(name).clone()));
        found["options"] = named.collect::<serde_json::Map<_, _>>().into();
    }
    if !ask.request.before.is_empty() {
        let before = ask.request.before.iter();
        let before = before.map(|e| json!([e.question, e.text]));
        found["before"] = before.collect::<Vec<_>>().into();
    }
    if !ask.request.system.is_empty() {
        found["system"] = ask.request.system.as_str().into();
    }
    if let [picture] = ask.pictures.as_slice() {
        let named = pictures
            .as_object()
            .expect("pictures")
            .iter()
            .find(|(_, url)| {
                let url = url.as_str().expect("a URL");
                picture_file("", url, Face::Server).expect("a picture") == *picture
            });
        found["picture"] = named.map_or(Value::Null, |(name, _)| name.clone().into());
    }
    found
}

/// The page's tests read the same table, through its worker's wasm.
#[test]
fn requests_are_understood_or_refused_by_name_as_the_table_of_cases_says() {
    let table = include_str!("../../../../tests/cases/completions.json");
    let table: Vec<Value> = serde_json::from_str(table).expect("a table");
    let pictures = &table[0]["pictures"];
    let mut wrong = Vec::new();
    let both = [Face::Server, Face::Page];
    for (case, face) in table[1..]
        .iter()
        .flat_map(|case| both.map(|face| (case, face)))
    {
        let mut request = case["request"].clone();
        with_pictures(&mut request, pictures);
        let found = match read(&request, face) {
            Ok(ask) => json!({"understood": understood(&ask, &case["understood"], pictures)}),
            Err(refusal) => {
                let param = refusal.param.as_deref().unwrap_or_default();
                let is_named = refusal.message.contains(param) || refusal.code == "empty-question";
                assert!(is_named, "{param}: {}", refusal.message);
                json!({"refused": {"code": refusal.code, "param": param}})
            }
        };
        let kind = if case["refused"].is_null() {
            "understood"
        } else {
            "refused"
        };
        if found[kind] != case[kind] {
            wrong.push(format!(
                "{} ({face:?}): {found}\n  and not {}",
                case["name"], case[kind]
            ));
        }
    }
    assert!(table.len() > 300, "{}", table.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn finish() -> Finish {
    Finish {
        reason: FinishReason::Length,
        usage: Usage {
            prompt_tokens: 5,
            completion_tokens: 2,
            total_tokens: 7,
            prompt_tokens_details: PromptTokens {
                cached_tokens: 3,
                image_tokens: 1,
            },
        },
        notices: vec!["a photograph".into()],
        remark: None,
    }
}

fn parsed(text: impl ToString) -> Value {
    serde_json::from_str(&text.to_string()).expect("JSON")
}

#[test]
fn answers_have_the_shapes_that_clients_look_for() {
    let head = Head {
        id: "chatcmpl-1".into(),
        created: 9,
        model: "m".into(),
        include_usage: true,
    };
    let usage = json!({
        "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 3, "image_tokens": 1},
    });
    let whole = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 9, "model": "m",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": "ab", "refusal": null},
            "logprobs": null, "finish_reason": "length",
        }],
        "usage": usage, "notices": ["a photograph"],
    });
    assert_eq!(parsed(head.whole("ab".into(), &finish())), whole);
    let chunk = |delta: Value, reason: Value| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 9, "model": "m",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}],
            "usage": null,
        })
    };
    let first = chunk(json!({"role": "assistant", "content": ""}), Value::Null);
    assert_eq!(parsed(head.begin()), first);
    let piece = chunk(json!({"content": "ab"}), Value::Null);
    assert_eq!(parsed(head.piece("ab")), piece);
    let mut end = chunk(json!({}), json!("length"));
    end["notices"] = json!(["a photograph"]);
    assert_eq!(parsed(head.end(&finish())), end);
    let mut last = chunk(Value::Null, Value::Null);
    last["choices"] = json!([]);
    last["usage"] = usage;
    let told = head.usage(&finish()).expect("it is wanted");
    assert_eq!(parsed(told), last);

    // Who wants no usage is told of none.
    let plain = Head {
        include_usage: false,
        ..head
    };
    assert_eq!(plain.usage(&finish()), None);
    assert!(parsed(plain.begin()).get("usage").is_none());
    let error = ErrorBody::new(
        ErrorKind::InvalidRequestError,
        "context-exceeded",
        Some("messages"),
        "too long",
    );
    let error = parsed(error);
    assert_eq!(
        error,
        json!({"error": {
            "message": "too long", "type": "invalid_request_error", "param": "messages",
            "code": "context_length_exceeded", "inf_llava_code": "context-exceeded",
        }})
    );
}
