//! A model folder on a server, by `fetch`. Small files are fetched whole, large ones are read by
//! Range.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, Response, WorkerGlobalScope};

use crate::error::{Error, Result};
use crate::weights::source::Source;

/// Files are fetched whole, and kept, as long as they are no more than this together.
const WHOLE_BYTES: u64 = 64 << 20;

/// What is known of a file.
enum Known {
    Missing,
    /// Its bytes: a checkpoint is read tensor by tensor, from several shards in turn.
    Whole(Vec<u8>),
    /// Its size: it is read by Range.
    Large(u64),
}

impl Known {
    /// That are kept.
    fn bytes(&self) -> usize {
        match self {
            Known::Whole(bytes) => bytes.len(),
            Known::Missing | Known::Large(_) => 0,
        }
    }
}

/// A folder by its URL. What was fetched whole is kept as long as this is.
pub struct Http {
    base: String,
    files: RefCell<BTreeMap<String, Known>>,
}

impl Http {
    /// Nothing is fetched yet.
    pub fn new(url: &str) -> Self {
        let slash = if url.ends_with('/') { "" } else { "/" };
        Http {
            base: format!("{url}{slash}"),
            files: RefCell::default(),
        }
    }

    async fn fetch(&self, file: &str, range: Option<&Range<u64>>) -> Result<Response> {
        let url = self.describe(file);
        let failed = |error: JsValue| Error::Network {
            url: url.clone(),
            reason: format!(
                "no answer ({}); the server is down, you are offline, or it lacks the header Access-Control-Allow-Origin",
                message(&error)
            ),
        };
        let request = Request::new_with_str(&url).map_err(failed)?;
        if let Some(range) = range {
            let header = format!("bytes={}-{}", range.start, range.end - 1);
            request.headers().set("Range", &header).map_err(failed)?;
        }
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let response = JsFuture::from(scope.fetch_with_request(&request))
            .await
            .map_err(failed)?;
        Ok(response.unchecked_into())
    }

    async fn body(&self, file: &str, response: &Response) -> Result<Vec<u8>> {
        let url = self.describe(file);
        let failed = |error: JsValue| Error::Network {
            url: url.clone(),
            reason: format!("the connection broke off ({})", message(&error)),
        };
        let buffer = JsFuture::from(response.array_buffer().map_err(failed)?)
            .await
            .map_err(failed)?;
        Ok(js_sys::Uint8Array::new(&buffer).to_vec())
    }

    /// Asks for `file` once. A large one's body is let go as soon as its size is known.
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
                if let Some(body) = response.body() {
                    // That the rest is not wanted needs no answer.
                    let _ = body.cancel();
                }
                Known::Large(size)
            }
            (true, declared) => {
                let bytes = self.body(file, &response).await?;
                if let Some(size) = declared.filter(|&size| size != bytes.len() as u64) {
                    return Err(Error::Network {
                        url: self.describe(file),
                        reason: format!("{} of {size} bytes came; try again", bytes.len()),
                    });
                }
                Known::Whole(bytes)
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

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        self.look_up(file).await?;
        Ok(match self.files.borrow().get(file) {
            None | Some(Known::Missing) => None,
            Some(Known::Whole(bytes)) => Some(bytes.len() as u64),
            Some(Known::Large(size)) => Some(*size),
        })
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        self.look_up(file).await?;
        match self.files.borrow().get(file) {
            Some(Known::Whole(bytes)) => return self.slice(file, &range, bytes),
            Some(Known::Large(_)) => {}
            None | Some(Known::Missing) => {
                return Err(Error::FileMissing {
                    file: self.describe(file),
                });
            }
        }
        let response = self.fetch(file, Some(&range)).await?;
        match response.status() {
            206 => {
                let bytes = self.body(file, &response).await?;
                self.slice(file, &(0..range.end - range.start), &bytes)
            }
            200 => Err(Error::Network {
                url: self.describe(file),
                reason:
                    "the server does not answer Range requests, which models of over 64 MiB need"
                        .into(),
            }),
            _ => Err(self.refused(file, &response)),
        }
    }
}

/// The body's length, unless it is compressed on the way, when the header counts something else.
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
