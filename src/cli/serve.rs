//! `inf-llava serve`: the page, and a model for it, to this machine's browser.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderValue, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{Redirect, Response};
use clap::Args;
use tokio::net::TcpListener;
use tower_http::cors::{Any, CorsLayer};
use tower_http::services::ServeDir;

use super::{find_model, say};
use crate::config::CONFIG_FILE;
use crate::weights::manifest::MANIFEST_FILE;

#[derive(Args)]
pub struct ServeArgs {
    /// Model folder, converted or as a checkpoint [default: as for the other commands]
    #[arg(value_name = "DIR")]
    model: Option<PathBuf>,
    /// The built page: what `cargo xtask build-web` leaves
    #[arg(long, default_value = "dist", value_name = "DIR")]
    page: PathBuf,
    /// On 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

pub fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let model = find_model(args.model, None)?;
    let is_there = |folder: &PathBuf, file: &str| folder.join(file).is_file();
    if !is_there(&model, MANIFEST_FILE) && !is_there(&model, CONFIG_FILE) {
        return Err(anyhow!(
            "{} has neither {MANIFEST_FILE} nor {CONFIG_FILE}: it is no model folder",
            model.display()
        ));
    }
    if !is_there(&args.page, "index.html") {
        return Err(anyhow!(
            "{} holds no page; build it with `cargo xtask build-web`, or name its folder: --page DIR",
            args.page.display()
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await;
        let listener = listener.with_context(|| {
            format!("port {} cannot be had; choose another: --port N", args.port)
        })?;
        say(format_args!("http://{}/", listener.local_addr()?));
        eprintln!("serving {} (Ctrl-C stops)", model.display());
        axum::serve(listener, routes(model, args.page)).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn routes(model: PathBuf, page: PathBuf) -> Router {
    // Pages of other hosts may read the model too: it holds nothing of the user's.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([RANGE])
        .expose_headers([ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG])
        .allow_private_network(true);
    let model = Router::new()
        .fallback_service(ServeDir::new(model))
        .layer(cors);
    Router::new()
        .nest("/model", model)
        .route("/", axum::routing::get(with_model))
        .fallback_service(ServeDir::new(page))
        .layer(from_fn(headers))
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

/// What is asked for by its hash (`shard-00001.bin?sha256=...`) never changes; all else is asked for anew.
async fn headers(request: Request, next: Next) -> Response {
    let by_hash = request
        .uri()
        .query()
        .is_some_and(|query| query.starts_with("sha256="));
    let mut response = next.run(request).await;
    let caching = match by_hash && response.status().is_success() {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
