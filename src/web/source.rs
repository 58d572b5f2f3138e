//! A model folder on a server, read with `fetch`. Small files are fetched whole, large ones are read by Range. After
//! loading nothing is fetched: otherwise requests would reveal what is asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::Response;

use crate::error::{Error, Result};
use crate::foreign;
use crate::weights::source::Source;

/// Files are fetched whole and kept up to this total size. A response without a length is read up to the same limit.
const WHOLE_BYTES: u64 = 64 << 20;

#[wasm_bindgen(inline_js = "
export function ask(url, range) {
    const headers = range ? { Range: range } : {};
    return fetch(url, { headers, credentials: 'omit', referrerPolicy: 'no-referrer' });
}
export function let_go(response) { response.body?.cancel().catch(() => {}); }
export async function counted(response, most) {
    const parts = [];
    let size = 0;
    for (const reader = response.body?.getReader(); reader; ) {
        const { done, value } = await reader.read();
        if (done) break;
        size += value.length;
        if (size > most) {
            reader.cancel().catch(() => {});
            return undefined;
        }
        parts.push(value);
    }
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
        bytes.set(part, at);
        at += part.length;
    }
    return bytes;
}
")]
extern "C" {
    /// Requests `url`, or a `range` of it, without cookies and referrer.
    #[wasm_bindgen(catch, js_name = ask)]
    async fn js_ask(url: &str, range: Option<String>) -> std::result::Result<JsValue, JsValue>;

    /// Discards the body.
    fn let_go(response: &Response);

    /// Reads the body up to `most` bytes; undefined if there are more.
    #[wasm_bindgen(catch, js_name = counted)]
    async fn js_counted(response: &Response, most: f64) -> std::result::Result<JsValue, JsValue>;
}

/// The state of a file.
enum Known {
    Missing,
    /// Its bytes: a checkpoint is read tensor by tensor, from several shards in turn.
    Whole(Vec<u8>),
    /// Its size: it is read by Range.
    Large(u64),
    /// The server answered with a web page, as single-page apps do for every path: the file does not exist.
    Page,
}

impl Known {
    /// The number of bytes that are kept.
    fn bytes(&self) -> usize {
        match self {
            Known::Whole(bytes) => bytes.len(),
            Known::Missing | Known::Large(_) | Known::Page => 0,
        }
    }
}

/// A folder at a URL. Files fetched whole are kept until it is sealed.
pub struct Http {
    base: String,
    files: RefCell<BTreeMap<String, Known>>,
    sealed: Cell<bool>,
}

impl Http {
    /// Fetches nothing yet.
    pub fn new(url: &str) -> Self {
        let slash = if url.ends_with('/') { "" } else { "/" };
        Http {
            base: format!("{url}{slash}"),
            files: RefCell::default(),
            sealed: Cell::new(false),
        }
    }

    /// Called after loading: from now on every read fails, and nothing is kept.
    pub fn seal(&self) {
        self.sealed.set(true);
        self.files.borrow_mut().clear();
    }

    async fn fetch(&self, file: &str, range: Option<&Range<u64>>) -> Result<Response> {
        let url = self.describe(file);
        if self.sealed.get() {
            return Err(Error::FileAccess {
                file: url,
                reason: "nothing is fetched once the model is loaded, since its host would learn what is asked".into(),
            });
        }
        let range = range.map(|range| format!("bytes={}-{}", range.start, range.end - 1));
        let response = js_ask(&url, range).await.map_err(|error| Error::Network {
            url,
            reason: format!(
                "no answer ({}); the server is down, you are offline, or it lacks the header Access-Control-Allow-Origin",
                message(&error)
            ),
        })?;
        let response: Response = response.unchecked_into();
        if !response.ok() {
            let_go(&response);
        }
        Ok(response)
    }

    /// Reads the body of a response, up to `most` bytes.
    async fn body(&self, file: &str, response: &Response, most: u64) -> Result<Vec<u8>> {
        let body = js_counted(response, most as f64).await;
        let body = body.map_err(|error| Error::Network {
            url: self.describe(file),
            reason: format!("the connection broke off ({})", message(&error)),
        })?;
        let bytes: Uint8Array = body.dyn_into().map_err(|_| Error::FileAccess {
            file: self.describe(file),
            reason: format!("the server sends more than {most} bytes; it was not read on"),
        })?;
        Ok(bytes.to_vec())
    }

