//! The prompts of other models of the family, by their own tokenizers and templates: the ids of transformers in every case.

use std::sync::LazyLock;

use inf_llava_core::Error;
use inf_llava_core::config::Conversation;
use inf_llava_core::progress::Watch;
use inf_llava_core::sequence::{Chunk, MediaId, Sequence};
use inf_llava_core::spec::{Run, Runs};
use inf_llava_core::text::prompt::{
    Found, Media, MediaKind, Message, Part, Placeholders, Prompt, Role, Room, Template, begin_ids,
    conversation,
};
use inf_llava_core::text::{TextStream, Tokenizer};
use proptest::prelude::*;
use serde_json::Value;

pub const ROOM: Room = Room {
    context_tokens: 100_000,
};

/// A model of the family, as far as text goes.
pub struct Model {
    pub told: Value,
    pub json: Vec<u8>,
    pub tokenizer: Tokenizer,
    /// The ids of its added tokens.
    added: Vec<u32>,
}

/// With the prompts that they bring along.
static TEMPLATES: LazyLock<Vec<(&Model, Prompt)>> = LazyLock::new(|| {
    let has_one = |model: &&Model| !model.told["template"].is_null();
    let models = MODELS.iter().filter(has_one);
    models.map(|model| (model, model.prompt())).collect()
});

pub static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    let read = |name: &str| std::fs::read(crate::fixture("family").join(name)).expect("fixture");
    let models: Vec<Value> = serde_json::from_slice(&read("prompts.json")).expect("JSON");
    let load = |told: Value| {
        let name = told["tokenizer"].as_str().expect("a name");
        let json = read(&format!("tokenizers/{name}.json"));
        let tokenizer = Tokenizer::from_bytes(name, &json).unwrap_or_else(|e| panic!("{e}"));
        let file: Value = serde_json::from_slice(&json).expect("JSON");
        let added = list(&file["added_tokens"]).iter();
        Model {
            told,
            tokenizer,
            added: added
                .map(|token| token["id"].as_u64().expect("an id") as u32)
                .collect(),
            json,
        }
    };
    models.into_iter().map(load).collect()
});

pub fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

pub fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn ids_of(value: &Value) -> Vec<i64> {
    let ids = list(value).iter();
    ids.map(|id| id.as_i64().expect("an id")).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    let id = |id: &Value| id.as_u64().expect("an id") as u32;
    list(value).iter().map(id).collect()
}

