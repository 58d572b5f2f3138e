//! Who may ask: programs on this machine, and the server's own page. A page of another site must not read a model or
//! use the user's GPU, neither by a request across origins nor under a name that was made to lead here (DNS rebinding).

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::middleware::Next;
use axum::response::Response;

use super::origins::{flag, is_local, is_of_this_machine, is_origin, split_port, who_may_ask};
use super::refusal::Refusal;
use inf_llava::error::{Error, Result};

/// What stands for every site in `--allow-origin`.
const ANY: &str = "*";

/// Whom the server answers beside this machine's programs and its own page.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Names of this server beside this machine's, for a proxy in front of it; in lower case.
    hosts: Vec<String>,
    /// Origins whose pages may have the model; in lower case.
    origins: Vec<String>,
}

impl Allowed {
    /// As they are typed.
    ///
    /// # Errors
    /// [`Error::Option`] for what can be no name of a host, or no origin.
    pub fn new(hosts: &[String], origins: &[String]) -> Result<Self> {
        for host in hosts {
            if host.is_empty() || host.contains(['/', '*', '@', ',', ' ']) || is_local(host) {
                return Err(wrong("--allow-host", host, "chat.example.com"));
            }
            if split_port(host).1.is_some() {
                return Err(wrong(
                    "--allow-host",
                    host,
                    "chat.example.com, for any port",
                ));
            }
        }
        for origin in origins {
            if !is_origin(origin) && origin != ANY {
                let example = "https://example.com, app://obsidian.md, or *";
                return Err(wrong("--allow-origin", origin, example));
            }
        }
        let lower = |all: &[String]| all.iter().map(|one| one.to_ascii_lowercase()).collect();
        Ok(Allowed {
            hosts: lower(hosts),
            origins: lower(origins),
        })
    }

    /// Whether every site's pages may have the model.
    pub fn all_pages(&self) -> bool {
        self.origins.iter().any(|origin| origin == ANY)
    }

    /// Whether a request for `host` asks this server.
    fn is_own(&self, host: &str) -> bool {
        is_local(host) || self.is_named(host)
    }

    fn is_named(&self, host: &str) -> bool {
        let (name, port) = split_port(host);
        let is_port = |port: &str| port.chars().all(|digit| digit.is_ascii_digit());
        port.is_none_or(is_port) && self.hosts.iter().any(|own| name.eq_ignore_ascii_case(own))
    }

    /// Whether anybody beside programs and the server's own page may ask.
    pub fn has_askers(&self) -> bool {
        self.origins.iter().any(|origin| is_of_this_machine(origin))
    }

    /// Whether the pages of `origin` may ask: an app's or this machine's own, if it is named. A site of the web may not,
    /// nor whoever hides where it comes from.
    pub fn may_ask(&self, origin: &str) -> bool {
        let is = |named: &String| named.eq_ignore_ascii_case(origin);
        is_of_this_machine(origin) && self.origins.iter().any(is)
    }

    /// Whether the pages of `origin` may have the model.
    pub fn may_have_model(&self, origin: &str) -> bool {
        let host = origin.split_once("://").map(|(scheme, host)| match scheme {
            "http" | "https" => host,
            _ => "",
        });
        let is_own = host.is_some_and(|host| is_local(host) || self.is_named(host));
        let is = |named: &String| named.eq_ignore_ascii_case(origin);
        is_own || self.all_pages() || self.origins.iter().any(is)
    }
}

fn wrong(option: &str, value: &str, example: &str) -> Error {
    Error::Option {
        option: option.into(),
        reason: format!("{value:?} is none; it must be put like {example}"),
    }
}

/// Lets a request on, if it asks this server by one of its names.
///
/// # Errors
/// 403 with `foreign-host`.
pub async fn own_names_only(
    State(allowed): State<Allowed>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    host(request.headers(), &allowed)?;
    // A target with a name of its own counts beside the header (RFC 9112, 3.2.2).
    let authority = request.uri().authority();
    if authority.is_some_and(|name| !allowed.is_own(name.as_str())) {
        return Err(foreign_host());
    }
    Ok(next.run(request).await)
}

