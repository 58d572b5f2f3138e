//! Who may ask: programs on this machine, and the server's own page. A page of another site must not use the user's
//! GPU, neither by a request across origins nor under a name that was made to lead here (DNS rebinding).

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::refusal::Refusal;

/// Lets a request on, if it may ask.
///
/// # Errors
/// 403 with `foreign-host` or `foreign-origin`.
pub async fn only(request: Request, next: Next) -> Result<Response, Refusal> {
    check(request.headers())?;
    Ok(next.run(request).await)
}

fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let refused = |code, message: &str| Refusal {
        status: StatusCode::FORBIDDEN,
        ..Refusal::bad_request(code, message)
    };
    let host = single(headers, HOST.as_str()).filter(|host| is_local(host));
    let Some(host) = host else {
        let message = "this server answers to localhost, 127.0.0.1 and [::1] only; ask for it by one of these names";
        return Err(refused("foreign-host", message));
    };
    if !headers.contains_key(ORIGIN) {
        return Ok(()); // no page asks
    }
    let own = format!("http://{host}");
    match single(headers, ORIGIN.as_str()) {
        Some(origin) if origin.eq_ignore_ascii_case(&own) => Ok(()),
        _ => {
            let message = "a page of another site may not ask; programs send no Origin header";
            Err(refused("foreign-origin", message))
        }
    }
}

/// A header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// Whether a Host header names this machine, with any port: a tunnel may have another one.
fn is_local(host: &str) -> bool {
    let (name, port) = match host.rfind(':') {
        Some(at) if !host.ends_with(']') => (&host[..at], &host[at + 1..]),
        _ => (host, ""),
    };
    let names = ["localhost", "127.0.0.1", "[::1]"];
    names.iter().any(|local| name.eq_ignore_ascii_case(local))
        && port.chars().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::check;
    use axum::http::{HeaderMap, HeaderValue};

    fn code(headers: &[(&'static str, &str)]) -> Option<&'static str> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        check(&map).err().map(|refusal| refusal.code)
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
}
