//! The files of the model and of the page, as they are answered: whole or in part, and how long they may be kept.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    LAST_MODIFIED, RETRY_AFTER,
};
use axum::http::response::Builder;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_core::Stream;
use percent_encoding::percent_decode_str;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, spawn_blocking};

use super::names::{Known, Names, Stamp};
use super::open::{Opened, open};
use super::range::{Version, Wanted};

/// What is read of a file at once.
const PIECE_BYTES: u64 = 256 << 10;
/// Also of a file that is asked for by its hash: who keeps it asks each time whether it has changed. That it has not
/// could be promised only by hashing every byte as it is sent.
const CACHING: &str = "no-cache";
const INDEX: &str = "index.html";

/// A folder of which files are given.
#[derive(Clone)]
pub struct Files(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// Of a model; of a page everything is given.
    names: Option<Mutex<(Stamp, Arc<Names>)>>,
    /// Files that may be open at once, in all folders together.
    places: Arc<Semaphore>,
}

/// What is found under a name.
enum Found {
    /// The file.
    File(Opened),
    /// The name is the model's, and another version of it was asked for.
    Other,
    Nothing,
}

impl Files {
    /// The model's own files in `folder`.
    pub fn of_model(folder: PathBuf, places: &Arc<Semaphore>) -> Self {
        let names = Some(Mutex::new((Stamp::new(), Arc::default())));
        Self::new(folder, names, places)
    }

    /// All files in `folder`, except those whose names hide them.
    pub fn of_page(folder: PathBuf, places: &Arc<Semaphore>) -> Self {
        Self::new(folder, None, places)
    }

    fn new(
        folder: PathBuf,
        names: Option<Mutex<(Stamp, Arc<Names>)>>,
        places: &Arc<Semaphore>,
    ) -> Self {
        Files(Arc::new(Inner {
            folder,
            names,
            places: Arc::clone(places),
        }))
    }
}