/// Lets a request on, if no page of another site makes it.
///
/// # Errors
/// 403 with `foreign-origin`.
pub async fn own_page_only(
    State(allowed): State<Allowed>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    own_origin(request.headers(), &allowed)?;
    Ok(next.run(request).await)
}

/// Lets a request on, if no page makes it that may not have the model.
///
/// # Errors
/// 403 with `foreign-origin`.
pub async fn allowed_pages_only(
    State(allowed): State<Allowed>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let headers = request.headers();
    let origin = || single(headers, ORIGIN.as_str());
    if headers.contains_key(ORIGIN) && !origin().is_some_and(|o| allowed.may_have_model(o)) {
        let flag = flag(origin().unwrap_or_default());
        let message = format!(
            "a page of another site may not have this model, unless the server is started with {flag}"
        );
        return Err(Refusal::forbidden("foreign-origin", message));
    }
    Ok(next.run(request).await)
}

fn host<'a>(headers: &'a HeaderMap, allowed: &Allowed) -> Result<&'a str, Refusal> {
    let host = single(headers, HOST.as_str());
    host.filter(|host| allowed.is_own(host))
        .ok_or_else(foreign_host)
}

fn foreign_host() -> Refusal {
    let message = "this server answers to localhost, 127.0.0.1 and [::1] only; ask for it by one of these names, or start it with --allow-host and this one";
    Refusal::forbidden("foreign-host", message)
}

fn own_origin(headers: &HeaderMap, allowed: &Allowed) -> Result<(), Refusal> {
    let host = host(headers, allowed)?;
    if !headers.contains_key(ORIGIN) {
        return Ok(()); // no page asks
    }
    // What is in front of a server with another name may speak HTTPS.
    let schemes: &[&str] = match is_local(host) {
        true => &["http"],
        false => &["http", "https"],
    };
    let mut own = schemes.iter().map(|scheme| format!("{scheme}://{host}"));
    match single(headers, ORIGIN.as_str()) {
        Some(origin) if own.any(|own| origin.eq_ignore_ascii_case(&own)) => Ok(()),
        Some(origin) if allowed.may_ask(origin) => Ok(()),
        origin => {
            let message = who_may_ask(origin.unwrap_or_default());
            Err(Refusal::forbidden("foreign-origin", message))
        }
    }
}