impl Model {
    pub fn find(name: &str) -> &'static Model {
        let found = MODELS.iter().find(|model| model.told["name"] == name);
        found.unwrap_or_else(|| panic!("{name}"))
    }

    /// The prompt with this template.
    pub fn template(&self, template: &str) -> Result<Prompt, Error> {
        let found = Found {
            file: "t.jinja".into(),
            text: template.into(),
        };
        let tokens = self.told["tokens"].as_object().expect("tokens");
        let tokens = tokens
            .iter()
            .map(|(name, token)| (name.clone(), text(token).into()));
        let begin = begin_ids("t.json", &self.json, &self.tokenizer)?;
        let placeholders = Placeholders::default();
        Template::new(found, tokens.collect(), begin, placeholders)
            .map(|template| Prompt::Template(template.into()))
    }

    pub fn prompt(&self) -> Prompt {
        match self.told["template"].as_str() {
            Some(template) => self.template(template).unwrap_or_else(|e| panic!("{e}")),
            None => Prompt::ConvLlama3 {
                bos: self.told["bos_token_id"].as_u64().expect("bos") as u32,
            },
        }
    }

    /// Picture `index` of the model's.
    fn media(&self, index: usize) -> Media {
        let told = &self.told["images"][index];
        let runs = match told["text"].as_str() {
            None => vec![Run::Tokens(
                told["num_tokens"].as_u64().expect("tokens") as usize
            )],
            // A string of its own, in which runs of placeholders are visual tokens.
            Some(mut rest) => {
                let mut runs = Runs::default();
                while let Some(at) = rest.find("<image>") {
                    runs.words(&rest[..at]);
                    let end = rest[at..].trim_start_matches("<image>");
                    runs.tokens((rest.len() - at - end.len()) / 7);
                    rest = end;
                }
                runs.words(rest);
                runs.into_list()
            }
        };
        let kind = match told["kind"] == "video" {
            true => MediaKind::Video,
            false => MediaKind::Image,
        };
        Media::new(kind, MediaId::of(&[&index.to_le_bytes()]), &runs)
    }

    fn messages<'a>(&self, case: &'a Value) -> Vec<Message<'a>> {
        let mut images = list(&case["images"]).iter();
        let mut part = |part: &'a Value| match text(&part[0]) {
            "text" => Part::Text(text(&part[1]).into()),
            _ => {
                let index = images.next().expect("an image").as_u64().expect("a number");
                Part::Media(self.media(index as usize))
            }
        };
        let message = |message: &'a Value| Message {
            role: match text(&message["role"]) {
                "system" => Role::System,
                "user" => Role::User,
                _ => Role::Assistant,
            },
            parts: list(&message["content"]).iter().map(&mut part).collect(),
        };
        list(&case["messages"]).iter().map(message).collect()
    }

    pub fn sequence(&self, prompt: &Prompt, messages: Vec<Message<'_>>) -> Result<Sequence, Error> {
        let messages = messages.into_iter().map(Ok);
        let watch = &mut Watch::nobody();
        pollster::block_on(prompt.sequence(&self.tokenizer, messages, ROOM, watch))
    }

    /// A sequence as the fixtures write it: -200 for a picture, or where a picture has a string of its own its id once for
    /// each token.
    fn numbers(&self, sequence: &Sequence, case: &Value) -> Vec<i64> {
        let has_mark = list(&case["input_ids"]).iter().any(|id| *id == -200);
        let number = |chunk: &Chunk| match chunk {
            Chunk::Text(ids) => ids.iter().map(|&id| i64::from(id)).collect(),
            Chunk::Media(_) if has_mark => vec![-200],
            Chunk::Media(media) => {
                let id = self.told["image_token_id"].as_i64().expect("an id");
                vec![id; media.tokens]
            }
        };
        sequence.chunks().iter().flat_map(number).collect()
    }
}

#[test]
fn every_prompt_has_the_ids_of_transformers() {
    let mut count = 0;
    for model in MODELS.iter() {
        let prompt = model.prompt();
        for case in list(&model.told["cases"]) {
            let name = format!("{} {}", model.told["name"], case["name"]);
            let found = model.sequence(&prompt, model.messages(case));
            let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
            let expected = ids_of(&case["input_ids"]);
            assert_eq!(model.numbers(&found, case), expected, "{name}");
            count += 1;
        }
    }
    assert_eq!(count, 86);
}

/// The conversations that are in the original LLaVA's code, and with no checkpoint.
#[test]
fn the_original_conversations_are_those_of_the_release() {
    for name in ["llava-original", "llava-next-original"] {
        let model = Model::find(name);
        let found = conversation(Conversation::VicunaV1, &model.tokenizer);
        let prompt = model.template(&found.text).expect("a template");
        assert!(prompt.has_system());
        for case in list(&model.told["cases"]) {
            let found = model.sequence(&prompt, model.messages(case));
            let found = found.unwrap_or_else(|e| panic!("{name} {}: {e}", case["name"]));
            let numbers = ids_of(&case["input_ids"]);
            assert_eq!(
                model.numbers(&found, case),
                numbers,
                "{name} {}",
                case["name"]
            );
        }
    }
    for (name, kind, text) in [
        (
            "llava-siglip-qwen2",
            Conversation::Qwen,
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nR<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            "llava-clip-llama3-full",
            Conversation::VicunaV1,
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and assist the user with a variety of tasks using natural language.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nR<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
    ] {
        let model = Model::find(name);
        let template = conversation(kind, &model.tokenizer).text;
        let prompt = model.template(&template).expect("a template");
        let turns = vec![
            Message::text(Role::User, "Q"),
            Message::text(Role::Assistant, "A"),
            Message::text(Role::User, "R"),
        ];
        let found = model.sequence(&prompt, turns).expect("a sequence");
        let ids: Vec<u32> = found.text_ids().collect();
        let wanted = model.tokenizer.encode_template(text).expect("ids");
        assert_eq!(ids, wanted, "{name}");
    }
}

#[test]
fn every_tokenizer_has_the_ids_of_tokenizers() {
    for model in MODELS.iter() {
        for case in list(&model.told["tokenizer_cases"]) {
            let text = text(&case["text"]);
            let found = model.tokenizer.encode_template(text).expect(text);
            assert_eq!(found, ids(&case["ids"]), "{} {text:?}", model.told["name"]);
            if !text.contains('<') {
                assert_eq!(
                    model.tokenizer.encode_user(text).expect(text),
                    found,
                    "{text:?}"
                );
                assert_eq!(model.tokenizer.decode(&found).expect(text), text);
            }
        }
    }
}

/// The pieces of a stream, joined.
fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let mut stream = TextStream::new();
    let mut text: String = ids.iter().map(|&id| stream.push(tokenizer, id)).collect();
    text += &stream.finish();
    assert_eq!(stream.finish(), "", "a finished stream is empty");
    text
}

