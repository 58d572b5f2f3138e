//! Names of hosts and origins of pages: which are this machine's, and how one that is refused may be let in.

use std::net::Ipv6Addr;

/// The origin of pages that may not say theirs.
const HIDDEN: &str = "null";

/// What to do so that the pages of `origin` may ask, if anything.
pub fn who_may_ask(origin: &str) -> String {
    let refused = "a page of another site may not ask";
    if is_of_this_machine(origin) && is_origin(origin) {
        let flag = flag(origin);
        return format!(
            "{refused}, nor an app's, unless the server is started with {flag}; programs send no Origin header"
        );
    }
    if origin == HIDDEN {
        return format!(
            "{refused}, nor one that hides its origin (a file that was opened, a frame in a sandbox): serve it from \
             http://localhost, and name that with --allow-origin; programs send no Origin header"
        );
    }
    format!("{refused}; programs send no Origin header")
}

/// The option that lets an origin in, as it is typed in a shell.
pub fn flag(origin: &str) -> String {
    match is_origin(origin) {
        true => format!("--allow-origin '{origin}'"),
        false => "--allow-origin and that site's origin".into(),
    }
}

/// Whether a text can be an origin, in letters that mean nothing to a shell.
pub fn is_origin(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:[]%@+".contains(c);
    match text.split_once("://") {
        // Pages of files have no host.
        Some(("file", "")) => true,
        Some((scheme, host)) => {
            !scheme.is_empty()
                && !host.is_empty()
                && scheme.chars().chain(host.chars()).all(is_plain)
        }
        None => text == HIDDEN,
    }
}

/// Whether an origin is an app's of this machine (`app://obsidian.md`, `tauri://localhost`, `chrome-extension://...`), or
/// a page's that this machine serves. No site of the web can have such a one.
pub fn is_of_this_machine(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else {
        return false;
    };
    let is_web = ["http", "https"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web));
    let name = split_port(host).0.to_ascii_lowercase();
    !is_web || is_local(host) || name.ends_with(".localhost")
}

/// A Host header's name, and its port if it has one.
pub fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rfind(':') {
        Some(at) if !host.ends_with(']') => (&host[..at], Some(&host[at + 1..])),
        _ => (host, None),
    }
}

/// Whether a Host header names this machine, with any port: a tunnel may have another one.
pub fn is_local(host: &str) -> bool {
    let (name, port) = split_port(host);
    let names = ["localhost", "localhost.", "127.0.0.1"];
    let is_named = names.iter().any(|local| name.eq_ignore_ascii_case(local));
    (is_named || is_loopback(name))
        && port.is_none_or(|port| port.chars().all(|digit| digit.is_ascii_digit()))
}

/// Whether a name is [::1], which some programs write out ([0:0:0:0:0:0:0:1]) or with the interface that it is on.
fn is_loopback(name: &str) -> bool {
    let within = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = within.map(|within| within.split('%').next().unwrap_or_default());
    let address = address.and_then(|address| address.parse::<Ipv6Addr>().ok());
    address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{is_local, is_of_this_machine, is_origin, who_may_ask};

    const APPS: [&str; 9] = [
        "app://obsidian.md",
        "app://.",
        "tauri://localhost",
        "vscode-webview://0a1b2c",
        "capacitor://localhost",
        "ionic://localhost",
        "chrome-extension://abcdefghijklmnop",
        "moz-extension://123e4567-e89b-12d3-a456-426614174000",
        "file://",
    ];

    #[test]
    fn an_app_is_told_which_option_lets_it_in() {
        for origin in APPS.into_iter().chain([
            "http://localhost:3000",
            "https://tauri.localhost",
            "http://[::1]:5173",
        ]) {
            assert!(is_origin(origin) && is_of_this_machine(origin), "{origin}");
            let said = who_may_ask(origin);
            assert!(
                said.contains(&format!("--allow-origin '{origin}'")),
                "{said}"
            );
        }
        // A site of the web may have the model at the most, and what may be anybody's page nothing.
        for origin in [
            "https://example.com",
            "http://localhost.evil.example",
            "http://evil.example:80",
            "null",
            "",
            "app://'; rm -r ~; '",
        ] {
            assert!(
                !who_may_ask(origin).contains("--allow-origin '"),
                "{origin}"
            );
        }
    }

    #[test]
    fn this_machine_is_known_however_its_name_is_written() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "localhost.:8080",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8080",
            "[0:0:0:0:0:0:0:1]:8080",
            "[0000::0001]",
            "[::1%lo]:80",
            "[::1%251]",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "::1",
            "[::1",
            "[::2]",
            "[::ffff:10.0.0.1]",
            "[]",
            "[::1]x",
            "[::1]:a",
            "127.0.0.1.nip.io",
            "localhost..",
            "0.0.0.0",
            "",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
