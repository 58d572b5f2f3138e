//! `inf-llava serve`: the page, and a model for it, to this machine's browser; and the model's answers to its programs.

mod accept;
mod addresses;
mod api;
mod body;
mod budget;
mod connection;
mod drain;
mod engine;
mod files;
mod limits;
mod listen;
mod local;
mod media_type;
mod names;
mod open;
mod origins;
mod packed;
mod pulse;
mod queue;
mod range;
mod refusal;
mod stop;
mod stream;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use axum::Router;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, HeaderValue,
    RANGE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, Uri};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{Redirect, Response};
use axum::routing::get;
use clap::Args;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower_http::cors::{AllowOrigin, CorsLayer};

use self::api::Api;
use self::drain::{Draining, drained};
use self::files::Files;
use self::limits::{BREAKING_OFF, LimitArgs, Limits};
use self::listen::Listeners;
use self::local::Allowed;
use self::stop::Signals;
use super::model::{ModelArgs, PromptArgs, find_folder};
use super::{paths, say};
use inf_llava::config::CONFIG_FILE;
use inf_llava::gpu::device::DeviceChoice;
use inf_llava::model::read_config;
use inf_llava::progress::StopFlag;
use inf_llava::weights::folder::Folder;
use inf_llava::weights::manifest::MANIFEST_FILE;

const DEFAULT_PAGE: &str = "dist";
const BUILD_THE_PAGE: &str =
    "build it with `cargo xtask build-web`, or name its folder: --page DIR";
/// Threads that read files and requests; what more there is to read waits.
const READING_THREADS: usize = 8;

#[derive(Args)]
#[command(after_help = "\
On http://127.0.0.1:PORT and http://[::1]:PORT:
  /        the page
  /model   the model's own files, and nothing else in its folder, for this machine's programs and pages (--allow-origin: more)
  /v1      what OpenAI's clients ask for: POST /v1/chat/completions (pictures as data: URLs; stream), GET /v1/models.
           For programs on this machine and the page itself; pages of other sites are refused, and apps' pages are
           unless --allow-origin names them

Who is late is told so (408), who sends too much (413), and who asks too much at once (503 with Retry-After).
SIGTERM and Ctrl-C end it with the exit code 0, answers first; a second one breaks them off at once.
docs/SERVER.md: as a service of systemd, in a container, behind a proxy")]
pub struct ServeArgs {
    /// Model folder, converted or as a checkpoint, or a model's name as for the other commands [default: as for them;
    /// the model in the program is written to the user's cache folder]
    #[arg(value_name = "MODEL", value_parser = paths::parser())]
    model: Option<PathBuf>,
    /// The built page: what `cargo xtask build-web` leaves [default: dist, if it is there]
    #[arg(long, value_name = "DIR", value_parser = paths::parser())]
    page: Option<PathBuf>,
    /// On 127.0.0.1 and [::1]; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where /v1 computes, from its first question on: auto, wgpu, portable, cpu (and cuda), as for chat
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// Tokens of context that /v1 makes room for [default: 4096, or less if the model knows fewer]
    #[arg(long, value_name = "TOKENS")]
    context: Option<usize>,
    #[command(flatten)]
    prompt: PromptArgs,
    /// Another site whose pages may have the model, as https://example.com; * for all. An app whose pages may ask as
    /// well, as app://obsidian.md, or a page of this machine, as http://localhost:5173. May be repeated
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Another name of this server, as chat.example.com, for a proxy in front of it. May be repeated
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
}

