//! `/v1`: the chat completions and the list of models that OpenAI's clients know, answered by the model that is served.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::Router;
use axum::extract::{Path as Named, Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::addresses::{no_such_method, no_such_path};
use super::body::{self, Held};
use super::budget::{Budget, Share};
use super::engine::{Engine, Heard, Job, MOST_WAITING, Said, Saying};
use super::limits::Limits;
use super::local::{Allowed, own_page_only};
use super::media_type::SaidType;
use super::packed::{Packing, packings, unpack};
use super::queue::{NoPlace, Queue};
use super::refusal::Refusal;
use super::stop::{Stage, Stop};
use super::stream;
use inf_llava::openai::{Ask, Face, Head};

/// Requests of more bytes are read one after the other: as long as one is read, it takes up to three times as many.
const LARGE_BYTES: usize = 1 << 20;

/// How long a stream that waits for nobody may have no head yet.
const SOON: Duration = Duration::from_secs(2);

/// What the routes know.
pub struct Api {
    /// The name of the model's folder.
    id: String,
    /// When that was changed last, in seconds since 1970.
    created: u64,
    queue: Arc<Queue<Job>>,
    /// The most pictures of a conversation; none where the context alone limits them.
    most_pictures: Option<usize>,
    /// Answers begun so far.
    answers: AtomicU64,
    limits: Limits,
    budget: Budget,
    /// Whose turn it is to read a large request.
    large: Arc<Semaphore>,
    stop: Stop,
}

impl Api {
    /// For the model in `folder`.
    ///
    /// # Errors
    /// If the folder cannot be looked at.
    pub fn new(
        folder: &Path,
        most_pictures: Option<usize>,
        engine: &Engine,
        limits: Limits,
        stop: Stop,
    ) -> anyhow::Result<Self> {
        let whole = folder.canonicalize();
        let whole = whole.with_context(|| format!("{} cannot be opened", folder.display()))?;
        let id = name_of(&whole);
        let changed = whole.metadata().and_then(|data| data.modified());
        Ok(Api {
            id,
            created: changed.map_or(0, seconds),
            queue: engine.queue(),
            most_pictures,
            answers: AtomicU64::new(0),
            budget: Budget::new(limits.memory),
            limits,
            large: Arc::new(Semaphore::new(1)),
            stop,
        })
    }

    /// The routes below `/v1`.
    pub fn routes(self, allowed: &Allowed) -> Router {
        let routes = Router::new()
            .route("/models", get(models))
            .route("/models/{id}", get(model_by_id))
            .route("/chat/completions", post(completions))
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method);
        let routes = match allowed.has_askers() {
            true => routes.layer(for_askers(allowed.clone())),
            false => routes,
        };
        routes
            .layer(from_fn_with_state(allowed.clone(), own_page_only))
            .with_state(Arc::new(self))
    }

    fn model(&self) -> Value {
        json!({"id": self.id, "object": "model", "created": self.created, "owned_by": "inf-llava"})
    }

    fn check_model(&self, id: &str) -> Result<(), Refusal> {
        match id == self.id {
            true => Ok(()),
            false => Err(Refusal {
                status: StatusCode::NOT_FOUND,
                code: "model_not_found", // the one word that clients look for
                ..Refusal::bad_value(
                    "model",
                    format!("the model {id:?} is not served here; {:?} is", self.id),
                )
            }),
        }
    }
}

/// What a browser needs to be told before an app's page may ask, and read what it is answered.
fn for_askers(allowed: Allowed) -> CorsLayer {
    let may_ask = move |origin: &HeaderValue, _: &_| {
        origin.to_str().is_ok_and(|origin| allowed.may_ask(origin))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(may_ask))
        .allow_methods([Method::GET, Method::POST])
        // Clients have headers of their own, as to say what they are.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([RETRY_AFTER])
        .allow_private_network(true)
}

async fn models(State(api): State<Arc<Api>>) -> Response {
    answer(json!({"object": "list", "data": [api.model()]}))
}

async fn model_by_id(
    State(api): State<Arc<Api>>,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    api.check_model(&id)?;
    Ok(answer(api.model()))
}

