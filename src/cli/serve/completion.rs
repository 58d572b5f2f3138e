//! An answer in the shapes of OpenAI's chat completions: whole, or as chunks of a stream.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::engine::Finish;

/// Seconds since 1970.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// What all parts of one answer have in common.
pub struct Completion {
    id: String,
    created: u64,
    model: String,
    /// Of a stream: the last chunk tells what the answer took, so the others say that they do not.
    include_usage: bool,
}

impl Completion {
    /// `number` is no other answer's of this program.
    pub fn new(number: u64, model: String, include_usage: bool) -> Self {
        let now = SystemTime::now();
        let nanos = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        Completion {
            id: format!("chatcmpl-{nanos:x}-{number}"),
            created: seconds(now),
            model,
            include_usage,
        }
    }

    /// The whole answer.
    pub fn whole(&self, text: String, finish: &Finish) -> Value {
        let message = json!({"role": "assistant", "content": text, "refusal": null});
        let choice = json!({
            "index": 0, "message": message, "logprobs": null, "finish_reason": finish.reason,
        });
        let mut whole = self.part("chat.completion", json!([choice]));
        whole["usage"] = usage(finish);
        with_notices(whole, finish)
    }

    /// The first chunk: who speaks.
    pub fn begin(&self) -> Value {
        self.chunk(json!({"role": "assistant", "content": ""}), None)
    }

    /// A chunk with the next characters.
    pub fn piece(&self, text: &str) -> Value {
        self.chunk(json!({"content": text}), None)
    }

    /// The chunk that says why the answer ended.
    pub fn end(&self, finish: &Finish) -> Value {
        with_notices(self.chunk(json!({}), Some(finish.reason)), finish)
    }

    /// The chunk behind the end that says what the answer took, where that is wanted.
    pub fn usage(&self, finish: &Finish) -> Option<Value> {
        let mut chunk = self.part("chat.completion.chunk", json!([]));
        chunk["usage"] = usage(finish);
        self.include_usage.then_some(chunk)
    }

    fn chunk(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        let choice = json!({
            "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason,
        });
        let mut chunk = self.part("chat.completion.chunk", json!([choice]));
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn part(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model,
            "choices": choices,
        })
    }
}

fn usage(finish: &Finish) -> Value {
    let of_prompt = json!({
        "cached_tokens": finish.cached_tokens, "image_tokens": finish.image_tokens,
    });
    json!({
        "prompt_tokens": finish.prompt_tokens,
        "completion_tokens": finish.answer_tokens,
        "total_tokens": finish.prompt_tokens + finish.answer_tokens,
        "prompt_tokens_details": of_prompt,
    })
}

/// `notices` and `remark` are fields of this server's own, where there is something to notice of the picture, and to be
/// said of the question.
fn with_notices(mut part: Value, finish: &Finish) -> Value {
    if !finish.notices.is_empty() {
        part["notices"] = json!(finish.notices);
    }
    if let Some(remark) = &finish.remark {
        part["remark"] = json!(remark);
    }
    part
}