/// Answers a request for a file.
pub async fn answer(State(files): State<Files>, request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let allowed = [(ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, allowed, "files are got\n").into_response();
    }
    let Some(name) = name(request.uri()) else {
        return nothing();
    };
    let Ok(place) = Arc::clone(&files.0.places).try_acquire_owned() else {
        return busy("too many files are being sent; ask again later\n");
    };
    let hash = hash(request.uri()).map(str::to_string);
    let kind = mime_guess::from_path(&name).first_raw();
    let found = spawn_blocking(move || files.0.find(&name, hash.as_deref())).await;
    match found {
        Ok(Ok(Found::File(opened))) => {
            let kind = kind.unwrap_or("application/octet-stream");
            let is_head = request.method() == Method::HEAD;
            send(request.headers(), is_head, opened, kind, place)
        }
        Ok(Ok(Found::Other)) => {
            let text = "another version of this file is here; read the manifest again\n";
            (StatusCode::NOT_FOUND, text).into_response()
        }
        Ok(Ok(Found::Nothing)) => nothing(),
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            (StatusCode::FORBIDDEN, "this file may not be read\n").into_response()
        }
        Ok(Err(error)) => busy(&format!("this file cannot be opened now: {error}\n")),
        Err(error) => {
            let text = format!("looking for this file: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "there is no such file\n").into_response()
}

fn busy(text: &str) -> Response {
    let later = [(RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, later, text.to_string()).into_response()
}

/// The path below the folder; a folder's is that of its page.
fn name(uri: &Uri) -> Option<String> {
    let path = percent_decode_str(uri.path()).decode_utf8().ok()?;
    let name = path.strip_prefix('/').unwrap_or(&path);
    match name.is_empty() || name.ends_with('/') {
        true => Some(format!("{name}{INDEX}")),
        false => Some(name.to_string()),
    }
}

/// `?sha256=...`
fn hash(uri: &Uri) -> Option<&str> {
    let mut parts = uri.query()?.split('&');
    parts.find_map(|part| part.strip_prefix("sha256="))
}

impl Inner {
    fn find(&self, name: &str, hash: Option<&str>) -> io::Result<Found> {
        let Some(names) = &self.names else {
            let opened = open(&self.folder, name)?;
            return Ok(opened.map_or(Found::Nothing, Found::File));
        };
        let names = self.names_now(names);
        let Some(Known { stated }) = names.get(name) else {
            return Ok(Found::Nothing);
        };
        let Some(opened) = open(&self.folder, name)? else {
            return Ok(Found::Nothing);
        };
        Ok(match (hash, stated) {
            (Some(hash), Some((_, own))) if !own.eq_ignore_ascii_case(hash) => Found::Other,
            _ => Found::File(opened),
        })
    }

    /// The model's names, read again where its lists have changed.
    fn names_now(&self, held: &Mutex<(Stamp, Arc<Names>)>) -> Arc<Names> {
        let stamp = Names::stamp(&self.folder);
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != stamp {
            *held = (stamp, Arc::new(Names::read(&self.folder)));
        }
        Arc::clone(&held.1)
    }
}

fn send(
    headers: &HeaderMap,
    is_head: bool,
    Opened { file, data }: Opened,
    kind: &str,
    place: OwnedSemaphorePermit,
) -> Response {
    let version = Version::new(data.len(), data.modified().ok());
    let begin = |status: StatusCode| -> Builder {
        let answer = Response::builder().status(status);
        let answer = answer
            .header(ACCEPT_RANGES, "bytes")
            .header(CACHE_CONTROL, CACHING)
            .header(ETAG, &version.tag);
        match version.changed {
            Some(changed) => answer.header(LAST_MODIFIED, httpdate::fmt_http_date(changed)),
            None => answer,
        }
    };
    let length = version.length;
    let (answer, part) = match version.wanted(headers) {
        Wanted::Whole => (begin(StatusCode::OK), 0..length),
        Wanted::Part(part) => {
            let (first, last) = (part.start, part.end - 1);
            let answer = begin(StatusCode::PARTIAL_CONTENT);
            let range = format!("bytes {first}-{last}/{length}");
            (answer.header(CONTENT_RANGE, range), part)
        }
        Wanted::NotModified => return finish(begin(StatusCode::NOT_MODIFIED), Body::empty()),
        Wanted::PreconditionFailed => {
            let answer = Response::builder().status(StatusCode::PRECONDITION_FAILED);
            return finish(answer, Body::empty());
        }
        Wanted::OutOfRange => {
            let answer = Response::builder().status(StatusCode::RANGE_NOT_SATISFIABLE);
            let range = format!("bytes */{length}");
            return finish(answer.header(CONTENT_RANGE, range), Body::empty());
        }
    };
    let answer = answer
        .header(CONTENT_TYPE, kind)
        .header(CONTENT_LENGTH, part.end - part.start);
    let body = match is_head {
        true => Body::empty(),
        false => Body::from_stream(Part {
            file: Arc::new(file),
            at: part.start,
            end: part.end,
            reading: None,
            _place: place,
        }),
    };
    finish(answer, body)
}

fn finish(answer: Builder, body: Body) -> Response {
    answer.body(body).unwrap_or_else(|error| {
        let text = format!("the answer cannot be put together: {error}\n");
        (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
    })
}

/// Bytes of a file, piece by piece. A file that has become shorter breaks the answer off: its length has been told.
struct Part {
    file: Arc<std::fs::File>,
    at: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
    _place: OwnedSemaphorePermit,
}

impl Stream for Part {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.at >= self.end {
            return Poll::Ready(None);
        }
        let (file, at) = (Arc::clone(&self.file), self.at);
        let length = PIECE_BYTES.min(self.end - at) as usize;
        let reading = self
            .reading
            .get_or_insert_with(|| spawn_blocking(move || read_at(&file, at, length)));
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Ok(bytes) = &read {
            self.at += bytes.len() as u64;
        }
        Poll::Ready(Some(read.map(Bytes::from)))
    }
}

#[cfg(unix)]
fn read_at(file: &std::fs::File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

#[cfg(not(unix))]
fn read_at(mut file: &std::fs::File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    // One piece is read at a time, and nobody else has this file.
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