async fn completions(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Refusal> {
    // The end comes first: the engine may get to a question that waits before it hears of it.
    tokio::select! {
        biased;
        () = api.stop.reached(Stage::BreakingOff) => Err(Refusal::stopping()),
        answer = complete(&api, request) => answer,
    }
}

async fn complete(api: &Api, request: Request) -> Result<Response, Refusal> {
    let sent_as = SentAs {
        packings: packings(request.headers())?,
        said_type: SaidType::new(request.headers()),
        budget: api.budget.clone(),
        most_bytes: api.limits.body(),
        most_pictures: api.most_pictures,
    };
    let held = body::read(request.into_body(), &api.budget, &api.limits).await?;
    let (ask, share) = read(held, sent_as, &api.large).await?;
    api.check_model(ask.model.as_deref().unwrap_or_default())?;

    let (saying, mut heard) = Saying::new();
    let job = Job {
        pictures: ask.pictures,
        request: ask.request,
        states_temperature: ask.states_temperature,
        saying,
        share,
    };
    let ticket = api.queue.push(job).map_err(|no_place| match no_place {
        NoPlace::Full => Refusal::busy(
            "busy",
            format!("{MOST_WAITING} requests are waiting already; ask again later"),
        ),
        NoPlace::Closed => Refusal::stopping(),
    })?;
    let number = api.answers.fetch_add(1, Ordering::Relaxed);
    let head = Head::new(number, api.id.clone(), ask.include_usage);
    if ask.stream {
        // Behind another answer it may wait for minutes; else a failure may have a status of its own, if it comes soon.
        let first = match ticket.is_at_once {
            true => timeout(SOON, next(&mut heard)).await.ok().transpose()?,
            false => None,
        };
        let stop = api.stop.clone();
        return Ok(stream::answer(head, ticket, first, heard, stop));
    }
    // As long as this waits, a client that goes away ends it, and with it the answer.
    let first = next(&mut heard).await?;
    drop(ticket);
    let (mut text, mut said) = (String::new(), first);
    loop {
        match said {
            Said::Piece(piece) => text += &piece,
            Said::Done(finish) => return Ok(answer(head.whole(text, &finish))),
            Said::Failed(refusal) => return Err(refusal),
        }
        said = next(&mut heard).await?;
    }
}

/// How a body was sent, and what it may become.
struct SentAs {
    packings: Vec<Packing>,
    said_type: SaidType,
    budget: Budget,
    most_bytes: usize,
    most_pictures: Option<usize>,
}

impl SentAs {
    fn read(&self, held: Held) -> Result<(Ask, Share), Refusal> {
        let Held { bytes, share } = unpack(held, &self.packings, &self.budget, self.most_bytes)?;
        self.said_type.check(&bytes)?;
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        let was_meant_as_json = matches!(first, Some(b'{' | b'[') | None);
        let ask = Ask::read(bytes, Face::Server, self.most_pictures)
            .map_err(|bad| self.said_type.explain(bad.into(), was_meant_as_json))?;
        for picture in &ask.pictures {
            check_kind(&picture.bytes)?;
        }
        ask.check_question()?;
        Ok((ask, share))
    }
}

/// Refuses what is no picture before it waits for its turn. One that is gets decoded when that has come, since two at a
/// time would take too much memory.
fn check_kind(bytes: &[u8]) -> Result<(), Refusal> {
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    let kind = image::guess_format(bytes);
    if matches!(kind, Ok(Bmp | Gif | Jpeg | Png | WebP)) {
        return Ok(());
    }
    // It names what this is instead, without reading further.
    let decoded = inf_llava::image::decode("image", bytes, &inf_llava::image::Limits::default());
    decoded.map(|_| ()).map_err(|error| Refusal::from(&error))
}

/// Reads what a request asks. What it holds, its share and its turn, goes with its bytes: these are read to their end, or
/// wait for that, also when the client has gone and nobody waits for what comes of it.
async fn read(
    held: Held,
    sent_as: SentAs,
    large: &Arc<Semaphore>,
) -> Result<(Ask, Share), Refusal> {
    // A small one that was packed may become large.
    let turn = match held.bytes.len() > LARGE_BYTES || !sent_as.packings.is_empty() {
        true => Arc::clone(large).acquire_owned().await.ok(),
        false => None,
    };
    // A picture of many megabytes must not keep other answers from being sent.
    let reading = spawn_blocking(move || {
        let ask = sent_as.read(held);
        drop(turn);
        ask
    });
    let read = reading.await;
    read.map_err(|error| Refusal::internal(format!("reading the request: {error}")))?
}

/// What the engine says next, if it is no failure.
async fn next(heard: &mut Heard) -> Result<Said, Refusal> {
    match heard.next().await {
        Some(Said::Failed(refusal)) => Err(refusal),
        Some(said) => Ok(said),
        None => Err(Refusal::internal("the engine ended before the answer")),
    }
}

/// The name that clients know a model by: its folder's, or in the hub's cache
/// (`models--OWNER--NAME/snapshots/COMMIT`) its repository's.
fn name_of(folder: &Path) -> String {
    let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    let cached = || {
        let snapshots = folder
            .parent()
            .filter(|above| above.ends_with("snapshots"))?;
        let repository = name(snapshots.parent()?)?;
        let (_, own) = repository.strip_prefix("models--")?.split_once("--")?;
        Some(own.to_string())
    };
    cached()
        .or_else(|| name(folder))
        .unwrap_or_else(|| "model".into())
}

/// Since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn answer(value: impl Display) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use tokio::sync::Semaphore;
    use tokio::time::{sleep, timeout};

    use super::{Budget, Held, LARGE_BYTES, Path, SaidType, SentAs, Share, name_of, read};

    #[test]
    fn a_model_of_the_hubs_cache_has_its_repositorys_name() {
        for (folder, name) in [
            ("/models/demo", "demo"),
            ("/hub/models--owner--na.me/snapshots/0123abc", "na.me"),
            ("/hub/other/snapshots/0123abc", "0123abc"),
            ("/", "model"),
        ] {
            assert_eq!(name_of(Path::new(folder)), name, "{folder}");
        }
    }

    #[test]
    fn what_is_read_holds_its_memory_though_its_sender_has_gone() {
        const BYTES: usize = LARGE_BYTES + 1;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (budget, large) = (Budget::new(2 * BYTES), Arc::new(Semaphore::new(1)));
            let mut held = Held {
                bytes: vec![b' '; BYTES],
                share: Share::default(),
            };
            assert!(budget.grow(&mut held.share, BYTES) && !budget.has(2 * BYTES));
            // Whatever reads requests is busy.
            let (go_on, waiting) = channel::<()>();
            let busy = tokio::task::spawn_blocking(move || waiting.recv());
            {
                let sent_as = SentAs {
                    packings: Vec::new(),
                    said_type: SaidType::default(),
                    budget: budget.clone(),
                    most_bytes: 2 * BYTES,
                    most_pictures: None,
                };
                let mut reading = pin!(read(held, sent_as, &large));
                let soon = Duration::from_millis(1);
                assert!(timeout(soon, reading.as_mut()).await.is_err());
            }
            assert!(!budget.has(2 * BYTES) && large.available_permits() == 0);
            drop(go_on);
            assert!(busy.await.expect("no panic").is_err());
            while !budget.has(2 * BYTES) || large.available_permits() == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        });
    }
}
