//! OpenAI's chat completions for the page: its requests are read, and the parts of its answers made, by the same code as the
//! server's. Reading one needs no model.

use std::cell::Cell;

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use super::{Engine, JsResult, StopFlag, call, from_value, to_js, to_value};
use crate::openai::{Ask, BadRequest, CompletionEvent, Face, Head};
use crate::progress::{Event, Watch};
use crate::request::Request;

thread_local! {
    /// Requests that were read.
    static READ: Cell<u64> = const { Cell::new(0) };
}

/// Reads a request, which is JSON: see [`crate::openai::Understood`]. `model`: what the model is called, if one is loaded;
/// `most_pictures`: those that it knows in a conversation, if it is limited in that. The pictures' files are added to it,
/// each with its key.
#[wasm_bindgen]
pub fn read_completion(
    request: &str,
    model: Option<String>,
    most_pictures: Option<u32>,
) -> JsResult<JsValue> {
    let most_pictures = most_pictures.map(|most| most as usize);
    let ask = Ask::read(request, Face::Page, most_pictures).map_err(refused)?;
    ask.check_question().map_err(refused)?;
    let number = READ.with(|read| read.replace(read.get() + 1));
    let (understood, files) = ask.understood(number, model);
    let understood = to_value(&understood)?;
    let pictures = Array::new();
    for file in files {
        let picture = Object::new();
        Reflect::set(&picture, &"key".into(), &file.key().into())?;
        Reflect::set(&picture, &"media_type".into(), &file.media_type.into())?;
        let bytes = Uint8Array::from(file.bytes.as_slice());
        Reflect::set(&picture, &"bytes".into(), &bytes)?;
        pictures.push(&picture);
    }
    Reflect::set(&understood, &"pictures".into(), &pictures)?;
    Ok(understood)
}

#[wasm_bindgen]
impl Engine {
    /// Answers a question as [`Engine::reply`] does; each piece comes with its chunk, and the answer with what is told at its
    /// end: see [`crate::session::Completed`].
    pub async fn complete(
        &self,
        request: JsValue,
        head: JsValue,
        on_event: js_sys::Function,
        stop: &StopFlag,
    ) -> JsResult<JsValue> {
        let request: Request = from_value("request", request)?;
        let head: Head = from_value("head", head)?;
        let tell = |event: Event| call(&on_event, &CompletionEvent::new(&head, event));
        let mut watch = Watch::new(stop.0.clone(), tell);
        let mut shared = self.shared()?;
        let answer = shared.reply(&request, &mut watch).await.map_err(to_js)?;
        let told = |key: &str| Some(shared.picture(key)?.clone().told(self.model.config.scope));
        let pictures = request.all_pictures();
        let notices = pictures.filter_map(|shown| told(&shown.key)).flatten();
        to_value(&answer.completed(&head, notices.collect()))
    }
}

/// The field that is at fault is a detail; it is empty where none could be named.
fn refused(bad: BadRequest) -> JsValue {
    let value = serde_json::json!({
        "code": bad.code, "message": bad.message,
        "details": {"param": bad.param.unwrap_or_default()},
    });
    to_value(&value).unwrap_or_else(|e| e)
}