pub async fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READING_THREADS)
        .build()?;
    // From here on, since the first process of a container is ended by no signal that it does not listen to.
    let within = runtime.enter();
    let (mut signals, stop) = Signals::listen().context("signals cannot be listened to")?;
    drop(within);

    let model = runtime.block_on(find_model(args.model, &mut signals))?;
    let Some(model) = model else {
        return Ok(ExitCode::SUCCESS);
    };
    let is_there = |folder: &PathBuf, file: &str| folder.join(file).is_file();
    if !is_there(&model, MANIFEST_FILE) && !is_there(&model, CONFIG_FILE) {
        let (file, reason) = (
            model.display().to_string(),
            format!("it has neither {MANIFEST_FILE} nor {CONFIG_FILE}: it is no model folder"),
        );
        return Err(inf_llava::Error::FileAccess { file, reason }.into());
    }
    // The model is loaded at the first question; what is typed wrong is said now.
    DeviceChoice::from_name(&args.device)?;
    args.prompt.choice()?;
    let mut most_pictures = None;
    let broken = match read_config(&Folder::new(&model)).await {
        Ok((config, _)) => {
            let vision = config.vision.as_ref();
            most_pictures = vision.and_then(|vision| vision.most_pictures());
            config.context_tokens(args.context).map(|_| None)?
        }
        Err(error) if args.context.is_some() => return Err(error.into()),
        // Its files are served all the same: they may be mended while it runs.
        Err(error) => Some(error),
    };
    let allowed = Allowed::new(&args.allow_host, &args.allow_origin)?;
    let limits = Limits::new(&args.limits)?;
    let page = find_page(args.page)?;
    let engine = engine::start(ModelArgs::in_folder(
        model.clone(),
        args.device,
        args.context,
        args.prompt,
    ));
    let engine = engine.context("the engine's thread cannot be started")?;
    let api = Api::new(&model, most_pictures, &engine, limits, stop.clone())?;
    let files = Arc::new(Semaphore::new(limits.files));
    let has_page = page.is_some();
    let served = Served {
        model: Files::of_model(model.clone(), &files),
        page: page.map(|page| Files::of_page(page, &files)),
        api: api.routes(&allowed),
    };
    let draining = Draining {
        timeout: limits.timeout,
        stop: stop.clone(),
    };
    let routes = routes(served, &allowed).layer(from_fn_with_state(draining, drained));
    let broken_off = runtime.block_on(async {
        let listeners = Listeners::on(args.port).await.with_context(|| {
            format!("port {} cannot be had; choose another: --port N", args.port)
        })?;
        let address = listeners.address()?;
        say(format_args!("http://{address}/"));
        if !has_page {
            eprintln!("without the page; {BUILD_THE_PAGE}");
        }
        eprintln!(
            "serving {}, for OpenAI's clients at http://{address}/v1 (Ctrl-C stops)",
            model.display()
        );
        if let Some(error) = &broken {
            eprintln!("{error}; questions at /v1 are refused until that is mended");
        }
        tokio::spawn(signals.run(limits.grace));
        anyhow::Ok(accept::serve(listeners, routes, limits, stop).await)
    })?;
    let since = broken_off.map_or_else(Instant::now, |broken_off| {
        let count = broken_off.connections;
        eprintln!("{count} connections were broken off");
        broken_off.since
    });
    engine.end((since + BREAKING_OFF).into_std());
    // A file on a disk that does not answer is not waited for.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// The model's folder, for which it may have to be downloaded; none if a signal came first.
async fn find_model(
    named: Option<PathBuf>,
    signals: &mut Signals,
) -> anyhow::Result<Option<PathBuf>> {
    let stop = StopFlag::default();
    let stopped = stop.clone();
    match signals
        .unless_one(move || find_folder(named, &stop))
        .await?
    {
        Some(found) => found.map(Some),
        None => {
            stopped.stop();
            Ok(None)
        }
    }
}

/// The page's folder, if it has been built. One that was named must be there.
fn find_page(named: Option<PathBuf>) -> anyhow::Result<Option<PathBuf>> {
    let must_be_there = named.is_some();
    let page = named.unwrap_or_else(|| DEFAULT_PAGE.into());
    match (page.join("index.html").is_file(), must_be_there) {
        (true, _) => Ok(Some(page)),
        (false, false) => Ok(None),
        (false, true) => Err(anyhow!(
            "{} holds no page; {BUILD_THE_PAGE}",
            page.display()
        )),
    }
}

/// What is answered with what.
struct Served {
    model: Files,
    page: Option<Files>,
    api: Router,
}

fn routes(served: Served, allowed: &Allowed) -> Router {
    let own = from_fn_with_state(allowed.clone(), local::own_names_only);
    let routes = Router::new()
        .nest("/model", model(served.model, allowed))
        .nest("/v1", served.api);
    let routes = match &served.page {
        Some(_) => routes.route("/", get(with_model)),
        None => routes,
    };
    let rest = Router::new().fallback(addresses::page_or_hint);
    let routes = routes.fallback_service(rest.with_state(served.page));
    routes.layer(own).layer(map_response(headers))
}

fn model(files: Files, allowed: &Allowed) -> Router {
    let pages = allowed.clone();
    let may_have = move |origin: &HeaderValue, _: &_| {
        origin
            .to_str()
            .is_ok_and(|origin| pages.may_have_model(origin))
    };
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(may_have))
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([RANGE])
        .expose_headers([
            ACCEPT_RANGES,
            CONTENT_LENGTH,
            CONTENT_RANGE,
            ETAG,
            RETRY_AFTER,
        ])
        .allow_private_network(true);
    let pages = from_fn_with_state(allowed.clone(), local::allowed_pages_only);
    let routes = Router::new().fallback(files::answer).with_state(files);
    let routes = match allowed.all_pages() {
        true => routes,
        // A picture or a script needs no CORS to be taken into a page of another site.
        false => routes.layer(map_response(not_embedded)),
    };
    routes.layer(cors).layer(pages)
}

async fn not_embedded(mut response: Response) -> Response {
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    let headers = response.headers_mut();
    headers.insert(policy, HeaderValue::from_static("same-origin"));
    response
}

/// The page opens with the model that is served, unless another is named.
async fn with_model(uri: Uri) -> Redirect {
    let query = uri.query().unwrap_or_default();
    let named = query.split('&').any(|part| part.starts_with("model="));
    match (named, query) {
        (true, _) => Redirect::temporary(&format!("/index.html?{query}")),
        (false, "") => Redirect::temporary("/index.html?model=model/"),
        (false, _) => Redirect::temporary(&format!("/index.html?model=model/&{query}")),
    }
}

/// What does not say how long it may be kept is asked for anew; and everything is what it says that it is.
async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let caching = headers.entry(CACHE_CONTROL);
    caching.or_insert(HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
