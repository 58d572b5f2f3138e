//! A model from the hub, for the page's worker: its names and files, and its conversion, whose shards JavaScript keeps.

use std::ops::Range;

use wasm_bindgen::prelude::*;

use super::files::{Files, JsFiles};
use super::{JsResult, StopFlag, answer, from_value, to_js, watch};
use crate::error::Result;
use crate::hub::page;
use crate::weights::arrange::Precision;
use crate::weights::remote::Remote;
use crate::weights::source::Source;

#[wasm_bindgen]
extern "C" {
    /// `HubFiles` of `web/src/keep/ranges.ts`.
    #[wasm_bindgen(extends = JsFiles)]
    pub type JsHubFiles;

    #[wasm_bindgen(method)]
    fn expect(this: &JsHubFiles, file: &str, start: f64, end: f64);
}

/// The model that `text` names at `hub`: see [`page::find`]. Null if it names none.
#[wasm_bindgen]
pub fn hub_place(text: &str, hub: &str) -> JsResult<JsValue> {
    answer(page::find(text, hub))
}

/// The files of `repository`, from the hub's list: see [`page::folder`].
#[wasm_bindgen]
pub fn hub_folder(hub: &str, repository: &str, list: &[u8], quant: &str) -> JsResult<JsValue> {
    let read = || page::folder(hub, repository, list, Precision::from_name(quant)?);
    answer(read())
}

/// A checkpoint that is converted while it is read: see [`Remote`].
#[wasm_bindgen]
pub struct Conversion(Remote<HubFiles>);

#[wasm_bindgen]
impl Conversion {
    /// Reads the small files and the headers. `url`: what the files' names are appended to; `name` and `revision` go into
    /// the manifest.
    pub async fn open(
        files: JsHubFiles,
        url: String,
        name: String,
        revision: String,
        quant: String,
    ) -> JsResult<Conversion> {
        let source = HubFiles::new(files, url);
        let opened = async {
            let precision = Precision::from_name(&quant)?;
            Remote::open(source, name, revision, precision).await
        };
        opened.await.map(Conversion).map_err(to_js)
    }

    /// What there is to do: see [`crate::weights::remote::Plan`].
    pub async fn plan(&self) -> JsResult<JsValue> {
        answer(self.0.plan().await)
    }

    /// The bytes of a shard: see [`crate::weights::shards::Shards::make`].
    pub async fn shard(
        &self,
        index: u32,
        on_event: js_sys::Function,
        stop: &StopFlag,
    ) -> JsResult<Vec<u8>> {
        let mut watch = watch(on_event, stop);
        let made = self.0.shard(index as usize, &mut watch).await;
        made.map_err(to_js)
    }

    /// The bytes of one of the plan's files.
    pub async fn file(&self, file: String) -> JsResult<Vec<u8>> {
        self.0.file(&file).await.map_err(to_js)
    }

    /// The manifest of the `shards` and `files`, lists of `{file, bytes, sha256}`.
    pub fn manifest(&self, shards: JsValue, files: JsValue) -> JsResult<Vec<u8>> {
        let shards = from_value("shards", shards)?;
        let files = from_value("files", files)?;
        self.0.manifest(shards, files).map_err(to_js)
    }
}

/// A folder on the hub, which JavaScript reads.
struct HubFiles {
    /// The same object as `files`.
    hub: JsHubFiles,
    files: Files,
    url: String,
}

impl HubFiles {
    fn new(hub: JsHubFiles, url: String) -> Self {
        let files = Files::new(hub.clone().unchecked_into());
        HubFiles { hub, files, url }
    }
}

impl Source for HubFiles {
    fn describe(&self, file: &str) -> String {
        format!("{}{file}", self.url)
    }

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        self.files.size(file).await
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        self.files.read(file, range).await
    }

    fn expect(&self, file: &str, range: Range<u64>) {
        // An f64 represents the offsets in files of up to 9 PB exactly.
        self.hub.expect(file, range.start as f64, range.end as f64);
    }
}
