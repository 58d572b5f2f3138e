//! A model's files in the worker: stored by the browser, or picked from disk. Only the bytes of each read enter the
//! wasm memory.

use std::ops::Range;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use crate::error::{Error, Result};
use crate::weights::source::Source;

#[wasm_bindgen]
extern "C" {
    /// `ModelFiles` of `web/src/keep/files.ts`.
    pub type JsFiles;

    #[wasm_bindgen(method, catch)]
    async fn size(this: &JsFiles, file: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn read(this: &JsFiles, file: &str, start: f64, end: f64) -> Result<JsValue, JsValue>;
}

/// Files that JavaScript reads.
pub struct Files(JsFiles);

impl Files {
    /// Wraps the JavaScript object; reads nothing yet.
    pub fn new(files: JsFiles) -> Self {
        Files(files)
    }
}

impl Source for Files {
    fn describe(&self, file: &str) -> String {
        file.to_string()
    }

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        let size = self.0.size(file).await.map_err(|e| failed(file, &e))?;
        Ok(size.as_f64().map(|size| size as u64))
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        // An f64 represents the offsets in files of up to 9 PB exactly.
        let read = self
            .0
            .read(file, range.start as f64, range.end as f64)
            .await;
        let bytes = read.map_err(|e| failed(file, &e))?;
        let bytes: Uint8Array = bytes.dyn_into().map_err(|other| failed(file, &other))?;
        let (found, wanted) = (
            u64::from(bytes.length()),
            range.end.saturating_sub(range.start),
        );
        match found == wanted {
            true => Ok(bytes.to_vec()),
            false => Err(Error::FileAccess {
                file: file.to_string(),
                reason: format!("{found} bytes came, bytes {range:?} were wanted"),
            }),
        }
    }
}

/// What JavaScript threw: `{code, message}`, or an Error.
fn failed(file: &str, thrown: &JsValue) -> Error {
    let message = js_sys::Reflect::get(thrown, &"message".into());
    let message = message.ok().and_then(|message| message.as_string());
    Error::FileAccess {
        file: file.to_string(),
        reason: message.unwrap_or_else(|| format!("{thrown:?}")),
    }
}