    /// Requests `file` once. The body of a large one is discarded as soon as its size is known.
    async fn look_up(&self, file: &str) -> Result<()> {
        if self.files.borrow().contains_key(file) {
            return Ok(());
        }
        let response = self.fetch(file, None).await?;
        let length: Option<u64> = declared_length(&response);
        let kept: usize = self.files.borrow().values().map(Known::bytes).sum();
        let room = WHOLE_BYTES.saturating_sub(kept as u64);
        let known = match (response.ok(), length) {
            (false, _) => match self.refused(file, &response) {
                Error::FileMissing { .. } => Known::Missing,
                other => return Err(other),
            },
            (true, Some(size)) if size > room => {
                let_go(&response);
                Known::Large(size)
            }
            (true, declared) => {
                let bytes = self.body(file, &response, room).await?;
                // Cross-origin responses hide the Content-Encoding, so a body may be longer than declared.
                if let Some(size) = declared.filter(|&size| size > bytes.len() as u64) {
                    return Err(Error::Network {
                        url: self.describe(file),
                        reason: format!("{} of {size} bytes came; try again", bytes.len()),
                    });
                }
                match foreign::is_page(&bytes[..bytes.len().min(foreign::HEAD_BYTES)]) {
                    true => Known::Page,
                    false => Known::Whole(bytes),
                }
            }
        };
        self.files.borrow_mut().insert(file.to_string(), known);
        Ok(())
    }

    fn refused(&self, file: &str, response: &Response) -> Error {
        match response.status() {
            404 | 410 => Error::FileMissing {
                file: self.describe(file),
            },
            status => Error::Network {
                url: self.describe(file),
                reason: format!("the server answered {status}"),
            },
        }
    }

    fn slice(&self, file: &str, range: &Range<u64>, bytes: &[u8]) -> Result<Vec<u8>> {
        let part = bytes.get(range.start as usize..range.end as usize);
        part.map(<[u8]>::to_vec).ok_or_else(|| Error::Network {
            url: self.describe(file),
            reason: format!(
                "{} bytes came, bytes {}..{} were wanted",
                bytes.len(),
                range.start,
                range.end
            ),
        })
    }
}

impl Source for Http {
    fn describe(&self, file: &str) -> String {
        format!("{}{file}", self.base)
    }

    fn missing(&self, file: &str) -> Error {
        match self.files.borrow().get(file) {
            Some(Known::Page) => Error::Network {
                url: self.describe(file),
                reason: "the server answers with a web page (HTML), not with this file: it does not have it (single-page apps answer so for every path), or wants a login. Look at the address, and at where the model lies".into(),
            },
            _ => Error::FileMissing {
                file: self.describe(file),
            },
        }
    }

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        self.look_up(file).await?;
        Ok(match self.files.borrow().get(file) {
            None | Some(Known::Missing | Known::Page) => None,
            Some(Known::Whole(bytes)) => Some(bytes.len() as u64),
            Some(Known::Large(size)) => Some(*size),
        })
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        self.look_up(file).await?;
        match self.files.borrow().get(file) {
            Some(Known::Whole(bytes)) => return self.slice(file, &range, bytes),
            Some(Known::Large(_)) => {}
            None | Some(Known::Missing | Known::Page) => return Err(self.missing(file)),
        }
        let response = self.fetch(file, Some(&range)).await?;
        match response.status() {
            206 => {
                let wanted = range.end.saturating_sub(range.start);
                let bytes = self.body(file, &response, wanted).await?;
                self.slice(file, &(0..wanted), &bytes)
            }
            200 => {
                let_go(&response);
                Err(Error::Network {
                    url: self.describe(file),
                    reason:
                        "the server does not answer Range requests, which models of over 64 MiB need"
                            .into(),
                })
            }
            _ => Err(self.refused(file, &response)),
        }
    }
}

/// The length of the body; none if it is compressed, since the header then counts compressed bytes.
fn declared_length(response: &Response) -> Option<u64> {
    let header = |name| response.headers().get(name).ok().flatten();
    match header("Content-Encoding") {
        None => header("Content-Length")?.parse().ok(),
        Some(_) => None,
    }
}

fn message(error: &JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map_or_else(|| format!("{error:?}"), |e| String::from(e.message()))
}
