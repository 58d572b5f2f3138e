//! The hub's settings from environment variables, with the names used by Python's huggingface_hub.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ureq::Proxy;

use crate::error::{Error, Result};
use crate::{files, foreign};

const HUB: &str = "https://huggingface.co";
/// Size limit in bytes of a token's file.
const TOKEN_CAP: u64 = 4 << 10;

/// The hub's address, the token, and the folder of downloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The hub's address, without a trailing slash (`HF_ENDPOINT`).
    pub endpoint: String,
    /// The folder of downloads (`HF_HUB_CACHE`; otherwise `hub` in `HF_HOME`).
    pub cache: PathBuf,
    /// The token (`HF_TOKEN`; otherwise the file at `HF_TOKEN_PATH`; otherwise `token` in
    /// `HF_HOME`).
    pub token: Option<String>,
    /// Whether to use only earlier downloads, without network access (`HF_HUB_OFFLINE`).
    pub offline: bool,
}

impl Settings {
    /// The settings from the variables that `get` returns.
    ///
    /// # Errors
    /// [`Error::Option`] if the folder cannot be determined; [`Error::FileAccess`] for a token's
    /// file that cannot be read.
    pub fn read(get: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let said = |name: &str| get(name).filter(|value| !value.is_empty());
        let word = |name: &str| said(name).map(|value| bare(&value.to_string_lossy()).to_string());
        let is_yes = |name: &str| {
            let value = word(name).unwrap_or_default().to_uppercase();
            matches!(value.as_str(), "1" | "ON" | "YES" | "TRUE")
        };
        let own = said("HOME")
            .or_else(|| said("USERPROFILE"))
            .map(PathBuf::from);
        let folder = |name: &str| {
            let path = said(name).map(PathBuf::from)?;
            Some(match (path.strip_prefix("~"), &own) {
                (Ok(below), Some(own)) => own.join(below),
                _ => path,
            })
        };
        let caches = || folder("XDG_CACHE_HOME").or_else(|| Some(own.as_ref()?.join(".cache")));
        let home = folder("HF_HOME").or_else(|| Some(caches()?.join("huggingface")));
        let cache = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(home.as_ref()?.join("hub")))
            .ok_or_else(|| Error::Option {
                option: "HF_HOME".into(),
                reason: "there is no home folder; name one where downloads are to be kept".into(),
            })?;
        let token_file = || folder("HF_TOKEN_PATH").or_else(|| Some(home.as_ref()?.join("token")));
        let named = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];
        let named = named.iter().find_map(|name| Some((name, word(name)?)));
        let token = match (named.filter(|(_, token)| !token.is_empty()), token_file()) {
            _ if is_yes("HF_HUB_DISABLE_IMPLICIT_TOKEN") => None,
            (Some((name, token)), _) => Some(one_word(name, token)?),
            (None, Some(path)) => read_token(&path)?,
            (None, None) => None,
        };
        let endpoint = word("HF_ENDPOINT").unwrap_or_else(|| HUB.into());
        Ok(Settings {
            endpoint: endpoint.trim_end_matches('/').into(),
            cache,
            token,
            offline: is_yes("HF_HUB_OFFLINE"),
        })
    }
}

/// The token from a file written by `hf auth login`, if it exists.
fn read_token(path: &Path) -> Result<Option<String>> {
    let failed = |reason: String| Error::FileAccess {
        file: path.display().to_string(),
        reason,
    };
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = files::read(path, TOKEN_CAP).map_err(|error| failed(error.to_string()))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let text = foreign::text(&bytes).map_err(failed)?;
    let text = std::str::from_utf8(text).map_err(|_| failed("a token is of ASCII".into()))?;
    match bare(text) {
        "" => Ok(None),
        token => one_word(&path.display().to_string(), token.into()).map(Some),
    }
}

/// Removes surrounding white space, which shells and editors add, and quotation marks, which may
/// remain from a file of variables.
fn bare(value: &str) -> &str {
    let value = value.trim();
    let quoted = ['"', '\'']
        .into_iter()
        .find_map(|mark| value.strip_prefix(mark)?.strip_suffix(mark));
    quoted.unwrap_or(value).trim()
}

/// Checks that a token is a single word; the message does not contain it.
fn one_word(source: &str, token: String) -> Result<String> {
    match token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(token),
        false => {
            let lines = token.lines().count();
            let holds = if lines > 1 {
                format!("{lines} lines")
            } else {
                "more than one word".into()
            };
            Err(Error::Option {
                option: source.into(),
                reason: format!(
                    "the token must be one word of letters, digits and signs, and this is {holds}"
                ),
            })
        }
    }
}

