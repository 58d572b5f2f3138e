//! The handle that the page's worker uses, through wasm-bindgen. It only converts arguments, events and errors.
//! JavaScript sees errors as `{code, message}`.

#![allow(
    clippy::await_holding_refcell_ref,
    reason = "the borrow is the lock: a second command meanwhile is refused"
)]

mod completions;
mod files;
mod hub;
mod source;

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::error::Error;
use crate::gpu::device::{DeviceChoice, choose};
use crate::gpu::fallbacks::fallbacks;
use crate::gpu::kernel::launches;
use crate::image::clip::is_reel;
use crate::model::Model;
use crate::progress::{self, Event, Watch};
use crate::session::{PictureInfo, Request, Shared};
use crate::spec::Detail;
use crate::spec::plan::Coverage;
use crate::weights::source::Source;
use files::Files;
use source::Http;

type JsResult<T> = Result<T, JsValue>;

// SAFETY: the linker defines this function, with this signature, in every module linked for wasm32-unknown-unknown.
unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Runs once, when the module is instantiated.
#[wasm_bindgen(start)]
pub fn start() {
    // Unless a module calls its constructors, it is linked as a command, and every exported function then runs all of
    // them again: 5 ms for each tensor operation.
    // SAFETY: called once, before any other code of this module.
    unsafe { __wasm_call_ctors() };
    console_error_panic_hook::set_once();
}

/// Stops a command while it is awaited.
#[wasm_bindgen]
#[derive(Default)]
pub struct StopFlag(progress::StopFlag);

#[wasm_bindgen]
impl StopFlag {
    /// A flag that is not set.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// A loaded model, shared by any number of conversations.
#[wasm_bindgen]
pub struct Engine {
    name: String,
    // Borrowed while a command runs, so that a second one is refused instead of interfering.
    shared: RefCell<Shared>,
    model: Rc<Model>,
}

#[wasm_bindgen]
impl Engine {
    /// Loads the model folder at `url` onto `device` (`auto`, `wgpu`, `portable`, `cpu`), with room for `context`
    /// tokens.
    pub async fn load(
        url: String,
        device: String,
        context: Option<u32>,
        on_event: js_sys::Function,
        stop: &StopFlag,
    ) -> JsResult<Engine> {
        let source = Rc::new(Http::new(&url));
        let watch = watch(on_event, stop);
        let engine = Self::load_from(source.clone(), url, &device, context, watch).await?;
        source.seal();
        Ok(engine)
    }

    /// As `load`, for files that the worker already has; `name` is the model's name.
    pub async fn load_files(
        files: files::JsFiles,
        name: String,
        device: String,
        context: Option<u32>,
        on_event: js_sys::Function,
        stop: &StopFlag,
    ) -> JsResult<Engine> {
        let source = Files::new(files);
        Self::load_from(source, name, &device, context, watch(on_event, stop)).await
    }

    async fn load_from(
        source: impl Source + 'static,
        name: String,
        device: &str,
        context: Option<u32>,
        mut watch: Watch<'static>,
    ) -> JsResult<Engine> {
        let loaded = async {
            let device = choose(DeviceChoice::from_name(device)?).await?;
            device.allow_half().await?;
            let context = context.map(|tokens| tokens as usize);
            Model::load(source, &device, context, &mut watch).await
        };
        let model = Rc::new(loaded.await.map_err(to_js)?);
        let shared = RefCell::new(Shared::new(model.clone(), Coverage::Live));
        Ok(Engine {
            name,
            shared,
            model,
        })
    }

    /// Information about the model and its device.
    pub fn info(&self) -> JsResult<JsValue> {
        to_value(&self.model.info(&self.name))
    }

    /// Information about the picture `key`, if its features are kept.
    pub fn picture(&self, key: &str) -> JsResult<JsValue> {
        to_value(&self.shared()?.picture(key))
    }

