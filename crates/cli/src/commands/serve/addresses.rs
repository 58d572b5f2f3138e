//! Paths as programs put them together from a base address and a path of their own: what is meant is answered, and
//! where nothing is, the words say what to set instead.

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::files::{self, Files};
use super::refusal::Refusal;

/// What programs ask for below a base address that lacks `/v1`.
const OF_OPENAI: [&str; 9] = [
    "chat",
    "completions",
    "models",
    "embeddings",
    "responses",
    "moderations",
    "images",
    "audio",
    "files",
];
/// The first parts of what programs ask other servers for (Ollama, llama.cpp, TGI, LM Studio, proxies, Anthropic's and
/// Google's clients), and Azure's deployments.
const OF_OTHERS: [&str; 15] = [
    "api",
    "openai",
    "openai-compatible",
    "engines",
    "v0",
    "v2",
    "v3",
    "v1beta",
    "completion",
    "generate",
    "generate_stream",
    "messages",
    "props",
    "tokenize",
    "infill",
];

/// As it is meant: `//v1//chat/completions/` is `/v1/chat/completions`. Outside `/v1` a path stays what it is.
pub fn tidy(uri: &mut Uri) {
    let path = uri.path();
    let is_untidy = path.contains("//") || path.ends_with('/');
    let names = path.split('/').filter(|name| !name.is_empty());
    if !is_untidy || names.clone().next() != Some("v1") {
        return;
    }
    let mut tidied: String = names.flat_map(|name| ["/", name]).collect();
    if let Some(query) = uri.query() {
        tidied.push('?');
        tidied += query;
    }
    let Ok(path) = PathAndQuery::try_from(tidied) else {
        return;
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    if let Ok(tidied) = Uri::from_parts(parts) {
        *uri = tidied;
    }
}

/// Where the base address is, as who asks wrote the server's name.
fn base(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    format!("http://{}/v1", host.unwrap_or("127.0.0.1:8080"))
}

/// What to set where a program asks for what another server, or this one below `/v1`, would have. None if no program is
/// known to.
fn hint(path: &str, headers: &HeaderMap) -> Option<String> {
    let path = path.to_ascii_lowercase();
    let mut names = path.split('/').filter(|name| !name.is_empty());
    let first = names.next()?;
    let base = base(headers);
    if OF_OPENAI.contains(&first) || first == "v1" {
        return Some(format!(
            "there is no {path}: OpenAI's clients ask below /v1, so set the base URL to {base}"
        ));
    }
    let is_known = OF_OTHERS.contains(&first) || path.contains("/chat/completions");
    is_known.then(|| {
        format!(
            "there is no {path}: this server speaks the API of OpenAI, for which the base URL is {base}, \
             and has POST /v1/chat/completions and GET /v1/models"
        )
    })
}

fn not_found(message: impl Into<String>) -> Refusal {
    Refusal {
        status: StatusCode::NOT_FOUND,
        ..Refusal::bad_request("not-found", message)
    }
}

/// Answers what no other route has: with the page's file, or with what to ask for instead.
pub async fn page_or_hint(State(page): State<Option<Files>>, request: Request) -> Response {
    let hint = hint(request.uri().path(), request.headers());
    let base = base(request.headers());
    let answer = match page {
        Some(page) => Some(files::answer(State(page), request).await),
        None => None,
    };
    let is_missing = |answer: &Response| {
        [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&answer.status())
    };
    match (answer, hint) {
        (Some(answer), hint) if hint.is_none() || !is_missing(&answer) => answer,
        (_, Some(hint)) => not_found(hint).into_response(),
        (_, None) => {
            let text = format!("no page is served here; OpenAI's clients ask at {base}\n");
            (StatusCode::NOT_FOUND, text).into_response()
        }
    }
}

/// What there is, where something below `/v1` is asked for that there is not. `uri`: behind `/v1`.
pub async fn no_such_path(uri: Uri, headers: HeaderMap) -> Refusal {
    let path = uri.path();
    let message = match path.split('/').nth(1) {
        Some("v1") => format!(
            "there is no /v1{path}: /v1 stands twice, so set the base URL to {}",
            base(&headers)
        ),
        Some("") => "there is no /v1 by itself: /v1 has /chat/completions and /models".to_string(),
        _ => format!("there is no /v1{path}: /v1 has /chat/completions and /models"),
    };
    not_found(message)
}

/// The request's method is none of those that the path takes. `uri`: behind `/v1`.
pub async fn no_such_method(method: Method, uri: Uri) -> Refusal {
    let path = uri.path();
    let takes = match path {
        "/chat/completions" => "POST",
        _ => "GET",
    };
    Refusal {
        status: StatusCode::METHOD_NOT_ALLOWED,
        ..Refusal::bad_request(
            "bad-method",
            format!("/v1{path} takes {takes} and not {method}"),
        )
    }
}