/// Checks that every proxy variable before the first usable one has a valid address: if a proxy
/// is set, direct connections are not wanted.
///
/// # Errors
/// [`Error::Option`] naming the variable but not its value, which may contain a password.
pub(super) fn check_proxies(get: impl Fn(&str) -> Option<OsString>) -> Result<()> {
    // In the order in which ureq tries them; it skips those that it cannot parse.
    for name in [
        "ALL_PROXY",
        "all_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
    ] {
        let Some(value) = get(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        return match value.to_str().is_some_and(|value| Proxy::new(value).is_ok()) {
            true => Ok(()),
            false => Err(Error::Option {
                option: name.into(),
                reason: "it is no address of a proxy, such as http://host:8080 (look for white space and quotation marks around it); mend it, or unset it to connect without one".into(),
            }),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Settings {
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Settings::read(get).expect("settings")
    }

    #[test]
    fn folders_are_those_of_pythons_library() {
        let cache = |variables: &[(&str, &str)]| read(variables).cache;
        assert_eq!(
            cache(&[("HOME", "/h")]),
            Path::new("/h/.cache/huggingface/hub")
        );
        assert_eq!(
            cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]),
            Path::new("/x/huggingface/hub")
        );
        assert_eq!(
            cache(&[("HOME", "/h"), ("HF_HOME", "~/hf")]),
            Path::new("/h/hf/hub")
        );
        let both = [("HF_HUB_CACHE", "/c"), ("HF_HOME", "/hf")];
        assert_eq!(cache(&both), Path::new("/c"));
        assert!(Settings::read(|_| None).is_err());
    }

    #[test]
    fn the_token_is_found_where_python_finds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().display().to_string();
        let other = folder.path().join("other");
        assert_eq!(read(&[("HF_HOME", &home)]).token, None);
        std::fs::write(folder.path().join("token"), "hf_a\n").expect("written");
        std::fs::write(&other, " hf_b ").expect("written");
        let other = other.display().to_string();
        let token = |variables: &[(&str, &str)]| read(variables).token.unwrap_or_default();
        assert_eq!(token(&[("HF_HOME", &home)]), "hf_a");
        assert_eq!(
            token(&[("HF_HOME", &home), ("HF_TOKEN_PATH", &other)]),
            "hf_b"
        );
        assert_eq!(token(&[("HF_HOME", &home), ("HF_TOKEN", "hf_c")]), "hf_c");
        assert_eq!(token(&[("HF_HOME", &home), ("HF_TOKEN", "")]), "hf_a");
        assert_eq!(
            token(&[("HF_HOME", &home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]),
            ""
        );
    }

    #[test]
    fn a_token_is_bare_of_what_shells_and_editors_put_around_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let home = folder.path().display().to_string();
        for around in [
            "hf_a",
            "hf_a\n",
            "hf_a\r\n",
            "  hf_a\t",
            "\n\nhf_a\n\n",
            "\"hf_a\"",
            "'hf_a'\n",
            "\" hf_a \"",
        ] {
            for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
                let token = read(&[("HF_HOME", &home), (name, around)]).token;
                assert_eq!(token.as_deref(), Some("hf_a"), "{name} {around:?}");
            }
            for mark in ["", "\u{feff}"] {
                std::fs::write(&file, format!("{mark}{around}")).expect("written");
                let token = read(&[("HF_HOME", &home)]).token;
                assert_eq!(token.as_deref(), Some("hf_a"), "{mark:?} {around:?}");
            }
            std::fs::remove_file(&file).expect("removed");
        }
        for none in ["", " ", "\n", "\"\""] {
            assert_eq!(read(&[("HF_HOME", &home), ("HF_TOKEN", none)]).token, None);
            std::fs::write(&file, none).expect("written");
            assert_eq!(read(&[("HF_HOME", &home)]).token, None, "{none:?}");
        }
    }

    #[test]
    fn a_token_of_several_words_is_refused_by_name_and_not_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let home = folder.path().display().to_string();
        let fails = |variables: &[(&str, &str)]| {
            let get = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            let error = Settings::read(get).expect_err("refused").to_string();
            assert!(!error.contains("secret"), "{error}");
            error
        };
        for (token, says) in [
            ("hf_secret\nhf_secret2", "2 lines"),
            ("hf_secret\r\nhf_secret2\n", "2 lines"),
            ("Bearer hf_secret", "more than one word"),
            ("hf_sec\u{200b}secret", "more than one word"),
        ] {
            let error = fails(&[("HF_HOME", &home), ("HF_TOKEN", token)]);
            assert!(
                error.contains("HF_TOKEN") && error.contains(says),
                "{error}"
            );
            std::fs::write(&file, token).expect("written");
            let error = fails(&[("HF_HOME", &home)]);
            assert!(error.contains("/token") && error.contains(says), "{error}");
        }
        let utf16: Vec<u8> = "\u{feff}hf_secret"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        std::fs::write(&file, utf16).expect("written");
        assert!(fails(&[("HF_HOME", &home)]).contains("UTF-16"));
    }

    #[test]
    fn a_proxy_that_is_none_is_refused_and_not_passed_over() {
        let check = |variables: &[(&str, &str)]| {
            check_proxies(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        for fine in [
            &[][..],
            &[("HTTPS_PROXY", "")],
            &[("HTTPS_PROXY", "http://proxy:8080")],
            &[("ALL_PROXY", "proxy:8080"), ("HTTP_PROXY", "http://a b")],
        ] {
            assert_eq!(check(fine), Ok(()), "{fine:?}");
        }
        for (name, value) in [
            ("HTTPS_PROXY", "http://user:secret@proxy:8080\n"),
            ("https_proxy", " http://proxy:8080"),
            ("ALL_PROXY", "\"http://proxy:8080\""),
            ("HTTP_PROXY", "ftp://secret"),
        ] {
            let error = check(&[(name, value)]).expect_err(value).to_string();
            assert!(error.contains(name) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn which_hub_and_whether_it_is_asked() {
        let settings = read(&[("HOME", "/h")]);
        assert_eq!((settings.endpoint.as_str(), settings.offline), (HUB, false));
        let settings = read(&[
            ("HOME", "/h"),
            ("HF_ENDPOINT", " \"http://127.0.0.1:1//\"\n"),
            ("HF_HUB_OFFLINE", "yes"),
        ]);
        assert_eq!(
            (settings.endpoint.as_str(), settings.offline),
            ("http://127.0.0.1:1", true)
        );
    }
}