/// A header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::{Allowed, own_origin};
    use axum::http::{HeaderMap, HeaderValue};

    fn code_with(allowed: &Allowed, headers: &[(&'static str, &str)]) -> Option<&'static str> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        own_origin(&map, allowed).err().map(|refusal| refusal.code)
    }

    fn code(headers: &[(&'static str, &str)]) -> Option<&'static str> {
        code_with(&Allowed::default(), headers)
    }

    fn allowed(hosts: &[&str], origins: &[&str]) -> Result<Allowed, String> {
        let owned = |all: &[&str]| all.iter().map(|one| one.to_string()).collect::<Vec<_>>();
        Allowed::new(&owned(hosts), &owned(origins)).map_err(|error| error.to_string())
    }

    #[test]
    fn only_this_machine_may_ask_and_only_the_servers_own_page() {
        for host in [
            "localhost",
            "LocalHost:80",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:9",
        ] {
            assert_eq!(code(&[("host", host)]), None, "{host}");
            let own = format!("http://{host}");
            assert_eq!(code(&[("host", host), ("origin", &own)]), None, "{host}");
            for origin in ["null", "", "https://evil.example", "http://localhost:3000"] {
                let found = code(&[("host", host), ("origin", origin)]);
                assert_eq!(found, Some("foreign-origin"), "{host} {origin}");
            }
        }
        let twice = [
            ("host", "localhost"),
            ("origin", "http://localhost"),
            ("origin", "http://evil"),
        ];
        assert_eq!(code(&twice), Some("foreign-origin"));
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io:8080",
            "localhost:80@evil",
            "::1",
            "[::1",
            "0.0.0.0",
        ] {
            assert_eq!(code(&[("host", host)]), Some("foreign-host"), "{host}");
        }
        assert_eq!(code(&[]), Some("foreign-host"));
        assert_eq!(
            code(&[("host", "localhost"), ("host", "evil")]),
            Some("foreign-host")
        );
    }

    #[test]
    fn a_proxys_name_is_one_of_the_servers_and_no_other_is() {
        let proxied = allowed(&["Chat.Example.com"], &[]).expect("a name");
        let code = |headers: &[(&'static str, &str)]| code_with(&proxied, headers);
        for (host, origin) in [
            ("chat.example.com", "https://chat.example.com"),
            ("chat.example.com:8443", "https://chat.example.com:8443"),
            ("chat.example.com", "http://chat.example.com"),
            ("localhost:8080", "http://localhost:8080"),
        ] {
            assert_eq!(code(&[("host", host), ("origin", origin)]), None, "{host}");
        }
        let foreign = [
            ("host", "chat.example.com"),
            ("origin", "https://evil.example"),
        ];
        assert_eq!(code(&foreign), Some("foreign-origin"));
        for host in [
            "example.com",
            "chat.example.com.evil.example",
            "chat.example.com:a",
        ] {
            assert_eq!(code(&[("host", host)]), Some("foreign-host"), "{host}");
        }
    }

    #[test]
    fn the_model_goes_to_pages_of_this_machine_and_to_those_that_are_named() {
        let nobody = Allowed::default();
        let named =
            allowed(&["chat.example.com"], &["https://Example.com", "null"]).expect("names");
        let any = allowed(&[], &["*"]).expect("all");
        for (origin, by_nobody, by_named) in [
            ("http://localhost:3000", true, true),
            ("https://127.0.0.1", true, true),
            ("http://[::1]:8080", true, true),
            ("https://example.com", false, true),
            ("https://chat.example.com", false, true),
            ("null", false, true),
            ("https://example.com:444", false, false),
            ("http://example.com", false, false),
            ("https://example.com.evil.example", false, false),
            ("http://localhost.evil.example", false, false),
            ("http://localhost:3000@evil.example", false, false),
            ("ftp://localhost", false, false),
            ("localhost", false, false),
            ("", false, false),
        ] {
            assert_eq!(nobody.may_have_model(origin), by_nobody, "{origin}");
            assert_eq!(named.may_have_model(origin), by_named, "{origin}");
            assert!(any.may_have_model(origin), "{origin}");
        }
    }

    #[test]
    fn an_app_or_a_page_of_this_machine_may_ask_if_it_is_named() {
        let named = [
            "app://Obsidian.md",
            "http://localhost:3000",
            "https://example.com",
            "null",
            "file://",
        ];
        let allowed_ones = allowed(&[], &named).expect("names");
        let any = allowed(&[], &["*"]).expect("all");
        for (origin, is_named) in [
            ("app://obsidian.md", true),
            ("http://localhost:3000", true),
            ("file://", true),
            ("http://localhost:3001", false),
            ("https://example.com", false),
            ("null", false),
            ("tauri://localhost", false),
        ] {
            let headers = [("host", "localhost:8080"), ("origin", origin)];
            assert_eq!(
                code_with(&allowed_ones, &headers).is_none(),
                is_named,
                "{origin}"
            );
            assert!(code_with(&any, &headers).is_some(), "{origin}");
        }
    }

    #[test]
    fn what_is_no_name_and_no_origin_is_refused_where_it_is_typed() {
        for origin in [
            "example.com",
            "https://example.com/",
            "https://*.example.com",
            "",
            "https://",
        ] {
            let error = allowed(&[], &[origin]).expect_err(origin);
            assert!(error.contains("--allow-origin"), "{error}");
        }
        for host in [
            "https://example.com",
            "*",
            "example.com:80",
            "",
            "localhost",
        ] {
            let error = allowed(&[host], &[]).expect_err(host);
            assert!(error.contains("--allow-host"), "{error}");
        }
    }
}