#[test]
fn greedy_text_comes_back_from_greedy_ids() {
    for model in MODELS.iter() {
        for case in list(&model.told["cases"]) {
            let name = format!("{} {}", model.told["name"], case["name"]);
            let ids = ids(&case["greedy_ids"]);
            assert_eq!(
                model.tokenizer.decode(&ids).expect("text"),
                case["greedy_text"],
                "{name}"
            );
            assert_eq!(
                streamed(&model.tokenizer, &ids),
                case["greedy_text"],
                "{name}"
            );
        }
    }
}

#[test]
fn an_answer_in_history_is_what_was_generated() {
    for (model, prompt) in TEMPLATES.iter() {
        let question = |text: &'static str| Message::text(Role::User, text);
        let answer = "There are 2 blue squares.";
        let mut ids = prompt.answer(&model.tokenizer, answer).expect("ids");
        // What ended it is no part of it.
        ids.extend(model.tokenizer.id_of("</s>"));
        ids.extend(model.tokenizer.id_of("<|im_end|>"));
        let by_ids = vec![question("What?"), Message::generated(ids), question("Why?")];
        let by_text = vec![
            question("What?"),
            Message::text(Role::Assistant, answer),
            question("Why?"),
        ];
        let name = &model.told["name"];
        let by_text = model.sequence(prompt, by_text).expect("a sequence");
        assert_eq!(
            model.sequence(prompt, by_ids).expect("a sequence"),
            by_text,
            "{name}"
        );
    }
}

/// A SmolVLM begins its answer with the space that its template has in front of an answer later on.
#[test]
fn a_space_that_the_template_has_is_not_said_twice() {
    let model = Model::find("smolvlm-tiny");
    let prompt = model.prompt();
    let question = |text: &'static str| Message::text(Role::User, text);
    let first = model
        .sequence(&prompt, vec![question("What?")])
        .expect("a sequence");
    let answer = model
        .tokenizer
        .encode_user(" There are 2 birds.")
        .expect("ids");
    let mut said = first.clone();
    said.extend(answer.clone());
    let later = vec![
        question("What?"),
        Message::generated(answer),
        question("Why?"),
    ];
    let later = model.sequence(&prompt, later).expect("a sequence");
    assert_eq!(later.in_common(&said), said.len());
}