    /// Encodes a picture, or a video whose frames are in a [`crate::image::clip::reel`], and keeps its features under `key`.
    /// `is_only`: whether it is its conversation's only one; `detail`: see [`Detail`].
    #[allow(
        clippy::too_many_arguments,
        reason = "wasm-bindgen's functions have positional arguments only"
    )]
    pub async fn read_picture(
        &self,
        key: String,
        name: String,
        bytes: Vec<u8>,
        is_only: bool,
        detail: JsValue,
        on_event: js_sys::Function,
        stop: &StopFlag,
    ) -> JsResult<JsValue> {
        let mut watch = watch(on_event, stop);
        let mut shared = self.shared()?;
        if is_reel(&bytes) {
            return answer(shared.read_video(&key, &name, &bytes, &mut watch).await);
        }
        let detail: Detail = from_value("detail", detail)?;
        let read = shared.read_picture(&key, &name, &bytes, is_only, detail, &mut watch);
        answer(read.await)
    }

    /// Which frames of a video are looked at: see [`Shared::video_frames`].
    pub fn video_frames(&self, frames: usize, fps: f64, seconds: f64) -> JsResult<JsValue> {
        answer(self.shared()?.video_frames(frames, fps, seconds))
    }

    /// The features of the picture `key`, for `restore_picture`.
    pub async fn features(&self, key: String) -> JsResult<Vec<f32>> {
        self.shared()?.features(&key).await.map_err(to_js)
    }

    /// Restores a picture from saved features and its information.
    pub fn restore_picture(
        &self,
        key: &str,
        info: JsValue,
        features: Vec<f32>,
    ) -> JsResult<JsValue> {
        let info: PictureInfo = from_value("info", info)?;
        let mut shared = self.shared()?;
        let restored = shared.restore_picture(key, info, features);
        answer(restored.map(|()| shared.picture(key).cloned()))
    }

    /// Answers a question: see [`Request`].
    pub async fn reply(
        &self,
        request: JsValue,
        on_event: js_sys::Function,
        stop: &StopFlag,
    ) -> JsResult<JsValue> {
        let mut watch = watch(on_event, stop);
        let request: Request = from_value("request", request)?;
        answer(self.shared()?.reply(&request, &mut watch).await)
    }

    /// The attention with which the last of the request's begun ids was generated: a weight for each visual token.
    pub async fn attention(&self, request: JsValue) -> JsResult<Vec<f32>> {
        let request: Request = from_value("request", request)?;
        self.shared()?.attention(&request).await.map_err(to_js)
    }

    /// The enhancement's attention in a picture: see [`crate::session::EnhancementAttention`].
    pub async fn enhancement_attention(
        &self,
        name: String,
        bytes: Vec<u8>,
        on_event: js_sys::Function,
        stop: &StopFlag,
    ) -> JsResult<JsValue> {
        let mut watch = watch(on_event, stop);
        let shared = self.shared()?;
        answer(
            shared
                .enhancement_attention(&name, &bytes, &mut watch)
                .await,
        )
    }

    /// Compares `count` pieces of quantised weights on the device, chosen at random by `seed`, with their files.
    pub async fn read_back(&self, count: usize, seed: u32) -> JsResult<JsValue> {
        answer(self.model.read_back(count, seed.into()).await)
    }

    fn shared(&self) -> JsResult<RefMut<'_, Shared>> {
        self.shared.try_borrow_mut().map_err(|_| {
            to_js(Error::Device {
                device: self.model.device.name.clone(),
                reason: "the engine is busy with another command".into(),
            })
        })
    }
}

/// Compares the model folder at `url` with its PyTorch values; calls `on_row` with each comparison.
#[wasm_bindgen]
pub async fn parity(url: String, device: String, on_row: js_sys::Function) -> JsResult<JsValue> {
    let run = async {
        let device = choose(DeviceChoice::from_name(&device)?).await?;
        let model = Model::load(Http::new(&url), &device, None, &mut Watch::nobody()).await?;
        let report = crate::parity::run(&Http::new(&url), Rc::new(model), &mut |row| {
            call(&on_row, row);
        })
        .await?;
        Ok::<_, Error>((device, report))
    };
    let (device, report) = run.await.map_err(to_js)?;
    to_value(&serde_json::json!({
        "device": device.name,
        "passed": report.passed(),
        "rows": report.rows,
        "unused": report.unused,
        "kernels_launched": launches(),
        "fallbacks": fallbacks(),
    }))
}

/// The cost of a burn operation on `device`: see [`crate::bench::LaunchCost`].
#[wasm_bindgen]
pub async fn launch_cost(device: String, count: u32) -> JsResult<JsValue> {
    let run = async {
        let device = choose(DeviceChoice::from_name(&device)?).await?.device;
        crate::bench::launch_cost(&device, count).await
    };
    answer(run.await)
}

/// Times a stage on `device`: see [`crate::bench::time_stage`].
#[wasm_bindgen]
pub async fn time_stage(
    device: String,
    shape: String,
    stage: String,
    layers: u32,
    context: Option<u32>,
    runs: u32,
) -> JsResult<JsValue> {
    let timed = async {
        let device = choose(DeviceChoice::from_name(&device)?).await?.device;
        let asked = crate::bench::Asked {
            stage: &stage,
            shape: &shape,
            layers: layers as usize,
            context: context.map(|tokens| tokens as usize),
            crops: None,
            submissions: false,
        };
        crate::bench::time_stage(&device, &asked, runs as usize).await
    };
    answer(timed.await)
}

/// Times a kernel on `device`: see [`crate::bench::time_kernel`].
#[wasm_bindgen]
pub async fn time_kernel(
    device: String,
    name: String,
    runs: u32,
    beside_burn: bool,
) -> JsResult<JsValue> {
    let run = async {
        let device = choose(DeviceChoice::from_name(&device)?).await?.device;
        crate::bench::time_kernel(&device, &name, runs as usize, beside_burn).await
    };
    answer(run.await)
}

fn answer(result: Result<impl Serialize, Error>) -> JsResult<JsValue> {
    result.map_err(to_js).and_then(|value| to_value(&value))
}

fn watch(on_event: js_sys::Function, stop: &StopFlag) -> Watch<'static> {
    Watch::new(stop.0.clone(), move |event: Event| call(&on_event, &event))
}

fn call(function: &js_sys::Function, value: &impl Serialize) {
    if let Ok(value) = to_value(value) {
        // A listener that throws must not stop the computation.
        let _ = function.call1(&JsValue::NULL, &value);
    }
}

fn from_value<T: serde::de::DeserializeOwned>(option: &str, value: JsValue) -> JsResult<T> {
    serde_wasm_bindgen::from_value(value).map_err(|e| {
        to_js(Error::Option {
            option: option.into(),
            reason: e.to_string(),
        })
    })
}

/// Converts to plain objects, with numbers for all integers.
fn to_value(value: &impl Serialize) -> JsResult<JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value
        .serialize(&serializer)
        .map_err(|e| JsValue::from_str(&e.to_string()))
}

fn to_js(error: Error) -> JsValue {
    let value = serde_json::json!({ "code": error.code(), "message": error.to_string() });
    to_value(&value).unwrap_or_else(|e| e)
}
