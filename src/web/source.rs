//! A model folder on a server, by `fetch`. Small files are fetched whole and the last one is kept,
//! since a checkpoint is read tensor by tensor; large ones are read by Range.

use std::cell::RefCell;
use std::ops::Range;

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, RequestInit, Response, WorkerGlobalScope};

use crate::error::{Error, Result};
use crate::weights::source::Source;

/// Files up to this are fetched whole.
const WHOLE_BYTES: u64 = 64 << 20;

/// A folder by its URL.
pub struct Http {
    base: String,
    last: RefCell<Option<(String, Vec<u8>)>>,
}

impl Http {
    /// Nothing is fetched yet.
    pub fn new(url: &str) -> Self {
        let slash = if url.ends_with('/') { "" } else { "/" };
        Http {
            base: format!("{url}{slash}"),
            last: RefCell::new(None),
        }
    }

    async fn fetch(
        &self,
        method: &str,
        file: &str,
        range: Option<&Range<u64>>,
    ) -> Result<Response> {
        let url = self.describe(file);
        let failed = |error: JsValue| Error::Network {
            url: url.clone(),
            reason: format!(
                "no answer ({}); the server is down, you are offline, or it lacks the header Access-Control-Allow-Origin",
                message(&error)
            ),
        };
        let options = RequestInit::new();
        options.set_method(method);
        let request = Request::new_with_str_and_init(&url, &options).map_err(failed)?;
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

    async fn body(&self, file: &str, response: Response) -> Result<Vec<u8>> {
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

    /// The whole file, kept until another one is read.
    async fn whole(&self, file: &str) -> Result<()> {
        if self
            .last
            .borrow()
            .as_ref()
            .is_some_and(|(name, _)| name == file)
        {
            return Ok(());
        }
        let response = self.fetch("GET", file, None).await?;
        if !response.ok() {
            return Err(self.refused(file, &response));
        }
        let bytes = self.body(file, response).await?;
        *self.last.borrow_mut() = Some((file.to_string(), bytes));
        Ok(())
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
        let response = self.fetch("HEAD", file, None).await?;
        if !response.ok() {
            return match self.refused(file, &response) {
                Error::FileMissing { .. } => Ok(None),
                other => Err(other),
            };
        }
        let length = response.headers().get("Content-Length").ok().flatten();
        match length.and_then(|length| length.parse().ok()) {
            Some(size) => Ok(Some(size)),
            // A server that does not tell, or compresses on the way: the body decides.
            None => {
                self.whole(file).await?;
                Ok(self
                    .last
                    .borrow()
                    .as_ref()
                    .map(|(_, bytes)| bytes.len() as u64))
            }
        }
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let size = self.size_if_large(file).await?;
        if size.is_none() {
            self.whole(file).await?;
            return match self.last.borrow().as_ref() {
                Some((_, bytes)) => self.slice(file, &range, bytes),
                None => Err(Error::FileMissing {
                    file: self.describe(file),
                }),
            };
        }
        let response = self.fetch("GET", file, Some(&range)).await?;
        match response.status() {
            206 => {
                let bytes = self.body(file, response).await?;
                self.slice(file, &(0..range.end - range.start), &bytes)
            }
            200 => Err(Error::Network {
                url: self.describe(file),
                reason:
                    "the server does not answer Range requests, which files of over 64 MiB need"
                        .into(),
            }),
            _ => Err(self.refused(file, &response)),
        }
    }
}

impl Http {
    /// The size of a file that is read in parts; none for one that is read whole.
    async fn size_if_large(&self, file: &str) -> Result<Option<u64>> {
        if self
            .last
            .borrow()
            .as_ref()
            .is_some_and(|(name, _)| name == file)
        {
            return Ok(None);
        }
        Ok(self.size(file).await?.filter(|&size| size > WHOLE_BYTES))
    }
}

fn message(error: &JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map_or_else(|| format!("{error:?}"), |e| String::from(e.message()))
}