#[test]
fn what_begins_a_text_is_read_from_the_file() {
    for (name, begin) in [
        ("llava-clip-llama", vec![1]),
        ("llava-next-clip-mistral", vec![1]),
        ("llava-siglip-qwen2", vec![]),
        ("smolvlm-tiny", vec![]),
        ("llava-clip-llama3-full", vec![505]),
    ] {
        let model = Model::find(name);
        let found = begin_ids("t.json", &model.json, &model.tokenizer).expect(name);
        assert_eq!(found, begin, "{name}");
    }
    let model = Model::find("llava-clip-llama");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut file: Value = serde_json::from_slice(&model.json).expect("JSON");
        change(&mut file["post_processor"]);
        begin_ids("t.json", file.to_string().as_bytes(), &model.tokenizer)
    };
    assert_eq!(with(&|post| *post = Value::Null), Ok(vec![]));
    let nested = |post: &mut Value| {
        *post = serde_json::json!({"type": "Sequence", "processors": [{"type": "ByteLevel"}, post.clone()]});
    };
    assert_eq!(with(&nested), Ok(vec![1]));
    for (change, word) in [
        (
            &(|post: &mut Value| post["type"] = "BertProcessing".into()) as &dyn Fn(&mut Value),
            "BertProcessing",
        ),
        (
            &|post| post["single"][0]["SpecialToken"]["id"] = "a".into(),
            "\"a\"",
        ),
        (
            &|post| post["single"] = vec![post["single"][0].clone(); 5].into(),
            "5 tokens",
        ),
        (
            &|post| post["single"] = vec![post["single"][0].clone(); 17].into(),
            "more than 16",
        ),
        (&|post| *post = "x".into(), "post_processor"),
    ] {
        let error = with(change).expect_err(word);
        assert!(matches!(error, Error::Tokenizer { .. }), "{error:?}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

/// Text with a liking for what means something to some tokenizer or template.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "<image>",
            "<video>",
            "</s>",
            "<s>",
            "<unk>",
            "<pad>",
            "<|im_end|>",
            "<|im_start|>",
            "<|eot_id|>",
            "<0x0A>",
            "<0x41>",
            "\u{2581}",
            "\u{2581}<image>",
            "<",
            "image>",
            "|>",
            "\n",
            " ",
            "  ",
            "\u{e000}",
            "{{ messages }}",
            "{% raw %}",
            "\u{f0000}",
            "\u{f0001}",
            "\u{10fffd}",
            "[INST]",
            "ASSISTANT:",
            "\u{a0}",
            "<end_of_utterance>",
            "<fake_token_around_image>",
            "<|endoftext|>",
            "-200",
        ])
        .prop_map(String::from),
        ".{0,6}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// How often each added token occurs, and pictures.
fn counted(model: &Model, sequence: &Sequence) -> (Vec<usize>, usize) {
    let ids: Vec<u32> = sequence.text_ids().collect();
    let count = |added: &u32| ids.iter().filter(|&id| id == added).count();
    (
        model.added.iter().map(count).collect(),
        sequence.media().count(),
    )
}

proptest! {
    #[test]
    fn what_is_said_never_becomes_a_control_token_or_a_picture(question in nasty(), answer in nasty(), system in nasty()) {
        prop_assume!(!question.trim().is_empty());
        let (answer, system) = (format!("{answer}."), format!("{system}."));
        for (model, prompt) in TEMPLATES.iter() {
            let conversation = |question: &str, answer: &str, system: &str| {
                let mut messages = vec![
                    Message { role: Role::User, parts: vec![Part::Media(model.media(0)), Part::Text("Hi".to_string().into())] },
                    Message::text(Role::Assistant, answer.to_string()),
                    Message::text(Role::User, question.to_string()),
                ];
                if model.told["tokenizer"] == "smolvlm" {
                    messages.insert(0, Message::text(Role::System, system.to_string()));
                }
                model.sequence(prompt, messages)
            };
            let plain = conversation("b", "c", "d").expect("a sequence");
            match conversation(&question, &answer, &system) {
                Ok(found) => prop_assert_eq!(counted(model, &found), counted(model, &plain), "{}", model.told["name"]),
                // SmolVLM's vocabulary lacks some bytes.
                Err(error) => prop_assert!(error.to_string().contains("has no token for the byte"), "{}", error),
            }
        }
    }

    #[test]
    fn streamed_pieces_join_to_the_decoded_text(ids in prop::collection::vec(0_u32..600, 0..60)) {
        for model in MODELS.iter() {
            prop_assert_eq!(streamed(&model.tokenizer, &ids), model.tokenizer.decode(&ids).expect("text"));
        }
    }

    /// Runs of bytes, whole characters and broken ones.
    #[test]
    fn streamed_bytes_join_to_the_decoded_text(ids in prop::collection::vec(prop_oneof![3_u32..259, 130_u32..230, 318_u32..330], 0..30)) {
        let model = Model::find("llava-clip-llama");
        prop_assert_eq!(streamed(&model.tokenizer, &ids), model.tokenizer.decode(&ids).expect("text"));
    }
}
